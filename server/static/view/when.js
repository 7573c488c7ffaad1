import { dayOf } from "../state/timeline.js";
import { LOCALE, fill } from "../words/format.js";
import { profile as words } from "../words/profile.js";
import { timeText } from "./time.js";

/** Times in running text: short for what is near, exact enough for what is not. */

const thisYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const anyYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });
const FOREVER = 9999; // the year of what has no end

/** @type {[unit: Intl.RelativeTimeFormatUnit, seconds: number][]} */
const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** "10:42" today, "3 May, 10:42" on another day. @param {number | string} time @param {number} [now] */
export function when(time, now = Date.now()) {
  const at = typeof time === "string" ? Date.parse(time) : time;
  if (dayOf(at) === dayOf(now)) return timeText(at);
  const day = new Date(at).getFullYear() === new Date(now).getFullYear() ? thisYear : anyYear;
  return fill("{day}, {time}", { day: day.format(at), time: timeText(at) });
}

/** "3 hours ago". @param {string} time @param {number} [now] */
export function ago(time, now = Date.now()) {
  const seconds = (Date.parse(time) - now) / 1000;
  const [unit, length] = UNITS.find(([, each]) => -seconds >= each) ?? UNITS[2];
  return relative.format(Math.min(0, Math.round(seconds / length)), unit);
}

/** How long a mute or ban lasts. @param {string} end */
export function until(end) {
  return Number(end.slice(0, 4)) >= FOREVER ? words.untilLifted : words.until(when(end));
}
