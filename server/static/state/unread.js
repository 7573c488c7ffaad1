import { comparable } from "./people.js";

/**
 * What is unread. The server counts, for all devices of a person alike; between its counts the page counts on with what
 * arrives.
 *
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Message} Message
 */

/** The server counts no further: 100 means 99+. */
export const MOST_UNREAD = 100;

/** What has arrived since the room was joined and was not read, by seq: whether it mentions me.
 * @type {WeakMap<Room, Map<number, boolean>>} */
const arrived = new WeakMap();

/** @param {Room} room */
function arrivedIn(room) {
  let found = arrived.get(room);
  if (!found) arrived.set(room, (found = new Map()));
  return found;
}

/** Whether a message mentions me, and counts: not by myself, nor by a user whom I block. @param {State} state
 * @param {Message} message */
export function mentionsMe(state, message) {
  if (!state.me || !message.mentions?.length || state.blocked.has(message.sender_id)) return false;
  return !state.isMine(message.alias_of ?? message.sender_id) && message.mentions.includes(comparable(state.me.name));
}

/** Whether I see what arrives in a room. @param {State} state @param {Room} room */
export function inSight(state, room) {
  return room.name === state.front && state.ui.attentive && state.ui.following && !room.hasNewer;
}

/** Count a message of another user that has arrived. @param {State} state @param {Room} room @param {Message} message */
export function count(state, room, message) {
  if (message.seq <= room.read) return;
  const mention = mentionsMe(state, message);
  const list = arrivedIn(room);
  if (list.size < MOST_UNREAD) list.set(message.seq, mention);
  room.firstUnread ??= message.seq;
  room.unread = Math.min(MOST_UNREAD, room.unread + 1);
  if (mention) room.mentions = Math.min(MOST_UNREAD, room.mentions + 1);
}

/**
 * A message was deleted or retracted.
 * @param {Room} room @param {number} seq @returns {boolean} whether the counts have to be asked for: it may have been unread
 */
export function uncount(room, seq) {
  const list = arrivedIn(room);
  const mention = list.get(seq);
  if (mention === undefined) return seq > room.read && room.unread > 0;
  list.delete(seq);
  room.unread = Math.max(0, room.unread - 1);
  if (mention) room.mentions = Math.max(0, room.mentions - 1);
  if (room.unread === 0) room.firstUnread = null;
  return false;
}

/**
 * I have read up to a message, on this device or another one.
 * @param {Room} room @param {number} seq @param {{unread: number, mentions: number} | null} counted what the server counts as
 *   left, null if it has not said so yet
 */
export function onRead(room, seq, counted) {
  room.read = Math.max(room.read, seq);
  const list = arrivedIn(room);
  for (const each of list.keys()) if (each <= room.read) list.delete(each);
  // The server may have counted before it sent what has arrived since.
  const mentions = [...list.values()].filter(Boolean).length;
  room.unread = Math.max(counted?.unread ?? 0, list.size);
  room.mentions = Math.max(counted?.mentions ?? 0, mentions);
}

/** The server's counts of a room, which are of now. @param {Room} room @param {{read?: number, unread?: number, mentions?: number}} listed */
export function onListed(room, { read = 0, unread = 0, mentions = 0 }) {
  room.read = Math.max(room.read, read);
  arrivedIn(room).clear();
  room.unread = unread;
  room.mentions = mentions;
  if (unread === 0) room.firstUnread = null;
}
