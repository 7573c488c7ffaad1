import { el } from "../view/dom.js";
import { Form, NEW_PASSWORD, USERNAME } from "./form.js";

/**
 * Pages about links by mail: asking for one, setting a new password with it, confirming an address.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @param {Pages} pages @returns {Page} */
export function forgotten(pages) {
  const back = el("div", { class: "links" }, pages.link("Back to sign in", "signIn"));
  const form = new Form({
    fields: [{ ...USERNAME, name: "who", label: "Username or e-mail", maxlength: 254 }],
    button: "Send a link",
    submit: async ({ who }, self) => {
      await pages.api.ask("POST", "reset", who.includes("@") ? { email: who } : { username: who });
      self.say("If there is such an account with a confirmed e-mail, a link is on its way. It works once, within 30 minutes.");
    },
  });
  const lead = "You receive a link to set a new password, at the e-mail address that you have confirmed.";
  return { title: "Reset your password", lead, body: [form.element, back] };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function reset(pages, { token }) {
  const form = new Form({
    fields: [NEW_PASSWORD],
    button: "Set the password",
    submit: async ({ password }) => {
      await pages.api.ask("POST", "reset/confirm", { token, password });
      await pages.open("signIn", { lead: "The password is set, and all devices were signed out. Sign in with it." });
    },
  });
  return { title: "Set a new password", body: [form.element] };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function confirmEmail(pages, { token }) {
  const form = new Form({
    fields: [],
    button: "Confirm",
    submit: async () => {
      await pages.api.ask("POST", "email/confirm", { token });
      pages.account.announce();
      await pages.open("confirmed");
    },
  });
  return { title: "Confirm your e-mail", lead: "Confirm that this address is yours.", body: [form.element] };
}

/** @param {Pages} pages @returns {Page} */
export function confirmed(pages) {
  const on = el("button", { type: "button", class: "primary", click: () => pages.close() }, "Continue");
  return { title: "E-mail confirmed", lead: "You can use it to reset a forgotten password.", body: [on] };
}
