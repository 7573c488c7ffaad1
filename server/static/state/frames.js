import { count, inSight, mentionsMe, onRead, recount, uncount } from "./unread.js";

/**
 * How each frame of the server changes the state. What else follows from it (a command to send, a notification) is told to
 * `Effects`. Frames about connecting, joining and delivering are the session's.
 *
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").User} User
 * @typedef {object} Effects
 * @property {() => number} now the time, in epoch milliseconds
 * @property {() => number} steady the same, to measure how long something lasts: it never goes back
 * @property {(room: Room, reason: string, frame: any) => void} removed the server has removed me from a room
 * @property {(room: Room, message: Message, mention: boolean) => void} arrived a message of another user is new
 * @property {(invitation: import("./types.js").Invitation) => void} invited somebody invites me to a room
 * @property {() => void} recount the counts of unread messages have to be asked for
 * @property {(name: string, peer?: User) => Room} add a room of mine that I was not in
 * @property {(milliseconds: number) => void} redraw the state looks different after a while
 */

/** When a mute ends: the year 9999 stands for no end. @param {string} [at] */
function untilOf(at) {
  if (!at) return 0;
  return at.startsWith("9999") ? Infinity : Date.parse(at);
}

/** @type {Record<string, (state: State, room: Room, frame: any, effects: Effects) => void>} */
const IN_ROOM = {
  message(state, room, frame, effects) {
    room.typing.delete(frame.sender_id);
    state.meet([{ id: frame.alias_of ?? frame.sender_id, name: frame.sender }]);
    const late = room.onMessage(frame);
    if (late && room.synced) state.ahead = Math.min(state.ahead ?? Infinity, effects.now() - Date.parse(frame.timestamp));
    if (late) room.at = effects.now();
    const mine = state.isMine(frame.alias_of ?? frame.sender_id);
    if (late && mine) room.slowUntil = effects.steady() + (room.info.slow_mode ?? 0) * 1000;
    if (late && !frame.deleted_at && !mine) {
      count(state, room, frame);
      effects.arrived(room, frame, mentionsMe(state, frame));
    }
    room.trim(room.name !== state.front || state.ui.following);
  },
  edited(state, room, { content, edited_at, mentions, ...frame }, effects) {
    room.onChange(frame, (message) => ({ ...message, content, edited_at, mentions }));
    const message = room.message(frame.seq);
    if (recount(room, frame.seq, message !== undefined && mentionsMe(state, message))) effects.recount();
  },
  deleted(state, room, frame, effects) {
    const { deleted_at = new Date(effects.now()).toISOString() } = frame;
    room.onChange(frame, (message) => ({ ...message, content: "", deleted_at, reactions: undefined, pinned_at: undefined }));
    room.pinned = room.pinned?.filter((message) => message.seq !== frame.seq) ?? null;
    const { found } = state.ui;
    if (found) found.messages = found.messages.filter((message) => message.room !== room.name || message.seq !== frame.seq);
    if (uncount(room, frame.seq)) effects.recount();
  },
  retracted(state, room, frame, effects) {
    room.onRetracted(frame.seq);
    if (uncount(room, frame.seq)) effects.recount();
  },
  adopted(state, room, frame) {
    state.meet([frame.account]);
    room.onAdopted(frame);
  },
  reaction(state, room, { user, emoji, on, ...frame }) {
    state.meet([user]);
    room.onChange(frame, (message) => {
      // A map: a reaction may be called "constructor".
      const reactions = new Map(Object.entries(message.reactions ?? {}));
      const others = (reactions.get(emoji) ?? []).filter((id) => id !== user.id);
      if (on) reactions.set(emoji, [...others, user.id]);
      else if (others.length) reactions.set(emoji, others);
      else reactions.delete(emoji);
      return { ...message, reactions: Object.fromEntries(reactions) };
    });
  },
  pinned(state, room, { on, by, pinned_at, ...frame }) {
    if (by) state.meet([by]);
    room.onChange(frame, (message) => ({ ...message, pinned_at: on ? pinned_at : undefined, pinned_by: on ? by?.id : undefined }));
    if (!room.pinned) return;
    room.pinned = room.pinned.filter((message) => message.seq !== frame.seq);
    const message = room.message(frame.seq);
    if (on && message) room.pinned.push(message);
    else if (on) room.pinned = null; // it is not here: the list is read again when it is looked at
  },
  presence(state, room, frame, effects) {
    state.meet(frame.joined ?? []);
    room.onPresence(frame, (id) => state.isMine(id) || state.blocked.has(id), effects.now());
  },
  typing(state, room, { user, expires = 5 }, effects) {
    if (state.isMine(user.id) || state.blocked.has(user.id)) return;
    state.meet([user]);
    room.typing.set(user.id, { user, until: effects.steady() + expires * 1000 });
    effects.redraw(expires * 1000);
  },
  read(state, room, { user, seq, unread, mentions }) {
    if (!state.isMine(user.id)) {
      state.meet([user]);
      room.reads.set(user.id, Math.max(seq, room.reads.get(user.id) ?? 0));
      return;
    }
    onRead(state, room, seq, unread === undefined ? null : { unread, mentions });
    if (room.unread === 0 && !inSight(state, room)) room.firstUnread = null;
  },
  synced(state, room, frame) {
    room.onSynced(frame);
  },
  room(state, room, { info, role, peer, by, action }, effects) {
    const before = room.info;
    if (role) room.role = role;
    if (peer) room.peer = peer;
    const guests = room.onInfo(info);
    if (guests) effects.recount(); // it changes the role of guests, which comes with the counts
    if (!by) return;
    const say = (/** @type {import("./notices.js").Told} */ told) => room.notices.say(room.last, effects.now(), told);
    if (guests) say({ what: `guests_${room.guests}`, by });
    if (action !== "update_room") return;
    if ((before.title ?? "") !== (info.title ?? "")) say({ what: info.title ? "title" : "no_title", by, text: info.title });
    if ((before.topic ?? "") !== (info.topic ?? "")) say({ what: info.topic ? "topic" : "no_topic", by, text: info.topic });
    if ((before.slow_mode ?? 0) !== (info.slow_mode ?? 0)) {
      say({ what: info.slow_mode ? "slow" : "no_slow", by, seconds: info.slow_mode });
    }
  },
  member(state, room, { action, member, by }, effects) {
    state.meet([member]);
    room.onMember(member);
    if (action === "leave" && member.id === room.peer?.id) effects.recount(); // their account was deleted, or is another one: the list has it
    const mine = state.isMine(member.id);
    if (mine && member.role) room.role = member.role;
    const now = effects.now();
    if (mine) {
      const until = untilOf(member.muted_until);
      const reason = member.reason ?? (room.mute?.until === until ? room.mute.reason : "");
      room.mute = until > now ? { until, reason } : null;
    }
    // A second event of the same action only adds the reason, for those who may know it.
    const what = action === "leave" ? "quit" : action;
    if (!["kick", "ban", "unban", "mute", "unmute", "set_role", "quit"].includes(what) || member.reason) return;
    room.notices.say(room.last, now, { what, by, user: member, role: member.role });
  },
  left(state, room, frame, effects) {
    if (frame.reason) effects.removed(room, frame.reason, frame);
  },
};

