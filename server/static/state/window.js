import { Notices } from "./notices.js";

/**
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").User} User
 */

/** The page keeps at most this many messages of a room, and drops down to `KEPT`: few at a time, each drop costs a layout. */
const MOST = 450;
const KEPT = 430;

/**
 * What of the messages that the page had is not in the server's log any more. A server that has started again says that the
 * log may be another one; with a database it is the same, or an older copy of it. No `seq` is used twice.
 * @param {Message[]} had @param {{messages: Message[], has_older: boolean, has_newer?: boolean}} page @param {number} head of the log
 * @returns {"" | "anew" | "newestLost"} all of it, or the newest
 */
export function lostOf(had, { messages, has_older, has_newer }, head) {
  const there = new Set(messages.map(({ seq }) => seq));
  const from = has_older ? messages[0].seq : 0;
  const to = has_newer ? messages[messages.length - 1].seq : Infinity;
  const compared = had.filter(({ seq }) => seq >= from && seq <= to);
  const newest = compared.at(-1);
  if ((had.at(-1)?.seq ?? 0) <= head && (!newest || there.has(newest.seq))) return "";
  return compared.some(({ seq }) => there.has(seq)) ? "newestLost" : "anew";
}

/**
 * A gapless part of a room's log, and the notices between its messages. It follows the log's end, or lies somewhere in the
 * past, and never grows beyond a bound.
 */
export class LogWindow {
  /** The window, oldest first, by seq. @type {Message[]} */ messages = [];
  /** @type {Map<string, Message>} */ #byId = new Map();
  /** Messages received since a page up to the present was requested; null if none is awaited. @type {Message[] | null} */
  #fresh = null;
  /** @type {Set<number>} */ #gone = new Set();
  /** Accounts by the guests who have become them, since a page on its way may not know it. @type {Map<string, User>} */ #adopted = new Map();
  #epoch = "";
  #head = 0;

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
  notices = new Notices();

  get last() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  get oldest() {
    return this.messages[0]?.seq ?? 0;
  }

  /** Whether another page pushes messages out at the other end. */
  get full() {
    return this.messages.length >= KEPT;
  }

  /** The newest `seq` or `version` that was seen, which may be outside the window. */
  get head() {
    return this.#head;
  }

  /** The fields of `join` for a resume; none if the newest page must be read. */
  resume() {
    return this.loaded ? { since: this.#head, epoch: this.#epoch } : {};
  }

  /** Whether a joined log is another one than this. @param {string} epoch */
  isAnew(epoch) {
    return this.loaded && this.messages.length > 0 && this.#epoch !== epoch;
  }

  /** The end of the log, to go on from it later; null if it is not here. @param {number} most messages */
  end(most) {
    if (!this.synced || !this.loaded || this.hasNewer) return null;
    const messages = this.messages.slice(-most);
    return { messages, hasOlder: this.hasOlder || messages.length < this.messages.length, epoch: this.#epoch, head: this.#head };
  }

  /** @param {NonNullable<ReturnType<LogWindow["end"]>>} end */
  restore({ messages, hasOlder, epoch, head }) {
    this.begin({ epoch, head });
    this.hasOlder = hasOlder;
    this.loaded = true;
    this.#insert(messages);
  }

  /** @param {{head: number}} synced */
  onSynced(synced) {
    this.#head = Math.max(this.#head, synced.head);
    this.synced = true;
  }

  // --- pages ---------------------------------------------------------------------------------------------------------

  /** Forget the window: it is read anew. */
  drop() {
    this.messages = [];
    this.#byId.clear();
    this.loaded = this.hasOlder = this.hasNewer = false;
    this.stopReading();
  }

  /** Another log begins, or one of which too much was missed. @param {{epoch: string, head: number}} joined */
  begin({ epoch, head }) {
    this.#epoch = epoch;
    this.#head = head;
    this.drop();
  }

  /** What was requested does not come any more. */
  stopReading() {
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
    this.hasOlder = has_older;
    this.hasNewer = has_newer;
    this.loaded = this.synced = true;
    this.#insert(messages);
    if (!has_newer) for (const message of fresh) this.#take(message);
    // Where the room begins, what happened before its first message is part of the log.
    if (has_older) this.notices.trim(this.oldest);
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
  }

  /** The messages of a guest are an account's. @param {{guest: string, account: User}} adopted */
  onAdopted({ guest, account }) {
    this.#adopted.set(guest, account);
    for (const message of this.messages.filter((each) => each.sender_id === guest)) this.#put(message);
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
    const account = this.#adopted.get(message.sender_id);
    const known = account && !message.alias_of ? { ...message, sender: account.name, alias_of: account.id } : message;
    this.messages.splice(index, instead, known);
    if (message.id) this.#byId.set(`${message.sender_id}/${message.id}`, known);
  }
}
