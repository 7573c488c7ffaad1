import { actions as words } from "../../words/actions.js";
import { Form } from "../form.js";

/** Tell the moderators of a room about a message: `act.ui.dialog("report", { room, seq, sender })`.
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ act, data, redraw, close }) {
  const form = new Form({
    fields: [{ name: "reason", label: words.reportReason, rows: 4, maxlength: 500 }],
    text: words.reportLead,
    button: words.reportSend,
    redraw,
    close,
    submit: async ({ reason }) => {
      await act.moderation.report(data.room, data.seq, reason);
      act.ui.toast(words.reported);
    },
  });
  return { title: () => words.reportTitle(data.sender), draw: () => form.draw(), focus: () => form.focus() };
}
