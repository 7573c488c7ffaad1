/** Text on its way to the server: ids, counting, cleaning, and how long it can be changed. */

/**
 * A new id of at most 64 characters. Not `crypto.randomUUID`: that one is missing on plain http beyond localhost.
 * @param {string} prefix
 */
export function newId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Names a message in a map of edits. @param {string} room @param {string | number | undefined} message its seq, or its id while it is unsent */
export const editKey = (room, message) => `${room}/${message}`;

/** Characters as the server counts them: code points, not UTF-16 units. @param {string} text */
export function countChars(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Whether a message can still be edited. @param {{timestamp: string}} message @param {number} seconds 0: for ever
 * @param {number} now epoch milliseconds */
export function inTime({ timestamp }, seconds, now) {
  return seconds === 0 || now - Date.parse(timestamp) < seconds * 1000;
}

/**
 * Prepare typed text for sending: remove invisible characters that the server refuses, and blank lines around
 * it. The first line keeps its indentation.
 * @param {string} text
 */
export function cleanContent(text) {
  return text
    .replace(/\r\n?/g, "\n")
    // Control characters other than newline and tab, and halves of surrogate pairs, which are not UTF-8.
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\p{Surrogate}/gu, "")
    .replace(/^(?:[ \t]*\n)+/, "")
    .trimEnd();
}
