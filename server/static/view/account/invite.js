import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { el } from "../dom.js";
import { Form } from "./form.js";
import { withParts } from "./pages.js";
import { NAME, register } from "./sign.js";

/**
 * Pages about invite links: to a room or to register, as the server says, for users who are signed in or not. The link
 * stays in the tab until it is used, or of no use.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../../actions/account.js").Invite & {token: string}} Link
 */

const NOT_IN = new Set(["no_such_room", "banned", "forbidden"]);

/** @param {Pages} pages @param {{token: string}} options @returns {Promise<Page>} */
export async function invite(pages, { token }) {
  try {
    const link = { token, ...(await pages.act.account.findLink(token)) };
    return link.registers ? toRegister(pages, link) : toRoom(pages, link);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.code === "no_such_link" ? useless(pages) : unknown(pages, token, error.message);
  }
}

/** @param {Pages} pages @param {Link} link @returns {Page} */
function toRegister(pages, link) {
  const { account, server } = pages.state;
  if (!account) {
    if (server.registration === "closed") pages.act.account.forgetLink();
    return register(pages, { invite: link });
  }
  pages.act.account.forgetLink();
  return { title: words.invited, lead: withParts(words.invitedHasOne, { name: el("bdi", {}, account.username) }), body: [pages.onward()] };
}

/** @param {Pages} pages @param {Link} link @returns {Page} */
function toRoom(pages, link) {
  const { me, proven } = pages.state;
  const room = el("bdi", { class: "me-name" }, link.room ?? "");
  return me && proven ? asAccount(pages, link, room, me.name) : asVisitor(pages, link, room);
}

/** @param {Pages} pages @param {Link} link @param {Node} room @param {string} name @returns {Page} */
function asAccount({ act }, { token }, room, name) {
  const form = new Form({
    fields: [],
    button: words.accept,
    submit: async () => {
      try {
        await act.account.acceptLink(token);
      } catch (error) {
        if (error instanceof Refused && !error.retryable) act.account.forgetLink();
        explain(act, token, error, words.notYou);
      }
    },
  });
  return { title: words.invited, lead: withParts(words.invitedAs, { room, name: el("bdi", {}, name) }), body: [form.element] };
}

/** @param {Pages} pages @param {Link} link @param {Node} room @returns {Page} */
function asVisitor(pages, link, room) {
  const { act, state } = pages;
  const { guests, registration } = state.server;
  const links = [pages.link(words.signIn, "signIn", { invite: link })];
  if (registration === "open") links.unshift(pages.link(words.register, "register", { invite: link }));
  /** @type {Node[]} */
  const body = [el("div", { class: "links" }, ...links)];
  if (guests) {
    const form = new Form({
      fields: [{ ...NAME, label: words.yourName, optional: false, hint: "", value: state.name }],
      button: words.asGuest,
      submit: ({ name }) => act.account.acceptLink(link.token, name).catch((error) => explain(act, link.token, error, words.notGuest)),
    });
    body.unshift(form.element);
  }
  const choose = guests || registration === "open";
  const only = registration === "invite";
  const [lead, leadOnly] = choose ? [words.invitedChoose, words.invitedChooseOnly] : [words.invitedSignIn, words.invitedSignInOnly];
  return { title: words.invited, lead: withParts(only ? leadOnly : lead, { room }), body };
}

/** Say why a link did not work. @param {Pages["act"]} act @param {string} token @param {unknown} error @param {string} notIn */
function explain(act, token, error, notIn) {
  if (!(error instanceof Refused)) throw error;
  if (error.code !== "no_such_link") throw NOT_IN.has(error.code) ? new Refused(error.code, notIn) : error;
  act.account.open("invite", { token }); // used up since: says what to do
}

/** @param {Pages} pages @returns {Page} */
function useless(pages) {
  pages.act.account.forgetLink();
  const { proven } = pages.state;
  const links = proven ? [] : [el("div", { class: "links" }, pages.link(words.signIn, "signIn"))];
  return { title: words.useless, lead: proven ? words.uselessIn : words.uselessOut, body: [pages.onward(), ...links] };
}

/** The server did not say where the link leads. @param {Pages} pages @param {string} token @param {string} lead
 * @returns {Page} */
function unknown(pages, token, lead) {
  const form = new Form({ fields: [], button: words.tryAgain, submit: async () => pages.act.account.open("invite", { token }) });
  return { title: words.invited, lead, body: [form.element] };
}
