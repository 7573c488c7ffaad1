import { Refused } from "../../net/api.js";
import { find as words } from "../../words/find.js";
import { Form } from "../form.js";

/**
 * Show the first message of a day: `act.ui.dialog("date", { room })`.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open({ act, data, redraw, close }) {
  const form = new Form({
    fields: [{ name: "date", label: words.date, type: "date" }],
    button: words.dateButton,
    redraw,
    close,
    submit: async ({ date }) => {
      const [year, month, day] = date.split("-").map(Number);
      const found = await act.reading.toDate(data.room, new Date(year, month - 1, day)); // midnight where the user is
      if (!found) throw new Refused("", words.dateNone, { fields: { date: words.dateNone } });
    },
  });
  return { title: () => words.dateTitle, draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
