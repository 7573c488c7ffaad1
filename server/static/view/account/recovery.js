import { html } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { parts } from "../../words/format.js";
import { NEW_PASSWORD, USERNAME, formOf } from "./form.js";

/**
 * Pages about links by mail: asking for one, setting a new password with it, confirming an address.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @param {unknown} error @returns {boolean} whether the link is of no use any more */
const isLate = (error) => error instanceof Refused && error.code === "no_such_ticket";

/** @param {Pages} pages @param {{lead?: string}} options @returns {Page} */
export function forgotten(pages, { lead = "" }) {
  const back = () => html`<div class="links">${pages.link(words.resetBack, "signIn")}</div>`;
  const form = formOf(pages, {
    fields: [{ ...USERNAME, name: "who", label: words.usernameOrMail, maxlength: 254 }],
    button: words.resetSend,
    submit: async ({ who }, self) => {
      await pages.act.account.askReset(who);
      self.say(words.resetSent);
    },
  });
  return { title: words.reset, lead: [lead, words.resetHow].filter(Boolean).join(" "), body: () => [form.draw(), back()] };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function reset(pages, { token }) {
  const { account } = pages.act;
  const form = formOf(pages, {
    fields: [NEW_PASSWORD],
    button: words.setButton,
    submit: async ({ password }) => {
      try {
        await account.resetPassword(token, password);
      } catch (error) {
        if (!isLate(error)) throw error;
        return account.open("forgotten", { lead: words.resetLate });
      }
      return account.open("signIn", { lead: words.setDone });
    },
  });
  return { title: words.set, body: () => form.draw() };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function confirmEmail(pages, { token }) {
  const { account } = pages.act;
  const form = formOf(pages, {
    button: words.confirm,
    submit: async () => {
      try {
        await account.confirmEmail(token);
      } catch (error) {
        throw isLate(error) ? new Refused("no_such_ticket", words.confirmLate) : error;
      }
      account.open("confirmed");
    },
  });
  const pending = pages.state.account?.email_pending;
  const lead = pending ? parts(words.confirmWhose, { address: html`<bdi>${pending}</bdi>` }) : words.confirmAny;
  return { title: words.confirmMail, lead, body: () => form.draw() };
}

/** @param {Pages} pages @returns {Page} */
export function confirmed(pages) {
  return { title: words.confirmed, lead: words.confirmedLead, body: () => pages.onward() };
}

/** A link that was not copied, or not sent, as a whole. @param {Pages} pages @returns {Page} */
export function incomplete(pages) {
  return { title: words.incomplete, lead: words.incompleteLead, body: () => pages.onward() };
}
