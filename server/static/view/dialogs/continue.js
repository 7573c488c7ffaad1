import { dialogs as words } from "../../words/dialogs.js";
import { parts } from "../../words/format.js";
import { Form } from "../form.js";
import { mark, nameOf, namesakes } from "../names.js";
import { html } from "../../vendor/lit-html/lit-html.js";

/**
 * A link would make this browser act for another user: `act.ui.dialog("continue", { user, before, run })`.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open({ data, redraw, close }) {
  const { user, before, run } = data;
  const alike = namesakes([user, before]);
  const shown = (/** @type {import("../names.js").User} */ each) => html`${nameOf(each, alike)}${mark(each.id)}`;
  const form = new Form({
    fields: [],
    text: parts(words.continueText, { user: shown(user), before: shown(before) }),
    button: words.continue,
    danger: true,
    redraw,
    close,
    submit: async () => run(),
  });
  // One who types on, or presses Enter without reading, is not to agree.
  const cancel = () => /** @type {HTMLElement | null} */ (document.querySelector("#dialog .dialog-buttons .button"));
  return { title: () => parts(words.continueTitle, { user: shown(user) }), draw: () => form.draw(), focus: () => cancel()?.focus(), kind: "narrow" };
}
