import { dialogs as words } from "../../words/dialogs.js";
import { Form } from "../form.js";

/** Seconds between two messages of one person. */
const PAUSES = [0, 5, 10, 30, 60, 300, 900, 3600];

/**
 * A new room that stays.
 *
 * @param {import("../host.js").Context} context perhaps with `room`, its name @returns {import("../host.js").Part}
 */
export function open({ act, data, redraw, close }) {
  const isPrivate = (/** @type {Record<string, string>} */ values) => values.private === "on";
  const form = new Form({
    fields: [
      { name: "room", label: words.name, hint: words.nameHint, value: data.room ?? "", maxlength: 128 },
      { name: "title", label: words.title, hint: words.titleHint, optional: true, maxlength: 128 },
      { name: "topic", label: words.topic, optional: true, rows: 2, maxlength: 500 },
      { name: "private", label: words.private, type: "checkbox", hint: words.privateHint },
      { name: "password", label: words.roomPassword, hint: words.roomPasswordHint, type: "password", autocomplete: "new-password", optional: true, maxlength: 128, when: isPrivate },
      { name: "slow_mode", label: words.slowMode, value: "0", options: PAUSES.map((pause) => [String(pause), words.pause(pause)]) },
      { name: "guests", label: words.guests, value: "talk", options: [["talk", words.guestsTalk], ["read", words.guestsRead], ["no", words.guestsNo]] },
    ],
    button: words.createButton,
    redraw,
    close,
    submit: async (values) => {
      const { room, title, topic, password = "" } = values;
      const guests = /** @type {"talk" | "read" | "no"} */ (values.guests);
      await act.rooms.create({ room, title, topic, private: isPrivate(values), password, slow_mode: Number(values.slow_mode), guests });
    },
  });
  return { title: () => words.createTitle, draw: () => form.draw(), focus: () => form.focus() };
}
