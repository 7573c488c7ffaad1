import { el } from "./dom.js";

const HUES = 24; // more would be indistinguishable
const segments = typeof Intl.Segmenter === "function" ? new Intl.Segmenter() : null;

/**
 * A user's own colour, from the id: two users with one name look different. FNV-1a, finished with a shift so that ids
 * that differ in their last letter do not get neighbouring colours.
 * @param {string} id
 * @returns {number} degrees
 */
export function hueOf(id) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return ((hash >>> 0) % HUES) * (360 / HUES);
}

/** One or two letters, or one emoji. @param {string} name */
export function initials(name) {
  const first = (/** @type {string} */ word) => (segments ? [...segments.segment(word)][0]?.segment : [...word][0]) ?? "";
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = first(words[0] ?? name);
  const second = words.length > 1 && /^\p{L}/u.test(letters) ? first(words[words.length - 1]) : "";
  return (letters + (/^\p{L}/u.test(second) ? second : "")).toLocaleUpperCase();
}

/** Give an element (and its content) the colour of this user. @param {HTMLElement} element @param {string} id */
export function tint(element, id) {
  element.style.setProperty("--hue", String(hueOf(id)));
}

/** @param {string} id @param {string} name @returns {HTMLElement} hidden from screen readers: the name is next to it */
export function avatar(id, name) {
  const element = el("span", { class: "avatar", "aria-hidden": "true" }, initials(name));
  tint(element, id);
  return element;
}
