import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { el } from "../dom.js";
import { Form, NEW_PASSWORD, USERNAME } from "./form.js";
import { withParts } from "./pages.js";

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
  const back = el("div", { class: "links" }, pages.link(words.resetBack, "signIn"));
  const form = new Form({
    fields: [{ ...USERNAME, name: "who", label: words.usernameOrMail, maxlength: 254 }],
    button: words.resetSend,
    submit: async ({ who }, self) => {
      await pages.act.account.askReset(who);
      self.say(words.resetSent);
    },
  });
  return { title: words.reset, lead: [lead, words.resetHow].filter(Boolean).join(" "), body: [form.element, back] };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function reset(pages, { token }) {
  const { account } = pages.act;
  const form = new Form({
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
  return { title: words.set, body: [form.element] };
}

/** @param {Pages} pages @param {{token: string}} options @returns {Page} */
export function confirmEmail(pages, { token }) {
  const { account } = pages.act;
  const form = new Form({
    fields: [],
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
  const lead = pending ? withParts(words.confirmWhose, { address: el("bdi", {}, pending) }) : words.confirmAny;
  return { title: words.confirmMail, lead, body: [form.element] };
}

/** @param {Pages} pages @returns {Page} */
export function confirmed(pages) {
  return { title: words.confirmed, lead: words.confirmedLead, body: [pages.onward()] };
}

/** A link that was not copied, or not sent, as a whole. @param {Pages} pages @returns {Page} */
export function incomplete(pages) {
  return { title: words.incomplete, lead: words.incompleteLead, body: [pages.onward()] };
}
