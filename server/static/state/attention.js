import { isBlocked } from "./unread.js";

/**
 * What is worth a notification: by the room's level, mentions and keywords.
 *
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Message} Message
 */

/** @param {State} state @param {Room} room @param {Message} message a new one @param {boolean} mention whether it mentions me */
export function isWorth(state, room, message, mention) {
  if (message.deleted_at || isBlocked(state, message) || state.isMine(message.alias_of ?? message.sender_id)) return false;
  if (state.requests.has(room)) return false;
  const level = state.levelOf(room);
  if (level !== "mentions") return level === "all";
  return mention || hasKeyword(message.content, state.settings.get("keywords"));
}

/** Whether a text has one of these as whole words, in any case. @param {string} text @param {string[]} keywords */
export function hasKeyword(text, keywords) {
  const wanted = keywords.map((each) => each.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|");
  return wanted !== "" && new RegExp(`(?<![\\p{L}\\p{N}_])(?:${wanted})(?![\\p{L}\\p{N}_])`, "iu").test(text.normalize("NFC"));
}
