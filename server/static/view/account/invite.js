import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { parts } from "../../words/format.js";
import { formOf } from "./form.js";
import { NAME, register } from "./sign.js";

/**
 * Pages about invite links: to a room or to register, as the server says, for users who are signed in or not. The link
 * stays in the tab until it is used, or of no use.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../../actions/entering.js").Invite & {token: string}} Link
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
  return { title: words.invited, lead: parts(words.invitedHasOne, { name: html`<bdi>${account.username}</bdi>` }), body: () => pages.onward() };
}

/** @param {Pages} pages @param {Link} link @returns {Page} */
function toRoom(pages, link) {
  const { me, proven } = pages.state;
  const room = html`<bdi class="me-name">${link.title || link.room}</bdi>`;
  if (link.mine && me) return already(pages, link, room, me.name);
  return me && proven ? asAccount(pages, link, room, me.name) : asVisitor(pages, link, room);
}

/** @param {Pages} pages @param {Link} link @param {unknown} room @param {string} name @returns {Page} */
function already(pages, link, room, name) {
  const form = formOf(pages, { button: words.openRoom, submit: () => pages.act.account.openLinked(link.room ?? "") });
  return { title: words.invited, lead: parts(words.invitedIn, { room, name: html`<bdi>${name}</bdi>` }), body: () => form.draw() };
}

/** @param {Pages} pages @param {Link} link @param {unknown} room @param {string} name @returns {Page} */
function asAccount(pages, { token }, room, name) {
  const { act } = pages;
  const form = formOf(pages, {
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
  return { title: words.invited, lead: parts(words.invitedAs, { room, name: html`<bdi>${name}</bdi>` }), body: () => form.draw() };
}

/** @param {Pages} pages @param {Link} link @param {unknown} room @returns {Page} */
function asVisitor(pages, link, room) {
  const { act, state } = pages;
  const { guests, registration } = state.server;
  const links = () => html`<div class="links">
    ${registration === "open" ? pages.link(words.register, "register", { invite: link }) : nothing}
    ${pages.link(words.signIn, "signIn", { invite: link })}
  </div>`;
  const enter = (/** @type {string} */ name) => act.account.acceptLink(link.token, name).catch((error) => explain(act, link.token, error, words.notGuest));
  const named = (/** @type {string} */ value, /** @type {string} */ hint) =>
    formOf(pages, {
      fields: [{ ...NAME, label: words.yourName, optional: false, hint, value }],
      button: words.asGuest,
      submit: ({ name }) => enter(name),
    });
  const known = state.guests.list();
  let chosen = state.guests.get(state.name)?.name ?? known[0]?.name ?? "";
  const asKnown = () =>
    formOf(pages, {
      button: words.enterAs(chosen),
      submit: () =>
        enter(chosen).catch((error) => {
          if (!(error instanceof Refused) || !error.fields.name) throw error;
          show("", named(chosen, "")); // the same guest under another name
          form.errors = { name: error.message };
          pages.draw();
          form.focus();
        }),
    });
  let form = chosen ? asKnown() : named(state.name, "");
  /** @param {string} name of the guest whom a button proposes, "" for none @param {import("../form.js").Form} [next] */
  function show(name, next) {
    chosen = name;
    form = next ?? asKnown();
    pages.draw();
    form.focus();
  }
  const others = () => html`<div class="links">
    ${known.filter(({ name }) => name !== chosen).map(({ name }) => html`<button type="button" class="link" @click=${() => show(name)}>${words.enterAs(name)}</button>`)}
    ${chosen ? html`<button type="button" class="link" @click=${() => show("", named("", words.otherGuestHint(chosen)))}>${words.otherGuest}</button>` : nothing}
  </div>`;
  const choose = guests || registration === "open";
  const only = registration === "invite";
  const [lead, leadOnly] = choose ? [words.invitedChoose, words.invitedChooseOnly] : [words.invitedSignIn, words.invitedSignInOnly];
  return { title: words.invited, lead: parts(only ? leadOnly : lead, { room }), body: () => [guests ? [form.draw(), known.length ? others() : nothing] : nothing, links()] };
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
  const links = () => html`<div class="links">${pages.link(words.signIn, "signIn")}</div>`;
  return { title: words.useless, lead: proven ? words.uselessIn : words.uselessOut, body: () => [pages.onward(), proven ? nothing : links()] };
}

/** The server did not say where the link leads. @param {Pages} pages @param {string} token @param {string} lead
 * @returns {Page} */
function unknown(pages, token, lead) {
  const form = formOf(pages, { button: words.tryAgain, submit: async () => pages.act.account.open("invite", { token }) });
  return { title: words.invited, lead, body: () => form.draw() };
}
