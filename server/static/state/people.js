import { words } from "../words.js";

/**
 * What ids and names of users say. The prefix of an id, which only the server gives, says what a name cannot prove.
 *
 * @typedef {import("./types.js").User} User
 */

const KINDS = { g_: "guest", w_: "claimed", b_: "bot" };

/**
 * How a user is marked.
 * @param {string} id @returns {""|"guest"|"claimed"|"bot"} "" for accounts
 */
export function kindOf(id) {
  return /** @type {any} */ (KINDS)[id.slice(0, 2)] ?? "";
}

/** A name within a sentence, with its mark. @param {User} user */
export function shownName({ id, name }) {
  const kind = kindOf(id ?? "");
  return kind ? words.common.nameAndKind(name, words.common.kinds[/** @type {keyof typeof words.common.kinds} */ (kind)]) : name;
}

/** A name as the server compares it: without case, width, compatibility forms, joiners and selectors. @param {string} name */
export function comparable(name) {
  return name
    .normalize("NFKC")
    .replace(/[\u200c\u200d\ufe0e\ufe0f]/g, "")
    .toLowerCase()
    .normalize("NFKC");
}

/** Whether text contains what was typed, as people compare. @param {string} text @param {string} typed */
export function contains(text, typed) {
  return comparable(text).includes(comparable(typed.trim()));
}

/** For lists that people read: numbers by value, case and accents ignored. */
export const order = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });
