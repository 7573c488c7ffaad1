import { dayOf } from "../timeline.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const dayThisYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAnyYear = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

/** All in the time zone and locale of the user. @param {number} at */
export const timeText = (at) => clock.format(at);
/** @param {number} at */
export const secondsText = (at) => clockSeconds.format(at);
/** @param {number} at */
export const exactText = (at) => exact.format(at);

/** @param {number} at @param {number} [now] */
export function dayText(at, now = Date.now()) {
  const today = dayOf(now);
  if (at === today) return "Today";
  if (at === dayOf(today - 1)) return "Yesterday";
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? dayThisYear.format(at) : dayAnyYear.format(at);
}
