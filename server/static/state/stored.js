import { all, has, maybe, number, replyHead, text, user, whole } from "./shape.js";

/**
 * What the page needs of each thing that the browser keeps: extensions, older versions and people at the console write there, too.
 * What does not fit counts as absent. What has no entry here is read with care where it is used.
 *
 * @typedef {import("./shape.js").Fits} Fits
 */

/** @param {Fits} fits @returns {Fits} */
const pairs = (fits) => all((value) => Array.isArray(value) && text(value[0]) && fits(value[1]));
const names = all(text);
const edit = has({ room: text, text, seq: maybe(whole), id: maybe(text), error: maybe(text) });

/** By the part of the key before the colon. @type {Record<string, Fits>} */
const KEPT = {
  account: has({ id: text, username: text, name: text }),
  accepted: has({ token: text, room: text }),
  blocked: names,
  deleting: has({ person: text, room: text, seq: whole }),
  entered: names,
  guest: (value) => text(value) || has({ token: text, name: text, user: (each) => each === null || user(each), former: maybe(names), at: number })(value),
  hidden: names,
  name: text,
  outbox: has({ person: text, entries: Array.isArray, withdrawn: maybe(Array.isArray) }),
  recent: names,
  rooms: has({ person: text, names, staying: names, front: text }),
  token: text,
  writing: has({ person: text, replyTo: pairs(replyHead), apart: pairs(text), edits: all(edit) }),
};

/** @param {string} key @param {any} value @returns {any} the value; null if it cannot be read */
export function readable(key, value) {
  const kind = key.split(":", 1)[0];
  return !Object.hasOwn(KEPT, kind) || KEPT[kind](value) ? value : null;
}
