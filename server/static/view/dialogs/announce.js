import { reports as words } from "../../words/manage.js";
import { Form } from "../form.js";

/**
 * Tell everyone on the server something: `act.ui.dialog("announce")`.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open({ state, act, redraw, close }) {
  const form = new Form({
    fields: [{ name: "content", label: words.announcement, rows: 4, maxlength: state.limits.max_content_chars }],
    text: words.announceText,
    button: words.announceButton,
    redraw,
    close,
    submit: async ({ content }) => {
      await act.moderation.announce(content);
      act.ui.toast(words.announced);
    },
  });
  return { title: () => words.announceTitle, draw: () => form.draw(), focus: () => form.focus() };
}
