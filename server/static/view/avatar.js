import { html } from "../vendor/lit-html/lit-html.js";

/**
 * A picture for everyone who has none: initials on two colours that meet at an angle, all three from the id, so that two
 * people rarely look alike (24 hues x 4 second hues x 8 angles; with one hue alone, two of ten people would mostly share it).
 */

const HUES = 24; // more would be indistinguishable
const SECOND = [40, 110, 180, 250];
const ANGLES = 8;
const segments = typeof Intl.Segmenter === "function" ? new Intl.Segmenter() : null;

/** FNV-1a, finished with shifts so that ids that differ in their last letter do not get neighbouring colours. @param {string} id */
function hashOf(id) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** A user's own colour, also for the name. @param {string} id @returns {number} degrees */
export function hueOf(id) {
  return (hashOf(id) % HUES) * (360 / HUES);
}

/** The custom properties of `.avatar` and `.name-color`, for `.style=${…}`: the CSP refuses style attributes, and this is none. @param {string} id */
export function colors(id) {
  const hash = hashOf(id);
  const hue = hueOf(id);
  const second = (hue + SECOND[Math.floor(hash / HUES) % SECOND.length]) % 360;
  const angle = (Math.floor(hash / (HUES * SECOND.length)) % ANGLES) * (360 / ANGLES);
  return `--hue:${hue};--hue2:${second};--angle:${angle}deg`;
}

/** One or two letters, or one emoji. @param {string} name */
export function initials(name) {
  const first = (/** @type {string} */ word) => (segments ? [...segments.segment(word)][0]?.segment : [...word][0]) ?? "";
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = first(words[0] ?? name);
  const second = words.length > 1 && /^\p{L}/u.test(letters) ? first(words[words.length - 1]) : "";
  return (letters + (/^\p{L}/u.test(second) ? second : "")).toLocaleUpperCase();
}

/** Guests are round, accounts are not. @param {string} id */
export const shapeOf = (id) => (/^[gw]_/.test(id) ? "avatar guest" : "avatar");

/** @param {{id: string, name: string}} user @returns hidden from screen readers: the name is next to it */
export function avatar({ id, name }) {
  return html`<span class=${shapeOf(id)} aria-hidden="true" .style=${colors(id)}>${initials(name)}</span>`;
}
