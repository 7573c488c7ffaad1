import { Notices } from "./notices.js";
import { Presence } from "./presence.js";

/**
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").User} User
 * @typedef {import("./types.js").Info} Info
 * @typedef {import("./types.js").Role} Role
 */

/** The page keeps at most this many messages of a room, and drops down to `KEPT`: few at a time, each drop costs a layout. */
const MOST = 450;
const KEPT = 430;

/** @type {Record<string, number>} */
const RANKS = { readonly: 1, member: 2, moderator: 3, owner: 4, admin: 5 };

/**
 * This page's copy of a room: a gapless window of its log, who is there, and what I have read. All input is frames of the
 * protocol; there is no output. No page, no socket, no clock.
 */
export class Room {
  /** The window, oldest first, by seq. @type {Message[]} */ messages = [];
  /** @type {Map<string, Message>} */ #byId = new Map();
  /** Messages received since a page up to the present was requested; null if none is awaited. @type {Message[] | null} */
  #fresh = null;
  /** @type {Set<number>} */ #gone = new Set();
  #epoch = "";
  #head = 0;

  /** `closed`: the server removed me or refused to admit me; the room is not entered again automatically.
   * @type {"joining"|"joined"|"apart"|"closed"} */
  status = "apart";
  /** Why it is closed, as a sentence; and the code of the refusal, "" if I was removed. */
  reason = "";
  code = "";
  /** Why the room cannot be entered or read now, as a sentence. */
  trouble = "";
  /** Whether the room is persistent: then entering it must not create another one with its name. */
  stays = false;
  /** The password with which to enter, until I am in. */
  password = "";
  /** @type {Info} */ info = { kind: "ephemeral" };
  /** @type {Role} */ role = "member";
  /** The other user of a direct room. @type {User | null} */ peer = null;
  /** How many users belong to it, 0 if that is unknown. */
  size = 0;
  /** What was read of people here since I entered: members, and those who are banned or invited. Another map after each
   * join: it has to be read again. @type {Map<string, import("./types.js").Member>} */
  members = new Map();
  /** How many reports are open, as far as a moderator's page has asked. */ reports = 0;

  /** Whether `messages` is the room's log as far as it reaches. */
  loaded = false;
  /** Whether everything up to the join has arrived: until then, a missing message may still follow. */
  synced = false;
  hasOlder = false;
  /** Whether the window ends before the present. */
  hasNewer = false;
  /** The state of the page next to the window: "", "loading", or a sentence that says what is wrong. */
  older = "";
  newer = "";
  /** The message to show, once it is here. @type {number | null} */
  target = null;
  /** Where I was reading, null for the end. @type {import("./types.js").Place | null} */
  place = null;

  presence = new Presence();
  notices = new Notices();
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
  /** Whether the log is another one than the page had, and its first page is awaited. */
  anew = false;
  /** @type {import("./types.js").Mute | null} */ mute = null;
  /** When slow mode lets me write again, in epoch milliseconds. */
  slowUntil = 0;
  /** The pinned messages, null until they were asked for. @type {Message[] | null} */ pinned = null;
  /** When the newest message arrived, in epoch milliseconds; 0 if that is unknown. */
  at = 0;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  get title() {
    return this.info.title || this.peer?.name || this.name;
  }

