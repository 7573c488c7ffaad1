import { dayOf } from "../state/timeline.js";
import { words } from "../words.js";

/** Times in the time zone and locale of the user. */

/** @typedef {"auto"|"12"|"24"} Clock */

/** @type {Record<Clock, Intl.DateTimeFormatOptions>} */
const CYCLES = { auto: {}, 12: { hourCycle: "h12" }, 24: { hourCycle: "h23" } };
/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => new Intl.DateTimeFormat(undefined, { ...options, ...CYCLES[shown] });

/** @type {Clock} */ let shown = "auto";
const dayThisYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAnyYear = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
let [clock, exact] = formats();

function formats() {
  const { hour12 } = format({ hour: "numeric" }).resolvedOptions();
  /** @type {Intl.DateTimeFormatOptions} */
  const time = { hour: hour12 ? "numeric" : "2-digit", minute: "2-digit" };
  return [format(time), format({ weekday: "long", day: "numeric", month: "long", year: "numeric", ...time })];
}

/** Show times by this clock from now on. @param {Clock} wanted */
export function useClock(wanted) {
  if (wanted === shown) return;
  shown = wanted;
  [clock, exact] = formats();
}

/** @param {number} at */
export const timeText = (at) => clock.format(at);
/** Without am and pm, where there is little space. @param {number} at */
export const shortTimeText = (at) => timeText(at).match(/\p{Nd}+\P{L}\p{Nd}+/u)?.[0] ?? timeText(at);
/** @param {number} at */
export const exactText = (at) => exact.format(at);

/** @param {number} at local midnight @param {number} [now] */
export function dayText(at, now = Date.now()) {
  const today = dayOf(now);
  if (at === today) return words.log.today;
  if (at === dayOf(today - 1)) return words.log.yesterday;
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? dayThisYear.format(at) : dayAnyYear.format(at);
}
