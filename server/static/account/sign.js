import { el } from "../view/dom.js";
import { Refused } from "../net/api.js";
import { Form, LATER_CODE, NEW_PASSWORD, PASSWORD, USERNAME, given } from "./form.js";

/**
 * Pages for users who are not signed in: sign in and register.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("./pages.js").Invite} Invite
 */

export const NAME = {
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

/** @param {Pages} pages @param {{lead?: string, username?: string, invite?: Invite}} options @returns {Page} */
export function signIn(pages, { lead, username, invite }) {
  const who = pages.server.mail ? { ...USERNAME, label: "Username or e-mail", maxlength: 254 } : USERNAME;
  const form = new Form({
    fields: [{ ...who, value: username }, { ...PASSWORD, autofocus: Boolean(username) }, LATER_CODE],
    button: "Sign in",
    submit: async (values) => {
      await pages.account.signIn("login", given(values));
      if (invite?.registers) pages.forgetInvite();
      pages.onSigned();
    },
  });
  const links = [];
  if (pages.server.registration !== "closed") links.push(pages.link("Create an account", "register", { invite }));
  if (pages.server.mail) links.push(pages.link("Forgot your password?", "forgotten"));
  return { title: "Sign in", lead, body: [form.element, el("div", { class: "links" }, ...links)] };
}

/** @param {Pages} pages @param {{invite?: Invite}} options @returns {Page} */
export function register(pages, { invite }) {
  const { registration, mail } = pages.server;
  const back = el("div", { class: "links" }, pages.link("I have an account", "signIn", { invite }));
  if (registration === "closed") return { title: "Create an account", lead: "This server accepts no new accounts.", body: [back] };
  if (registration === "invite" && !invite?.registers) {
    const lead = "This server accepts new accounts only with an invite link to register. Open the link that you received.";
    return { title: "Create an account", lead, body: [back] };
  }
  const form = new Form({
    fields: [CHOSEN_USERNAME, FIRST_PASSWORD, NAME, ...(mail ? [EMAIL] : [])],
    button: "Create account",
    submit: async (values) => {
      const used = invite && registration === "invite" ? { invite: invite.token } : {};
      try {
        await pages.account.signIn("register", { ...given(values), ...used });
      } catch (error) {
        if (!invite || !(error instanceof Refused) || error.code !== "invite_invalid") throw error;
        return pages.open("invite", { token: invite.token }); // used up since: says what to do
      }
      if (invite?.registers) pages.forgetInvite(); // one to a room is accepted next
      const news = values.email ? `A mail was sent to ${values.email}: open the link in it to confirm this address.` : "";
      return pages.onSigned({ news });
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
      pages.onSigned({ out: true });
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
