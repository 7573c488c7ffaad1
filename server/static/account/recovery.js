import { el } from "../view/dom.js";
import { Refused } from "../net/api.js";
import { Form, NEW_PASSWORD, USERNAME } from "./form.js";

/**
 * Pages about links by mail: asking for one, setting a new password with it, confirming an address.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 */

const TOO_LATE = "This link has expired, or was used.";

/** @param {Pages} pages @param {{lead?: string}} options @returns {Page} */
export function forgotten(pages, { lead = "" }) {
  const back = el("div", { class: "links" }, pages.link("Back to sign in", "signIn"));
  const form = new Form({
    fields: [{ ...USERNAME, name: "who", label: "Username or e-mail", maxlength: 254 }],
    button: "Send a link",
    submit: async ({ who }, self) => {
      await pages.api.ask("POST", "reset", who.includes("@") ? { email: who } : { username: who });
      self.say("If there is such an account with a confirmed e-mail, a link is on its way. It works once, within 30 minutes.");
    },
  });
  const how = "You receive a link to set a new password, at the e-mail address that you have confirmed.";
  return { title: "Reset your password", lead: [lead, how].filter(Boolean).join(" "), body: [form.element, back] };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function reset(pages, { token }) {
  const form = new Form({
    fields: [NEW_PASSWORD],
    button: "Set the password",
    submit: async ({ password }) => {
      try {
        await pages.api.ask("POST", "reset/confirm", { token, password });
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "no_such_ticket") throw error;
        return pages.open("forgotten", { lead: `${TOO_LATE} Ask for a new one.` });
      }
      await pages.open("signIn", { lead: "The password is set, and all devices were signed out. Sign in with it." });
      return undefined;
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
      try {
        await pages.api.ask("POST", "email/confirm", { token });
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "no_such_ticket") throw error;
        throw new Refused(error.code, `${TOO_LATE} If the address is not confirmed yet, enter it again on the page of your account.`);
      }
      pages.account.announce();
      await pages.open("confirmed");
    },
  });
  const pending = pages.account.me?.email_pending;
  const address = pending ? el("bdi", {}, pending) : "the address to which this link was sent";
  return { title: "Confirm your e-mail", lead: el("span", {}, "Confirm that ", address, " is yours."), body: [form.element] };
}

/** @param {Pages} pages @returns {Page} */
export function confirmed(pages) {
  const on = el("button", { type: "button", class: "primary", click: () => pages.close() }, "Continue");
  return { title: "E-mail confirmed", lead: "You can use it to reset a forgotten password.", body: [on] };
}

/** A link that was not copied, or not sent, as a whole. @param {Pages} pages @returns {Page} */
export function incomplete(pages) {
  const on = el("button", { type: "button", class: "primary", click: () => pages.close() }, "Continue");
  return { title: "This link is not complete", lead: "A part of it is missing. Copy the whole link, and open it again.", body: [on] };
}
