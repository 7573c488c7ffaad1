import { html } from "../vendor/lit-html/lit-html.js";
import { ICONS } from "../vendor/lucide/icons.js";

/** @param {keyof typeof ICONS} name @returns hidden from screen readers: the button or the text next to it says it */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${ICONS[name]}</svg>`;
}
