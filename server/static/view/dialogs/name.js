import { words } from "../../words.js";
import { Form } from "../form.js";

/**
 * What others call the guest that I am.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open({ state, act, redraw, close }) {
  const form = new Form({
    fields: [{ name: "name", label: words.entry.name, value: state.name, autocomplete: "nickname", maxlength: 128 }],
    text: words.entry.renameText,
    button: words.entry.rename,
    redraw,
    close,
    submit: ({ name }) => act.account.rename(name),
  });
  return { title: () => words.entry.renameTitle, draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
