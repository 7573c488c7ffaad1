import { Refused } from "../../net/api.js";
import { kindOf } from "../../state/people.js";
import { sanctions as words } from "../../words/profile.js";
import { Form } from "../form.js";

/**
 * Remove, ban or mute a person: for how long, and why. `act.ui.dialog("sanction", { what, room, user })`.
 *
 * @param {import("../host.js").Context} context `what`: "kick", "ban" or "mute" @returns {import("../host.js").Part}
 */
export function open({ act, data, redraw, close }) {
  const { room, user } = data;
  const what = /** @type {"kick"|"ban"|"mute"} */ (data.what);
  const unproven = ["guest", "claimed"].includes(kindOf(user.id));
  const own = (/** @type {Record<string, string>} */ values) => values.duration === "own";
  /** @type {import("../form.js").Field[]} */
  const times = [
    { name: "duration", label: words.duration, value: what === "mute" ? "3600" : "", options: Object.entries(words.durations) },
    { name: "amount", label: words.amount, type: "number", maxlength: 6, when: own },
    { name: "unit", label: words.unit, value: "3600", options: Object.entries(words.units), when: own },
  ];
  /** @type {import("../form.js").Field} */
  const guests = { name: "guests", label: words.guests, hint: words.guestsHints[what], value: what === "ban" ? "3600" : "0", options: Object.entries(words.guestsFor) };
  const form = new Form({
    fields: [
      ...(what === "kick" ? [] : times),
      { name: "reason", label: words.reason, hint: what === "kick" ? words.reasonKickHint : words.reasonHint, optional: true, rows: 2, maxlength: 500 },
      ...(unproven && what !== "kick" ? [guests] : []),
    ],
    text: { kick: words.kickText, ban: words.banText, mute: words.muteText }[what],
    button: { kick: words.kickButton, ban: words.banButton, mute: words.muteButton }[what],
    danger: what !== "mute",
    redraw,
    close,
    submit: async (values) => {
      const reason = values.reason ? { reason: values.reason } : {};
      const seconds = values.duration === "own" ? ownSeconds(values) : Number(values.duration);
      const lasting = seconds ? { seconds } : {};
      await act.people[what](room, user.id, { ...reason, ...lasting, ...(values.guests ? { guests: Number(values.guests) } : {}) });
    },
  });
  const title = { kick: words.kickTitle, ban: words.banTitle, mute: words.muteTitle }[what];
  return { title: () => title(user.name), draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}

/** @param {Record<string, string>} values @throws {Refused} */
function ownSeconds({ amount, unit }) {
  const seconds = Number(amount) * Number(unit);
  if (!(seconds > 0)) throw new Refused("bad_field", words.amountWrong, { fields: { amount: words.amountWrong } });
  return seconds;
}
