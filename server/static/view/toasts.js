import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { guard } from "../vendor/lit-html/directives/guard.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { fill } from "../words/format.js";
import { words } from "../words.js";
import { icon } from "./icons.js";
import { text as formatted } from "./markdown/text.js";
import { exactText, timeText } from "./time.js";

/**
 * Short notices below the log, and what the operators of the server announce, in a bar below the header.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").Toast} Toast
 */

const SHORT = 5000; // ms: what only tells something
const LONG = 12_000; // what can be undone
/** The toasts whose time runs. @type {Set<string>} */ const timed = new Set();

/**
 * Take toasts away after a while; errors stay until they are put away. One that is pointed at or has the focus stays.
 * @param {State} state @param {Actions} act
 */
export function timeToasts(state, act) {
  for (const { key, error, action } of state.toasts) {
    if (error || timed.has(key)) continue;
    timed.add(key);
    const end = () => {
      if (document.querySelector(".toast:is(:hover, :focus-within)")) return setTimeout(end, SHORT);
      timed.delete(key);
      return act.ui.dismiss(key);
    };
    setTimeout(end, action ? LONG : SHORT);
  }
}

/** Errors interrupt a screen reader, other notices wait. @param {State} state @param {Actions} act */
export function toasts(state, act) {
  // The pages about accounts show none that is about what is behind them.
  const shown = state.toasts.filter(({ view }) => state.ui.view !== "account" || view === "account");
  const errors = shown.filter((toast) => toast.error);
  const others = shown.filter((toast) => !toast.error);
  const each = (/** @type {Toast[]} */ list) => repeat(list, (toast) => toast.key, (toast) => one(toast, act));
  return html`<div class="toast-list" role="alert" aria-label=${words.status.alerts}>${each(errors)}</div>
    <div class="toast-list" role="status" aria-label=${words.status.notices}>${each(others)}</div>`;
}

/** @param {Toast} toast @param {Actions} act */
function one({ key, text, error, action }, act) {
  const run = () => {
    act.ui.dismiss(key);
    action?.run();
  };
  return html`<div class="toast alert ${error ? "error" : ""}">
    ${error ? icon("circle-alert") : nothing}<span class="toast-text" dir="auto">${typeof text === "string" ? text : text()}</span>
    ${action ? html`<button type="button" class="link" @click=${run}>${action.label}</button>` : nothing}
    <button type="button" class="icon-button small" aria-label=${words.common.dismiss} title=${words.common.dismiss} @click=${() => act.ui.dismiss(key)}>${icon("x")}</button>
  </div>`;
}

/** They stay until they are put away. @param {State} state @param {Actions} act */
export function announcements(state, act) {
  return html`<div role="region" aria-label=${words.status.announcements} aria-live="polite">
    ${repeat(state.announcements, (each) => each.key, ({ key, by, content, at }) => {
      const time = Date.parse(at);
      return html`<article class="announcement">
        ${icon("megaphone")}
        <div class="announcement-words">
          <div class="announcement-text" dir="auto">${guard([content], () => formatted(content))}</div>
          <p class="announcement-from" title=${exactText(time)}>${fill(words.status.from, { name: by.name, time: timeText(time) })}</p>
        </div>
        <button type="button" class="icon-button small" aria-label=${words.common.dismiss} title=${words.common.dismiss}
          @click=${() => act.ui.dismissAnnouncement(key)}>${icon("x")}</button>
      </article>`;
    })}
  </div>`;
}
