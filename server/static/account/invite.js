import { el } from "../view/dom.js";
import { Refused } from "../net/api.js";
import { Form } from "./form.js";
import { NAME, register } from "./sign.js";

/**
 * Pages about invite links: to a room or to register, as the server says, for users who are signed in or not. The link
 * stays in the tab until it is used, or of no use.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("./pages.js").Invite} Invite
 */

const TITLE = "You are invited";
const NOT_IN = new Set(["no_such_room", "banned", "forbidden"]);

/** @param {Pages} pages @param {{token: string}} options @returns {Promise<Page>} */
export async function invite(pages, { token }) {
  try {
    const link = { token, ...(await pages.api.ask("POST", "links/find", { token })) };
    return link.registers ? toRegister(pages, link) : toRoom(pages, link);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.code === "no_such_link" ? useless(pages) : unknown(pages, token, error.message);
  }
}

/** @param {Pages} pages @param {Invite} link @returns {Page} */
function toRegister(pages, link) {
  const { me } = pages.account;
  if (!me) {
    if (pages.server.registration === "closed") pages.forgetInvite();
    return register(pages, { invite: link });
  }
  pages.forgetInvite();
  const lead = el("span", {}, "This link is for making an account. You have one: you are signed in as ", el("bdi", {}, me.username), ".");
  return { title: TITLE, lead, body: [onward(pages)] };
}

/** @param {Pages} pages @param {Invite} link @returns {Page} */
function toRoom(pages, link) {
  const { me } = pages.account;
  const room = el("bdi", { class: "me-name" }, link.room ?? "");
  return me ? asAccount(pages, link, room, me.name) : asVisitor(pages, link, room);
}

/** @param {Pages} pages @param {Invite} link @param {Node} room @param {string} name @returns {Page} */
function asAccount(pages, { token }, room, name) {
  const form = new Form({
    fields: [],
    button: "Accept",
    submit: async () => {
      try {
        const { room: entered } = await pages.api.ask("POST", "links/accept", { token });
        pages.forgetInvite();
        pages.enter(entered);
      } catch (error) {
        if (error instanceof Refused && !error.retryable) pages.forgetInvite();
        await explain(pages, token, error, "You may not enter this room.");
      }
    },
  });
  return { title: TITLE, lead: el("span", {}, "You enter the room ", room, " as ", el("bdi", {}, name), "."), body: [form.element] };
}

/** @param {Pages} pages @param {Invite} link @param {Node} room @returns {Page} */
function asVisitor(pages, link, room) {
  const { guests, registration } = pages.server;
  const links = [pages.link("Sign in", "signIn", { invite: link })];
  if (registration === "open") links.unshift(pages.link("Create an account", "register", { invite: link }));
  /** @type {Node[]} */
  const body = [el("div", { class: "links" }, ...links)];
  if (guests) {
    const form = new Form({
      fields: [{ ...NAME, label: "Your name", optional: false, hint: "" }],
      button: "Enter as a guest",
      submit: ({ name }) =>
        pages
          .acceptAsGuest(name, link.token)
          .catch((error) => explain(pages, link.token, error, "You may not enter this room as a guest. Sign in to use the link.")),
    });
    body.unshift(form.element);
  }
  const only = guests || registration === "open" ? "Choose how you want to take part." : "Sign in to enter.";
  const news = registration === "invite" ? " New accounts need a link of their own." : "";
  return { title: TITLE, lead: el("span", {}, "To the room ", room, `. ${only}${news}`), body };
}

/** Say why a link did not work. @param {Pages} pages @param {string} token @param {unknown} error @param {string} notIn */
async function explain(pages, token, error, notIn) {
  if (!(error instanceof Refused)) throw error;
  if (error.code === "no_such_link") return pages.open("invite", { token }); // used up since: says what to do
  throw NOT_IN.has(error.code) ? new Refused(error.code, notIn) : error;
}

/** @param {Pages} pages @returns {Page} */
function useless(pages) {
  pages.forgetInvite();
  const { me } = pages.account;
  const before = me ? "If you used it before, you need it no more." : "If you have made an account with it, sign in.";
  const lead = `It has expired, was used up, or was revoked. ${before} Otherwise ask for a new one.`;
  const links = me ? [] : [el("div", { class: "links" }, pages.link("Sign in", "signIn"))];
  return { title: "This invite link does not work", lead, body: [onward(pages), ...links] };
}

/** The server did not say where the link leads. @param {Pages} pages @param {string} token @param {string} lead
 * @returns {Page} */
function unknown(pages, token, lead) {
  const form = new Form({ fields: [], button: "Try again", submit: () => pages.open("invite", { token }) });
  return { title: TITLE, lead, body: [form.element] };
}

/** @param {Pages} pages */
function onward(pages) {
  return el("button", { type: "button", class: "primary", click: () => pages.close() }, "Continue");
}
