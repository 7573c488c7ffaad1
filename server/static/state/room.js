import { words } from "../words.js";
import { Presence } from "./presence.js";
import { LogWindow } from "./window.js";

/**
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").User} User
 * @typedef {import("./types.js").Info} Info
 * @typedef {import("./types.js").Role} Role
 * @typedef {NonNullable<ReturnType<Room["toKeep"]>>} Kept
 */

/** @type {Record<string, number>} */
const RANKS = { readonly: 1, member: 2, moderator: 3, owner: 4, admin: 5 };

/**
 * This page's copy of a room: a window of its log, who is there, and what I have read. All input is frames of the
 * protocol; there is no output. No page, no socket, no clock.
 */
export class Room extends LogWindow {
  /** `closed`: the server removed me or refused to admit me; the room is not entered again automatically.
   * @type {"joining"|"joined"|"apart"|"closed"} */
  status = "apart";
  /** Why it is closed, as a sentence; and the code of the refusal, `deleted` if it was deleted, "" if I was removed. */
  reason = "";
  code = "";
  /** Why the room cannot be entered or read now, as a sentence. */
  trouble = "";
  /** Whether the room is persistent: then entering it must not create another one with its name. */
  stays = false;
  /** @type {Info} */ info = { kind: "ephemeral" };
  /** @type {Role} */ role = "member";
  /** The other user of a direct room. @type {User | null} */ peer = null;
  /** Whether the other user's account was deleted: then the server names none. */ deserted = false;
  /** How many users belong to it, 0 if that is unknown. */
  size = 0;
  /** What was read of people here since I entered: members, and those who are banned or invited. Another map after each
   * join: it has to be read again. @type {Map<string, import("./types.js").Member>} */
  members = new Map();
  /** How many reports are open, as far as a moderator's page has asked. */ reports = 0;

  /** Whether the window is what the browser has kept, and the server has not answered yet. */ kept = false;
  /** Whether the room is known from that, or from what was not sent there, alone: it is entered once the server says that it is still
   * mine. */ doubtful = false;
  /** What the browser has kept of the log: to be seen until the server has sent a page. @type {Message[]} */ preview = [];
  /** The message to show, once it is here. @type {number | null} */
  target = null;
  /** Where I was reading, null for the end. @type {import("./types.js").Place | null} */
  place = null;

  presence = new Presence();
  /** Who is typing. @type {Map<string, {user: User, until: number}>} */ typing = new Map();
  /** What others have read. @type {Map<string, number>} */ reads = new Map();
  /** What I have not read: counted by the server, and on from there by what arrives. */
  unread = 0;
  mentions = 0;
  /** My read cursor. */
  read = 0;
  /** The first unread message: a line is drawn above it. @type {number | null} */
  firstUnread = null;
  /** Where what is unread begins, although the server does not count it; `held`: I have marked it so, and it is not read
   * before I come back to the room. @type {number | null} */
  marked = null;
  held = false;
  /** Whether I have just become a member, without having entered the room. */
  enrolled = false;
  /** What the page had, if the server's log may be another one: its first page tells. @type {Message[] | null} */ had = null;
  /** Whether it is another one. */ anew = false;
  /** @type {import("./types.js").Mute | null} */ mute = null;
  /** When slow mode lets me write again, in epoch milliseconds. */
  slowUntil = 0;
  /** When I last looked at it on this page, in epoch milliseconds; 0 if I have not. */
  used = 0;
  /** The pinned messages, null until they were asked for. @type {Message[] | null} */ pinned = null;
  /** Those before this message were not read yet; 0 if all were. */ pinnedBefore = 0;
  /** When the newest message arrived, in epoch milliseconds; 0 if that is unknown. */
  at = 0;

  /** @param {string} name */
  constructor(name) {
    super();
    this.name = name;
  }

  get title() {
    return this.info.title || this.peer?.name || (this.deserted ? words.common.deletedUser : this.name);
  }

  get direct() {
    return this.info.kind === "direct";
  }

  /** Whether not everybody can read what is written here. */
  get closed() {
    return this.direct || this.info.kind === "private";
  }

  /** Whether another user has opened this direct room, and I have never looked at it. */
  get unopened() {
    return this.direct && this.read === 0 && this.used === 0;
  }

  /** Whether, in addition, nobody has written in it: such a room is not listed. */
  get unbegun() {
    return this.unopened && this.unread === 0 && this.last === 0;
  }

  /** Whether the connection is in it, or is about to be. */
  get inside() {
    return this.status === "joined" || this.status === "joining";
  }

