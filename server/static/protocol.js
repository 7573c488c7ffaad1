/**
 * The definitions of `parley.v1` that the page needs. See docs/protocol.md.
 *
 * @typedef {{id: string, name: string}} User
 * @typedef {{room: string, seq: number, version: number, sender: string, sender_id: string, content: string,
 *   timestamp: string, id?: string, edited_at?: string, alias_of?: string}} Message `alias_of`: the account that the
 *   guest who wrote it has become
 * @typedef {{code: string, message: string, retryable: boolean, id?: string, room?: string, field?: string,
 *   retry_after?: number}} Refusal
 * @typedef {{max_frame_bytes: number, max_content_chars: number, max_rooms: number, history_limit: number,
 *   name_chars: number}} Limits
 */

export const SUBPROTOCOL = "parley.v1";

/** The limits until `welcome` sends others. @type {Limits} */
export const DEFAULT_LIMITS = {
  max_frame_bytes: 65536,
  max_content_chars: 4000,
  max_rooms: 100,
  history_limit: 500,
  name_chars: 64,
};

/**
 * Address of the chat: next to the page, also where a proxy serves both below a path. Without a room: rooms are joined
 * after `hello`, under the earlier identity.
 * @param {string} base the address of the page
 * @param {string} name of a guest; "" for an account, which the cookie proves
 */
export function socketUrl(base, name) {
  const url = new URL(name ? `chat?u=${encodeURIComponent(name)}` : "chat", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** Close codes 4100 to 4199 mean that the same would happen again, unless the page has a new token. @param {number} code */
export function mayReconnect(code) {
  return code < 4100 || code > 4199 || code === 4104;
}

/** Whether a connection ended because its access token is too old. @param {number} code */
export function outdatesToken(code) {
  return code === 4003 || code === 4104;
}

const KINDS = { g_: "guest", w_: "claimed", b_: "bot" };

/**
 * How a user is marked. The prefix of an id, which only the server gives, says what a name cannot prove.
 * @param {string} id @returns {string} "" for accounts
 */
export function kindOf(id) {
  return KINDS[/** @type {keyof typeof KINDS} */ (id.slice(0, 2))] ?? "";
}

/** A name within a sentence, with its mark. @param {User} user */
export function shownName({ id, name }) {
  const kind = kindOf(id ?? "");
  return kind ? `${name} (${kind})` : name;
}

/** @param {number} code @param {string} reason @returns {string} a sentence for people */
export function closeSentence(code, reason) {
  if (code === 4101) return "This server requires an account.";
  if (code === 4102) return "The server refused this name.";
  if (code === 4103) return "The server closed the connection because this page sent too much.";
  if (code === 4105) return "You were signed out.";
  if (code === 4106) return "This account is suspended.";
  if (code === 4107) return "Your network address is blocked by this server.";
  return `The server closed the connection permanently${reason ? ` (${reason})` : ""}.`;
}

/** @param {"talk"|"read"|"no"} guests @param {User} by */
export function guestsSentence(guests, by) {
  if (guests === "read") return `${shownName(by)} lets guests only read here`;
  return guests === "no" ? `${shownName(by)} lets no guests in here` : `${shownName(by)} lets guests write here`;
}

/**
 * A refusal for what a room allows guests to do, in words that say so.
 * @template {{code: string, message: string}} R @param {R} refusal @param {"talk"|"read"|"no"} guests @returns {R}
 */
export function asGuest(refusal, guests) {
  if (guests === "read" && refusal.code === "forbidden") return { ...refusal, message: "Guests may only read here. Sign in to write." };
  if (guests === "no" && ["forbidden", "no_such_room"].includes(refusal.code)) return { ...refusal, message: NO_GUESTS };
  return refusal;
}

const NO_GUESTS = "This room admits no guests. Sign in to enter it.";

/** Why the user was removed from a room. @param {{reason: string, by?: User, text?: string}} left */
export function leftSentence({ reason, by, text }) {
  const who = by ? ` by ${shownName(by)}` : "";
  const why = text ? `: ${text}` : "";
  if (reason === "kicked") return `You were removed${who}${why}`;
  if (reason === "banned") return `You were banned${who}${why}`;
  if (reason === "deleted") return `The room was deleted${who}${why}`;
  if (reason === "closed") return "The room had no messages and was closed to make space";
  if (reason === "name") return "Your name looks like that of a moderator here: choose another one";
  if (reason === "identity") return "Your identity has changed: enter the room again";
  return `You left the room on another device${why}`;
}

/** The server's message as a sentence. @param {{message: string}} refusal */
export function sentence({ message }) {
  const text = String(message || "The server refused this").trim();
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

/** A sentence with the time after which to try again. @param {string} text @param {number} [seconds] */
export function withWait(text, seconds = 0) {
  return seconds > 0 ? `${text} Try again in ${waitText(seconds)}.` : text;
}

/** @param {number} seconds */
function waitText(seconds) {
  for (const [unit, size] of /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60]])) {
    if (seconds > 1.5 * size) return `${Math.ceil(seconds / size)} ${unit}s`;
  }
  return seconds <= 1 ? "a second" : `${Math.ceil(seconds)} seconds`;
}

/**
 * A new id of at most 64 characters. Not `crypto.randomUUID`: that one is missing on plain http beyond localhost.
 * @param {string} prefix
 */
export function newId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Characters as the server counts them: code points, not UTF-16 units. @param {string} text */
export function countChars(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
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
