import { actions as words } from "../../words/actions.js";
import { Refused } from "../../net/api.js";
import { Form } from "../form.js";

/** Tell the moderators of a room about a message: `act.ui.dialog("report", { room, seq, sender })`.
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ act, data, redraw, close }) {
  let moderated = true;
  const form = new Form({
    fields: [{ name: "reason", label: words.reportReason, missing: words.reportMissing, rows: 4, maxlength: 500 }],
    text: words.reportLead,
    button: words.reportSend,
    redraw,
    close,
    submit: async ({ reason }) => {
      await act.moderation.report(data.room, data.seq, reason);
      act.ui.toast(moderated ? words.reported : words.reportedAdmins);
    },
  });
  act.people.members(data.room).then(
    ({ members, cursor }) => {
      moderated = Boolean(cursor) || members.some(({ role }) => role === "owner" || role === "moderator");
      if (!moderated) form.options.text = words.reportLeadAdmins;
      redraw();
    },
    (problem) => {
      if (!(problem instanceof Refused)) throw problem; // then it is sent all the same
    },
  );
  return { title: () => words.reportTitle(data.sender), draw: () => form.draw(), focus: () => form.focus() };
}
