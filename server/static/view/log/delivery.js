import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { words } from "../../words.js";
import { icon } from "../icons.js";

/**
 * How far a message of mine has come: a sign where that says something, and for one that is not sent the reason and what
 * can be done.
 *
 * @typedef {import("../../state/timeline.js").MessageLine} MessageLine
 * @typedef {import("../../state/timeline.js").Delivered} Delivered
 */

/** Most messages are sent before anybody could read that they are waiting. */
const PATIENCE = 3000; // ms

const ICONS = /** @type {const} */ ({ sent: "check", shown: "clock", sending: "clock", queued: "clock", failed: "circle-alert" });

/** The newest message of mine says that it is stored; the others say it by saying nothing.
 * @param {{delivered: Delivered, last: boolean, late: boolean}} shown */
export function tick({ delivered, last, late }) {
  if (delivered === "sent" && !last) return nothing;
  const label = words.log.delivered[delivered];
  return html`<span class=${late ? "tick late" : "tick"} role="img" aria-label=${label} title=${label}>${icon(ICONS[delivered])}</span>`;
}

/**
 * What is said below a message that is not sent.
 * @param {MessageLine} line @param {number} now @returns {string} "" for nothing
 */
export function footOf({ delivered, unsent }, now) {
  if (!unsent) return "";
  if (delivered === "failed") return words.log.failed(unsent.reason);
  if (delivered !== "queued") return "";
  const seconds = Math.ceil((unsent.retryAt - now) / 1000);
  if (unsent.reason) return `${unsent.reason} ${seconds > 0 ? words.log.retryIn(seconds) : words.log.trying}`;
  return now - unsent.at > PATIENCE ? words.log.waiting : "";
}

/** Whether the foot changes by itself. @param {MessageLine} line */
export const counts = ({ delivered, unsent }) => unsent !== null && delivered === "queued";

/** @param {MessageLine} line @param {string} said @param {any} act */
export function foot({ delivered, unsent }, said, act) {
  const id = unsent?.id ?? "";
  const button = (/** @type {string} */ text, /** @type {() => void} */ run) =>
    html`<button type="button" class="link" tabindex="-1" @click=${run}>${text}</button>`;
  return html`<div class="foot"><span class="reason" dir="auto">${said}</span>${
    delivered === "failed" || unsent?.reason ? button(words.log.retry, () => act.writing.retry(id)) : nothing}${
    button(words.log.edit, () => act.writing.editUnsent(id))}${button(words.log.discard, () => act.writing.discard(id))}</div>`;
}