/** @type {Record<string, (state: State, frame: any, effects: Effects) => void>} */
const ELSEWHERE = {
  announcement(state, { sender, content, timestamp }) {
    state.announcements.push({ key: `${timestamp}/${sender.id}`, by: sender, content, at: timestamp });
    if (state.announcements.length > 20) state.announcements.shift();
  },
  invitation(state, { room, open, info, by, at }, effects) {
    const others = state.invitations.filter((each) => each.room !== room);
    const again = others.length < state.invitations.length;
    const invitation = { room, info, by, at };
    state.invitations = open ? [...others, invitation] : others;
    if (open && !again) effects.invited(invitation);
  },
  room(state, { room: name, info, role, peer }, effects) {
    const room = effects.add(name, peer);
    if (role) room.role = role;
    room.onInfo(info);
  },
};

/**
 * Change the state by a frame. @param {State} state @param {any} frame @param {Effects} effects
 * @returns {boolean} whether this is a kind of frame that the page knows
 */
export function apply(state, frame, effects) {
  const room = state.rooms.get(frame.room);
  const inRoom = room && Object.hasOwn(IN_ROOM, frame.type) ? IN_ROOM[frame.type] : undefined;
  if (room && inRoom) inRoom(state, room, frame, effects);
  else if (Object.hasOwn(ELSEWHERE, frame.type)) ELSEWHERE[frame.type](state, frame, effects);
  else return false;
  return true;
}
