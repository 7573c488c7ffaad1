import { dialogs as words } from "../../words/dialogs.js";
import { Form } from "../form.js";

/**
 * A name was typed that is no room which one may see: ask before one is made, because of typing errors. If it is a
 * private room, the server does not tell.
 *
 * @param {import("../host.js").Context} context with `room` @returns {import("../host.js").Part}
 */
export function open({ act, data, redraw, close }) {
  const form = new Form({
    fields: [],
    text: words.missingText(data.room),
    button: words.missingCreate,
    redraw,
    close,
    submit: async () => act.rooms.enter(data.room),
  });
  const password = () => act.ui.dialog("password", { room: data.room });
  return {
    title: () => words.missingTitle,
    draw: () => form.draw(words.missingPassword, password),
    focus: () => form.focus(),
  };
}
