import { html } from "../../vendor/lit-html/lit-html.js";
import { account as words } from "../../words/account.js";
import { parts } from "../../words/format.js";
import { Form } from "../form.js";

/**
 * After signing in, in a browser that knows a guest: whether to keep what it wrote. The page of the account has this, too.
 *
 * @param {import("../host.js").Context} context with `guest`, its name @returns {import("../host.js").Part}
 */
export function open({ act, data, redraw, close }) {
  const form = new Form({
    fields: [],
    text: html`${parts(words.guestLead, { name: html`<bdi>${data.guest}</bdi>` })} ${words.guestLater}`,
    button: words.guestKeep,
    cancel: words.notNow,
    redraw,
    close,
    submit: async () => {
      await act.me.keepGuest(data.guest);
      act.ui.toast(words.guestKept);
    },
  });
  return { title: () => words.guests, draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