  /** What guests may do here. */
  get guests() {
    return this.info.guests ?? "talk";
  }

  get mayModerate() {
    return RANKS[this.role] >= RANKS.moderator && !this.direct;
  }

  get mayOwn() {
    return RANKS[this.role] >= RANKS.owner && !this.direct;
  }

  get mayWrite() {
    return RANKS[this.role] >= RANKS.member;
  }

  /**
   * @param {{epoch: string, head: number, recovered: boolean, members: User[], count: number, info?: Info, role?: Role,
   *   read?: number, peer?: User}} joined
   * @returns {boolean} whether the copy cannot be continued: a page has to be read with `history`
   */
  onJoined(joined) {
    const resumed = this.loaded && joined.recovered;
    this.status = "joined";
    if (joined.info) this.onInfo(joined.info);
    this.role = joined.role ?? "member";
    this.onPeer(joined.peer);
    this.read = Math.max(this.read, joined.read ?? 0);
    this.reason = this.code = this.trouble = "";
    this.synced = this.kept = this.doubtful = false;
    this.presence.reset(joined.members, joined.count);
    this.members = new Map();
    this.pinned = null;
    if (resumed) return false; // the head is taken from `synced`: the connection may break before it
    this.begin(joined);
    return true;
  }

  /** @param {Info} info @returns {boolean} whether what guests may do here is another thing now */
  onInfo(info) {
    const before = this.guests;
    this.info = info;
    this.stays = info.kind !== "ephemeral";
    return this.guests !== before;
  }

  /** Who the other user of a direct room is, as the server says. @param {User} [peer] */
  onPeer(peer) {
    if (!this.direct) return;
    this.peer = peer ?? null;
    this.deserted = !peer;
  }

  /** What a browser keeps of the end of the log; null if the page does not have that. @param {number} most messages */
  toKeep(most) {
    const end = this.end(most);
    if (!end) return null;
    const { name, info, role, peer, read, unread, mentions } = this;
    return { name, info, role, peer, read, unread, mentions, ...end };
  }

  /** Show what the browser has kept, until the server sends what has changed since. @param {Kept} kept */
  onKept({ info, role, peer, read, unread, mentions, ...end }) {
    this.onInfo(info);
    this.onPeer(peer ?? undefined);
    Object.assign(this, { role, read, unread, mentions, kept: true });
    this.restore(end);
  }

  onDisconnect() {
    if (this.status !== "closed") this.status = "apart";
    this.stopReading();
    this.typing.clear();
  }

  /** I am no longer in the room. @param {string} reason a sentence @param {string} [code] */
  close(reason, code = "") {
    this.status = "closed";
    this.reason = reason;
    this.code = code;
    this.trouble = "";
    this.doubtful = false;
    this.preview = [];
    this.stopReading();
    this.typing.clear();
    this.presence.reset([], 0);
  }

  /** @param {{messages: Message[], has_older: boolean, has_newer?: boolean}} page */
  onPage(page) {
    this.trouble = "";
    this.preview = [];
    super.onPage(page);
  }

  /** @param {{seq: number, version: number}} change @param {(message: Message) => Message} apply */
  onChange(change, apply) {
    super.onChange(change, apply);
    this.pinned = this.pinned?.map((each) => (each.seq === change.seq ? { ...apply(each), version: change.version } : each)) ?? null;
  }

  /** @param {{joined?: User[], left?: User[], count: number, all?: boolean}} event @param {(id: string) => boolean} unsaid
   *   whose coming and going is not told @param {number} now */
  onPresence(event, unsaid, now) {
    const { came, went } = this.presence.apply(event);
    for (const user of went) this.typing.delete(user.id);
    if (this.direct) return; // of two there is nothing to tell, and one of them may not know yet that the other has opened it
    // Presence is sent once a second: a user who has posted since then is clearly here.
    const spoke = (/** @type {User} */ user) => {
      const last = this.messages.findLast((message) => message.sender_id === user.id);
      return last !== undefined && last.seq > this.notices.leftAfter(user.id);
    };
    this.notices.presence(this.last, now, {
      came: came.filter((user) => !unsaid(user.id) && !spoke(user)),
      went: went.filter((user) => !unsaid(user.id)),
    });
  }

  /**
   * Something has changed about a user here. @param {import("./types.js").Member} member as everyone is told: what only
   * lists have is kept
   */
  onMember(member) {
    const { read, seen_at } = this.members.get(member.id) ?? {};
    this.members.set(member.id, { read, seen_at, ...member });
  }
}
