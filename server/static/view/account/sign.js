import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { LATER_CODE, NEW_PASSWORD, PASSWORD, USERNAME, formOf, given } from "./form.js";

/**
 * Pages for users who are not signed in: sign in and register.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("./invite.js").Link} Link
 */

export const NAME = { name: "name", label: words.name, autocomplete: "nickname", maxlength: 128, optional: true, hint: words.nameHint };
const EMAIL = { name: "email", label: words.mailOptional, type: "email", autocomplete: "email", maxlength: 254, optional: true, hint: words.mailHint };
const CHOSEN_USERNAME = { ...USERNAME, hint: words.usernameChosen };
const FIRST_PASSWORD = { ...NEW_PASSWORD, label: words.password };

/** @param {Pages} pages @param {{lead?: string, username?: string, invite?: Link}} options @returns {Page} */
export function signIn(pages, { lead, username, invite }) {
  const { registration, mail } = pages.state.server;
  const who = mail ? { ...USERNAME, label: words.usernameOrMail, proof: "mail", maxlength: 254 } : USERNAME;
  const form = formOf(pages, {
    fields: [{ ...who, value: username }, { ...PASSWORD, focus: Boolean(username) }, LATER_CODE],
    button: words.signIn,
    submit: (values) => pages.act.account.signIn("login", given(values), { used: invite?.registers }),
  });
  const links = () => html`<div class="links">
    ${registration === "closed" ? nothing : pages.link(words.register, "register", { invite })}
    ${mail ? pages.link(words.forgot, "forgotten") : nothing}
  </div>`;
  return { title: words.signIn, lead, body: () => [form.draw(), links()] };
}

/** @param {Pages} pages @param {{invite?: Link}} options @returns {Page} */
export function register(pages, { invite }) {
  const { registration, mail } = pages.state.server;
  const { account } = pages.act;
  const back = () => html`<div class="links">${pages.link(words.hasAccount, "signIn", { invite })}</div>`;
  if (registration === "closed") return { title: words.register, lead: words.closed, body: back };
  if (registration === "invite" && !invite?.registers) return { title: words.register, lead: words.inviteOnly, body: back };
  const form = formOf(pages, {
    fields: [CHOSEN_USERNAME, FIRST_PASSWORD, { ...NAME, value: pages.state.name }, ...(mail ? [EMAIL] : [])],
    button: words.create,
    submit: async (values) => {
      const used = invite && registration === "invite" ? { invite: invite.token } : {};
      try {
        const news = values.email ? words.mailed(values.email) : "";
        await account.signIn("register", { ...given(values), ...used }, { news, used: invite?.registers });
      } catch (error) {
        if (!invite || !(error instanceof Refused) || error.code !== "invite_invalid") throw error;
        account.open("invite", { token: invite.token }); // used up since: says what to do
      }
    },
  });
  return { title: words.register, body: () => [form.draw(), back()] };
}

/** The browser is signed in to an account that may not be used. @param {Pages} pages @param {{lead: string}} options
 * @returns {Page} */
export function denied(pages, { lead }) {
  const form = formOf(pages, { button: words.signOut, submit: () => pages.act.account.signOut() });
  return { title: words.denied, lead, body: () => form.draw() };
}

/** The first admin's account, with the link that the server wrote into a file. @param {Pages} pages
 * @param {{token: string}} options @returns {Page} */
export function firstAdmin(pages, { token }) {
  const form = formOf(pages, {
    fields: [CHOSEN_USERNAME, FIRST_PASSWORD, NAME],
    button: words.create,
    submit: (values) => pages.act.account.signIn("admin/first", { ...given(values), token }),
  });
  return { title: words.firstAdmin, lead: words.firstAdminLead, body: () => form.draw() };
}
