import { Refused } from "../../net/api.js";
import { dialogs as words } from "../../words/dialogs.js";
import { Form } from "../form.js";

/**
 * A room that needs a password, or is not there: the server does not tell which.
 *
 * @param {import("../host.js").Context} context with `room` @returns {import("../host.js").Part}
 */
export function open({ act, data, redraw, close }) {
  const form = new Form({
    fields: [{ name: "password", label: words.password, type: "password", autocomplete: "off", maxlength: 128 }],
    text: words.passwordText(data.room),
    button: words.enter,
    redraw,
    close,
    submit: async ({ password }) => {
      try {
        await act.rooms.open(data.room, { password });
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "no_such_room") throw error;
        throw new Refused(error.code, error.message, { fields: { password: words.passwordWrong } });
      }
    },
  });
  return { title: () => words.passwordTitle, draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
