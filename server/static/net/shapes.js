import { all, has, maybe, moment, number, object, replyHead, text, user, whole } from "../state/shape.js";

/**
 * What the page needs of each frame. One that does not fit, of another server or a proxy that alters it, is dropped: it would
 * empty the log, or stop the page. Fields that the page can do without are not listed. See docs/protocol.md.
 *
 * @typedef {import("../state/shape.js").Fits} Fits
 */

const info = has({ kind: text, title: maybe(text), topic: maybe(text) });
const invitation = { room: text, info, by: user };
const member = has({ id: text, name: text, muted_until: maybe(moment), banned_until: maybe(moment) });
const place = { seq: whole };
const change = { ...place, version: whole };
/** @type {Fits} */ const ids = (value) => object(value) && Object.values(value).every(all(text));
const message = has({
  ...change,
  sender: text,
  sender_id: text,
  content: text,
  timestamp: moment,
  edited_at: maybe(moment),
  deleted_at: maybe(moment),
  pinned_at: maybe(moment),
  alias_of: maybe(text),
  mentions: maybe(all(text)),
  reactions: maybe(ids),
  reply_to: maybe(replyHead),
});
const most = maybe(number);
const limits = has({ max_frame_bytes: most, max_content_chars: most, max_rooms: most, history_limit: most, name_chars: most, edit_window: most });

/** @type {Record<string, Fits>} */
const FRAMES = {
  ack: has({ ids: all(has({ id: text })) }),
  adopted: has({ guest: text, account: user }),
  announcement: has({ sender: user, content: text, timestamp: moment }),
  deleted: has({ ...change, deleted_at: maybe(moment) }),
  edited: has({ ...change, content: text, edited_at: maybe(moment), mentions: maybe(all(text)) }),
  error: has({ code: text }),
  history: has({ messages: Array.isArray }),
  invitation: (frame) => has(frame.open ? invitation : { room: text })(frame),
  joined: has({ room: text, epoch: text, head: whole, members: all(user), count: number, info: maybe(info), peer: maybe(user) }),
  left: has({ by: maybe(user), text: maybe(text) }),
  member: has({ action: text, member, by: maybe(user) }),
  members: has({ members: all(member) }),
  message,
  pinned: has({ ...change, pinned_at: maybe(moment), by: maybe(user) }),
  presence: has({ count: number, joined: maybe(all(user)), left: maybe(all(user)) }),
  reaction: has({ ...change, user, emoji: text }),
  read: has({ ...place, user }),
  retracted: has(place),
  room: has({ room: text, info, peer: maybe(user), by: maybe(user) }),
  rooms: has({ rooms: all(has({ room: text, peer: maybe(user) })), invitations: maybe(all(has(invitation))) }),
  search: has({ messages: Array.isArray }),
  synced: has({ head: whole }),
  typing: has({ user }),
  welcome: has({ user, limits: maybe(limits) }),
};

/** What did not fit already: each kind is told once. @type {Set<string>} */
const told = new Set();

/** @param {string} kind */
function tell(kind) {
  if (!told.has(kind)) console.warn(`Parley: the server has sent what this page cannot read: ${kind}`);
  told.add(kind);
}

/** What can be read of a frame: of a page of messages those that fit. @param {any} frame @returns {any} null if it cannot be read */
export function readable(frame) {
  const { type, messages } = frame;
  if (!Object.hasOwn(FRAMES, type)) return frame; // of kinds that the page does not know, nothing is used
  if (!FRAMES[type](frame)) {
    tell(type);
    return null;
  }
  if (FRAMES[type] === message || !Array.isArray(messages)) return frame;
  const fitting = messages.filter(message);
  if (fitting.length < messages.length) tell("message");
  return { ...frame, messages: fitting };
}