  get direct() {
    return this.info.kind === "direct";
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

  get last() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  get oldest() {
    return this.messages[0]?.seq ?? 0;
  }

  /** The newest `seq` or `version` that was seen, which may be outside the window. */
  get head() {
    return this.#head;
  }

  /** The fields of `join` for a resume; none if the newest page must be read. */
  resume() {
    return this.loaded ? { since: this.#head, epoch: this.#epoch } : {};
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
    this.peer = joined.peer ?? this.peer;
    this.read = Math.max(this.read, joined.read ?? 0);
    this.reason = this.code = this.trouble = this.password = "";
    this.synced = false;
    this.presence.reset(joined.members, joined.count);
    this.members = new Map();
    this.pinned = null;
    if (resumed) return false; // the head is taken from `synced`: the connection may break before it
    this.#epoch = joined.epoch;
    this.#head = joined.head;
    this.drop();
    return true;
  }

  /** @param {Info} info @returns {boolean} whether what guests may do here is another thing now */
  onInfo(info) {
    const before = this.guests;
    this.info = info;
    this.stays = info.kind !== "ephemeral";
    return this.guests !== before;
  }

  /** @param {{head: number}} synced */
  onSynced(synced) {
    this.#head = Math.max(this.#head, synced.head);
    this.synced = true;
  }

  onDisconnect() {
    if (this.status !== "closed") this.status = "apart";
    this.older = this.newer = "";
    this.#fresh = null;
    this.typing.clear();
  }

  /** I am no longer in the room. @param {string} reason a sentence @param {string} [code] */
  close(reason, code = "") {
    this.status = "closed";
    this.reason = reason;
    this.code = code;
    this.trouble = this.older = this.newer = "";
    this.typing.clear();
    this.presence.reset([], 0);
  }

  // --- pages ---------------------------------------------------------------------------------------------------------

  /** Forget the window: it is read anew. */
  drop() {
    this.messages = [];
    this.#byId.clear();
    this.loaded = this.hasOlder = this.hasNewer = false;
    this.older = this.newer = "";
    this.#fresh = null;
  }

  /** A page that may reach the present was requested: what arrives until it is here belongs after it. */
  awaitPage() {
    this.#fresh = [];
  }

  /**
   * A page that replaces the window. What arrived after it was requested follows it, if it reaches the present.
   * @param {{messages: Message[], has_older: boolean, has_newer?: boolean}} page
   */
  onPage({ messages, has_older, has_newer = false }) {
    const fresh = this.#fresh ?? [];
    this.drop();
    this.trouble = "";
    this.hasOlder = has_older;
    this.hasNewer = has_newer;
    this.loaded = this.synced = true;
    this.#insert(messages);
    if (!has_newer) for (const message of fresh) this.#take(message);
    this.notices.trim(this.oldest);
  }

  /** @param {{messages: Message[], has_older: boolean}} page right before `oldest` */
  onOlderPage({ messages, has_older }) {
    this.#insert(messages);
    this.hasOlder = has_older;
    this.older = "";
    if (this.messages.length > MOST) this.#dropNewest(this.messages.length - KEPT);
  }

  /** @param {{messages: Message[], has_newer: boolean}} page right after `last` */
  onNewerPage({ messages, has_newer }) {
    const fresh = this.#fresh ?? [];
    this.#fresh = null;
    this.#insert(messages);
    this.hasNewer = has_newer;
    this.newer = "";
    if (!has_newer) for (const message of fresh) this.#take(message);
    if (this.messages.length > MOST) this.#dropOldest(this.messages.length - KEPT);
  }

  /** Keep the window small. The rest is history, to be read again. @param {boolean} following whether its end is in sight */
  trim(following) {
    if (this.messages.length <= MOST) return;
    if (following) this.#dropOldest(this.messages.length - KEPT);
    else this.#dropNewest(this.messages.length - MOST);
  }

  // --- messages and their changes ------------------------------------------------------------------------------------

  /**
   * Insert or replace by seq; the newer version wins.
   * @param {Message} message
   * @returns {boolean} whether it is later than everything that was seen before
   */
  onMessage(message) {
    const late = message.seq > this.#head;
    this.#head = Math.max(this.#head, message.version);
    this.#fresh?.push(message);
    if (!this.loaded) return late;
    const known = this.#get(message.seq);
    if (known || !this.hasNewer) this.#take(message);
    return late;
  }

  /** A change of one message. @param {{seq: number, version: number}} change @param {(message: Message) => Message} apply */
  onChange({ seq, version }, apply) {
    this.#head = Math.max(this.#head, version);
    const known = this.#get(seq);
    if (known && known.version < version) this.#put({ ...apply(known), version });
    const pinned = this.pinned?.findIndex((each) => each.seq === seq) ?? -1;
    if (this.pinned && pinned >= 0) this.pinned = this.pinned.with(pinned, { ...apply(this.pinned[pinned]), version });
  }

  /** The messages of a guest are an account's. @param {{guest: string, account: User}} adopted */
  onAdopted({ guest, account }) {
    for (const message of this.messages.filter((each) => each.sender_id === guest)) {
      this.#put({ ...message, sender: account.name, alias_of: account.id });
    }
  }

  /** Remove a message permanently: it was not stored. @param {number} seq */
  onRetracted(seq) {
    this.#gone.add(seq);
    const index = this.#find(seq);
    const message = this.messages[index];
    if (message?.seq !== seq) return;
    this.messages.splice(index, 1);
    if (message.id) this.#byId.delete(`${message.sender_id}/${message.id}`);
  }

  /** @param {{joined?: User[], left?: User[], count: number, all?: boolean}} event @param {(id: string) => boolean} isMine
   * @param {number} now */
  onPresence(event, isMine, now) {
    const { came, went } = this.presence.apply(event);
    for (const user of went) this.typing.delete(user.id);
    // Presence is sent once a second: a user who has posted since then is clearly here.
    const spoke = (/** @type {User} */ user) => {
      const last = this.messages.findLast((message) => message.sender_id === user.id);
      return last !== undefined && last.seq > this.notices.leftAfter(user.id);
    };
    this.notices.presence(this.last, now, {
      came: came.filter((user) => !isMine(user.id) && !spoke(user)),
      went: went.filter((user) => !isMine(user.id)),
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

  /** The message at this seq, if it is here. @param {number} seq */
  message(seq) {
    return this.#get(seq);
  }

  /** The message that an author gave this id, if it is here. @param {string} senderId @param {string} id */
  find(senderId, id) {
    return this.#byId.get(`${senderId}/${id}`);
  }

  // --- small parts ---------------------------------------------------------------------------------------------------

  /** @param {number} count */
  #dropOldest(count) {
    for (const message of this.messages.splice(0, count)) this.#forget(message);
    this.hasOlder = true;
    this.notices.trim(this.oldest);
  }

  /** @param {number} count */
  #dropNewest(count) {
    for (const message of this.messages.splice(this.messages.length - count, count)) this.#forget(message);
    this.hasNewer = true;
  }

  /** @param {Message} message */
  #forget(message) {
    if (message.id) this.#byId.delete(`${message.sender_id}/${message.id}`);
  }

  /** @param {Message[]} messages */
  #insert(messages) {
    for (const message of messages) if (!this.#gone.has(message.seq)) this.#upsert(message);
  }

  /** @param {Message} message */
  #take(message) {
    if (this.#gone.has(message.seq)) return;
    // A change to a message before the window: if it were inserted, the log would seem complete up to it.
    if (this.hasOlder && message.seq < this.oldest) return;
    this.#upsert(message);
  }

  /** @param {number} seq */
  #get(seq) {
    const message = this.messages[this.#find(seq)];
    return message?.seq === seq ? message : undefined;
  }

  /** The index of `seq`, or of the first message after it. @param {number} seq */
  #find(seq) {
    let [low, high] = [0, this.messages.length];
    if (seq > this.last) return high; // nearly always: it is new
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {Message} message */
  #upsert(message) {
    const index = this.#find(message.seq);
    const known = this.messages[index]?.seq === message.seq ? this.messages[index] : undefined;
    if (known && known.version >= message.version) return;
    if (known) this.#put(message);
    else if (!message.deleted_at) this.#put(message, index, 0); // of a deletion that was never seen, nothing is told
  }

  /** @param {Message} message @param {number} [index] @param {number} [instead] how many it replaces */
  #put(message, index = this.#find(message.seq), instead = 1) {
    this.messages.splice(index, instead, message);
    if (message.id) this.#byId.set(`${message.sender_id}/${message.id}`, message);
  }
}
