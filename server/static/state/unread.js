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

/** The page remembers at most this many unread messages of a room. */
const MOST_ARRIVED = 1000;

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
  if (!state.me || !message.mentions?.length || isBlocked(state, message)) return false;
  return !state.isMine(message.alias_of ?? message.sender_id) && message.mentions.includes(comparable(state.me.name));
}

/** Whether I block who wrote a message. @param {State} state @param {Message} message */
export function isBlocked(state, { sender_id, alias_of }) {
  return state.blocked.has(sender_id) || (alias_of !== undefined && state.blocked.has(alias_of));
}

/**
 * Whether a message answers one of a user whom I block. Of one that is not in the window, only the name of its author is known.
 * @param {State} state @param {Room} room @param {import("./types.js").ReplyHead | null | undefined} reply
 */
export function answersBlocked(state, room, reply) {
  if (!reply || !state.blocked.size) return false;
  const answered = room.message(reply.seq);
  if (answered) return isBlocked(state, answered);
  return [...state.blocked].some((id) => state.names.get(id) === reply.sender);
}

/** Whether a message that has arrived is still there, and unread. @param {Room} room @param {number} seq */
export function isUnread(room, seq) {
  return arrivedIn(room).has(seq);
}

/** Whether I look at a room, at its end or elsewhere. @param {State} state @param {Room} room */
export function isLookedAt(state, room) {
  return room.name === state.front && state.ui.view === "chat" && state.ui.attentive;
}

/** Whether I see what arrives in a room. @param {State} state @param {Room} room */
export function inSight(state, room) {
  return isLookedAt(state, room) && state.ui.following && !room.hasNewer;
}

/** Count a message of another user that has arrived. @param {State} state @param {Room} room @param {Message} message */
export function count(state, room, message) {
  if (message.seq <= room.read || isBlocked(state, message)) return;
  const mention = mentionsMe(state, message);
  const list = arrivedIn(room);
  if (list.size < MOST_ARRIVED) list.set(message.seq, mention);
  if (!inSight(state, room)) room.firstUnread ??= message.seq;
  room.unread = Math.min(MOST_UNREAD, room.unread + 1);
  if (mention) room.mentions = Math.min(MOST_UNREAD, room.mentions + 1);
}

/**
 * I no longer look at the end of a room. What arrived there, but is not read, begins what is unread: it was not drawn yet.
 * @param {Room} room
 */
export function onLeftEnd(room) {
  if (room.marked !== null) return;
  const [first] = arrivedIn(room).keys();
  if (room.unread === 0) room.firstUnread = null;
  else room.firstUnread = first ?? room.firstUnread;
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
  if (room.unread < MOST_UNREAD) room.unread = Math.max(0, room.unread - 1);
  if (mention && room.mentions < MOST_UNREAD) room.mentions = Math.max(0, room.mentions - 1);
  if (room.unread === 0) room.firstUnread = null;
  return room.unread === MOST_UNREAD || room.mentions === MOST_UNREAD;
}

/**
 * A message was edited: perhaps it mentions me now, or no longer.
 * @param {Room} room @param {number} seq @param {boolean} mention
 * @returns {boolean} whether the counts have to be asked for
 */
export function recount(room, seq, mention) {
  const list = arrivedIn(room);
  const before = list.get(seq);
  if (before === undefined || !room.loaded) return seq > room.read && room.unread > 0;
  list.set(seq, mention);
  if (mention !== before) room.mentions = Math.max(0, Math.min(MOST_UNREAD, room.mentions + (mention ? 1 : -1)));
  return false;
}

/**
 * I have read up to a message, on this device or another one.
 * @param {State} state @param {Room} room @param {number} seq @param {{unread: number, mentions: number} | null} counted what the
 *   server counts as left, null if it has not said so yet
 */
export function onRead(state, room, seq, counted) {
  room.read = Math.max(room.read, seq);
  const list = unreadOf(room);
  if (!room.held && room.marked !== null && room.marked <= room.read) room.marked = null;
  // The server may have counted before it sent what has arrived since.
  const mentions = [...list.values()].filter(Boolean).length;
  room.unread = Math.min(MOST_UNREAD, Math.max(counted?.unread ?? 0, list.size));
  room.mentions = Math.min(MOST_UNREAD, Math.max(counted?.mentions ?? 0, mentions));
  countMarked(state, room);
}

