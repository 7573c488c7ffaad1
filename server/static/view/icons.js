import { html } from "../vendor/lit-html/lit-html.js";
import { ICONS } from "../vendor/lucide/icons.js";

/** @param {keyof typeof ICONS} name @returns one that the first view of a room has */
export const icon = (name) => drawn(ICONS[name]);

/** @param {unknown} shapes @returns hidden from screen readers: the button or the text next to it says it */
export const drawn = (shapes) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${shapes}</svg>`;
