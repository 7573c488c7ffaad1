import { Form } from "../form.js";

/**
 * "Are you sure?": `act.ui.dialog("confirm", { title, text, button, danger, run })`. It closes when `run` is done, and
 * shows why it was refused.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open({ data, redraw, close }) {
  const form = new Form({
    fields: [],
    text: data.text,
    button: data.button,
    danger: data.danger,
    redraw,
    close,
    submit: async () => data.run(),
  });
  return { title: () => data.title, draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