/** The server's counts of a room, which are of now.
 * @param {State} state @param {Room} room @param {{read?: number, unread?: number, mentions?: number}} listed */
export function onListed(state, room, { read = 0, unread = 0, mentions = 0 }) {
  room.read = Math.max(room.read, read);
  const list = unreadOf(room);
  if (list.size > unread && unread < MOST_UNREAD) list.clear(); // some were deleted while I was away
  room.unread = unread;
  room.mentions = mentions;
  countMarked(state, room);
  if (room.unread === 0 && !inSight(state, room)) room.firstUnread = null; // the line stays while one looks at it
}

/** What has arrived and is unread: forget what was read. @param {Room} room */
function unreadOf(room) {
  const list = arrivedIn(room);
  for (const seq of list.keys()) if (seq <= room.read) list.delete(seq);
  return list;
}

// --- what the server cannot count ------------------------------------------------------------------------------------

/**
 * The first page of a room to which somebody has just added me: what it holds has arrived. @param {State} state @param {Room} room
 * @returns {Message | undefined} the newest message, if it is unread
 */
export function onEnrolledPage(state, room) {
  const unread = room.messages.filter((message) => message.seq > room.read && isOthers(state, message));
  const list = arrivedIn(room);
  for (const message of unread) list.set(message.seq, mentionsMe(state, message));
  room.unread = Math.max(room.unread, unread.length);
  room.mentions = Math.max(room.mentions, [...list.values()].filter(Boolean).length);
  room.firstUnread ??= unread[0]?.seq ?? null;
  return unread.at(-1);
}

/** The room's log is another one: what I knew of it is gone. @param {Room} room */
export function onAnew(room) {
  arrivedIn(room).clear();
  room.unread = room.mentions = 0;
  room.firstUnread = room.marked = null;
  room.held = false;
}

/**
 * The page after that is here. A server that keeps nothing counts from when I joined again: so what others wrote before
 * is counted here. @param {State} state @param {Room} room
 */
export function onAnewPage(state, room) {
  const first = room.messages.find((message) => message.seq > room.read && isOthers(state, message));
  if (!first) return;
  room.marked = room.firstUnread = first.seq;
  countMarked(state, room);
}

/**
 * Mark a room as unread from a message on, for this browser, or (null) no longer: the server's cursor never moves back.
 * @param {State} state @param {Room} room @param {number | null} seq
 */
export function mark(state, room, seq) {
  if (seq === null && room.marked === null) return;
  room.marked = seq;
  room.held = seq !== null;
  if (seq !== null) room.firstUnread = seq;
  countMarked(state, room);
  const held = [...state.rooms.values()].filter((each) => each.held);
  state.browser.set(`marked:${state.person}`, held.map((each) => [each.name, each.marked]));
}

/** Mark a room as it was before the page was loaded. @param {State} state @param {Room} room */
export function remark(state, room) {
  const saved = state.browser.get(`marked:${state.person}`);
  const found = Array.isArray(saved) ? saved.find((each) => each?.[0] === room.name) : undefined;
  if (!Number.isSafeInteger(found?.[1])) return;
  room.marked = found[1];
  room.held = true;
  countMarked(state, room);
}

/** @param {State} state @param {Room} room */
function countMarked(state, room) {
  const from = room.marked;
  if (from === null) return;
  const since = room.messages.filter((message) => message.seq >= from && isOthers(state, message));
  room.unread = Math.min(MOST_UNREAD, Math.max(room.unread, since.length, 1));
  const mentions = since.filter((message) => mentionsMe(state, message)).length;
  room.mentions = Math.min(MOST_UNREAD, Math.max(room.mentions, mentions));
}

/** @param {State} state @param {Message} message */
function isOthers(state, { deleted_at, alias_of, sender_id }) {
  return !deleted_at && !state.isMine(alias_of ?? sender_id);
}
