import { el } from "../view/dom.js";
import { Refused } from "./api.js";
import { CODE, Form, NEW_PASSWORD, PASSWORD, USERNAME } from "./form.js";

/**
 * Pages for users who are not signed in: sign in, register, and accept an invite link.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 */

const NAME = {
  name: "name",
  label: "Name that others see",
  autocomplete: "nickname",
  maxlength: 128,
  optional: true,
  hint: "Your username if you leave this empty.",
};
const EMAIL = {
  name: "email",
  label: "E-mail",
  type: "email",
  autocomplete: "email",
  maxlength: 254,
  optional: true,
  hint: "Only to reset a forgotten password. You receive a link that confirms it.",
};
const CHOSEN_USERNAME = { ...USERNAME, hint: "You sign in with it. Others can see it." };
const FIRST_PASSWORD = { ...NEW_PASSWORD, label: "Password" };

/** @param {Pages} pages @param {{lead?: string, username?: string, invite?: string}} options @returns {Page} */
export function signIn(pages, { lead, username, invite }) {
  const form = new Form({
    fields: [{ ...USERNAME, value: username }, PASSWORD, { ...CODE, later: true }],
    button: "Sign in",
    submit: async (values, self) => {
      try {
        await pages.account.signIn("login", values);
        pages.onSigned();
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "code_required") throw error;
        self.reveal("code", "This account has a second factor: enter the code.");
      }
    },
  });
  const links = [];
  if (pages.server.registration !== "closed") links.push(pages.link("Create an account", "register", { invite }));
  if (pages.server.mail) links.push(pages.link("Forgot your password?", "forgotten"));
  return { title: "Sign in", lead, body: [form.element, el("div", { class: "links" }, ...links)] };
}

/** @param {Pages} pages @param {{invite?: string}} options @returns {Page} */
export function register(pages, { invite }) {
  const { registration, mail } = pages.server;
  const back = el("div", { class: "links" }, pages.link("I have an account", "signIn", { invite }));
  if (registration === "closed") return { title: "Create an account", lead: "This server accepts no new accounts.", body: [back] };
  if (registration === "invite" && !invite) {
    const lead = "This server accepts new accounts only with an invite link. Open the link that you received.";
    return { title: "Create an account", lead, body: [back] };
  }
  const form = new Form({
    fields: [CHOSEN_USERNAME, FIRST_PASSWORD, NAME, ...(mail ? [EMAIL] : [])],
    button: "Create account",
    submit: async (values) => {
      // Without need of one, the link stays for the room that it may lead to.
      const used = registration === "invite" ? { invite } : {};
      await pages.account.signIn("register", { ...given(values), ...used });
      if (registration === "invite") pages.forgetInvite();
      pages.onSigned();
    },
  });
  return { title: "Create an account", body: [form.element, back] };
}

/** The browser is signed in to an account that may not be used. @param {Pages} pages @param {{lead: string}} options
 * @returns {Page} */
export function denied(pages, { lead }) {
  const form = new Form({
    fields: [],
    button: "Sign out",
    submit: async () => {
      await pages.account.signOut();
      pages.onSigned(true);
    },
  });
  return { title: "You cannot enter", lead, body: [form.element] };
}

/** The first admin's account, with the link that the server wrote into a file. @param {Pages} pages
 * @param {{token: string}} options @returns {Page} */
export function firstAdmin(pages, { token }) {
  const form = new Form({
    fields: [CHOSEN_USERNAME, FIRST_PASSWORD, NAME],
    button: "Create account",
    submit: async (values) => {
      await pages.account.signIn("admin/first", { ...given(values), token });
      pages.onSigned();
    },
  });
  return { title: "Create the first admin", lead: "This link works once.", body: [form.element] };
}

/**
 * Accept an invite link, to a room or to register: which of the two, the server says.
 * @param {Pages} pages @param {{token: string}} options @returns {Page}
 */
export function invite(pages, { token }) {
  const title = "You are invited";
  if (pages.account.me) {
    const form = new Form({
      fields: [],
      button: "Accept",
      submit: async () => {
        const { room } = await pages.api.ask("POST", "links/accept", { token }).finally(() => pages.forgetInvite());
        pages.enter(room);
      },
    });
    return { title, lead: `You enter the room as ${pages.account.me.name}.`, body: [form.element] };
  }
  const body = [];
  if (pages.server.guests) {
    const form = new Form({
      fields: [{ ...NAME, label: "Your name", optional: false, hint: "" }],
      button: "Enter as a guest",
      submit: ({ name }) => pages.acceptAsGuest(name, token),
    });
    body.push(form.element);
  }
  const links = [pages.link("Sign in", "signIn", { invite: token })];
  if (pages.server.registration !== "closed") links.unshift(pages.link("Create an account", "register", { invite: token }));
  return { title, lead: "Choose how you want to take part.", body: [...body, el("div", { class: "links" }, ...links)] };
}

/** Leave out what was left empty. @param {Record<string, string>} values */
function given(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
