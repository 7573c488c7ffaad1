import { entry as texts } from "../../words/entry.js";
import { Form } from "../form.js";

/**
 * What others call the guest that I am.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open({ state, act, redraw, close }) {
  const form = new Form({
    fields: [{ name: "name", label: texts.name, value: state.name, autocomplete: "nickname", maxlength: 128 }],
    text: texts.renameText,
    button: texts.rename,
    redraw,
    close,
    submit: ({ name }) => act.account.rename(name),
  });
  return { title: () => texts.renameTitle, draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
