import { Notices } from "./notices.js";
import { Presence } from "./presence.js";

/**
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").User} User
 * @typedef {{kind: string, guests?: "talk"|"read"|"no"}} Info
 */

/**
 * This tab's copy of a room: a gapless part of its log, up to the present. All input is frames of the
 * protocol; there is no output. No page, no socket, no clock.
 */
export class Room {
  /** Oldest first, by seq. @type {Message[]} */ messages = [];
  /** @type {Map<string, Message>} */ #byId = new Map();
  /** Messages received since the join for which the newest page was requested; null if no page is awaited.
   * @type {Message[] | null} */
  #fresh = null;
  /** @type {Set<number>} */ #gone = new Set();
  #epoch = "";
  #head = 0;

  /** `closed`: the server removed me or refused to admit me; the room is not entered again automatically.
   * @type {"joining"|"joined"|"apart"|"closed"} */
  status = "apart";
  /** Why it is closed, as a sentence. */
  reason = "";
  /** Whether the room is persistent: then entering it must not create another one with its name. */
  stays = false;
  /** What guests may do here. @type {"talk"|"read"|"no"} */
  guests = "talk";
  /** Whether `messages` is the room's log as far as it reaches. */
  loaded = false;
  /** Whether everything up to the join has arrived: until then, a missing message may still follow. */
  synced = false;
  hasOlder = false;
  /** The state of the page before the oldest message: "", "loading", or a readable error. */
  older = "";
  /** Why the room cannot be entered or read now, as a sentence. */
  trouble = "";
  presence = new Presence();
  notices = new Notices();
  unread = 0;
  /** The first unread message: a line is drawn above it. @type {number | null} */
  firstUnread = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** The fields of `join` for a resume; none if the newest page must be read. */
  resume() {
    return this.loaded ? { since: this.#head, epoch: this.#epoch } : {};
  }

  get last() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  get oldest() {
    return this.messages[0]?.seq ?? 0;
  }

  /**
   * @param {{epoch: string, head: number, recovered: boolean, members: User[], count: number,
   *   info?: Info}} joined
   * @returns {boolean} whether the newest page has to be read with `history`
   */
  onJoined(joined) {
    const resumed = this.loaded && joined.recovered;
    this.status = "joined";
    if (joined.info) this.onInfo(joined.info);
    this.trouble = "";
    this.synced = false;
    this.presence.reset(joined.members, joined.count);
    if (resumed) return false; // the head is taken from `synced`: the connection may break before it
    this.#epoch = joined.epoch;
    this.#head = joined.head;
    this.loaded = false;
    this.#fresh = [];
    return true;
  }

  /** @param {Info} info @returns {boolean} whether what guests may do here is another thing now */
  onInfo({ kind, guests = "talk" }) {
    const before = this.guests;
    this.stays = kind !== "ephemeral";
    this.guests = guests;
    return guests !== before;
  }

  /** @param {{head: number}} synced */
  onSynced(synced) {
    this.#head = Math.max(this.#head, synced.head);
    this.synced = true;
  }

  /**
   * Insert or replace by seq; the newer version wins.
   * @param {Message} message
   * @returns {boolean} whether the message is new
   */
  onMessage(message) {
    this.#head = Math.max(this.#head, message.version);
    this.#fresh?.push(message);
    return this.#take(message);
  }

  onDisconnect() {
    if (this.status !== "closed") this.status = "apart";
    this.older = "";
  }

  /** I am no longer in the room. @param {string} reason a readable sentence */
  close(reason) {
    this.status = "closed";
    this.reason = reason;
    this.trouble = this.older = "";
    this.presence.reset([], 0);
  }

  /** @param {{seq: number, version: number, content: string, edited_at: string}} edited */
  onEdited({ seq, version, content, edited_at }) {
    this.#head = Math.max(this.#head, version);
    const known = this.messages[this.#find(seq)];
    if (known?.seq === seq) this.#upsert({ ...known, version, content, edited_at });
  }

  /** The messages of a guest are an account's. @param {{guest: string, account: User}} adopted */
  onAdopted({ guest, account }) {
    for (const message of this.messages.filter((each) => each.sender_id === guest)) {
      this.#put({ ...message, sender: account.name, alias_of: account.id });
    }
  }

  /** @param {{seq: number, version: number}} deleted */
  onDeleted({ seq, version }) {
    this.#head = Math.max(this.#head, version);
    this.onRetracted(seq);
  }

  /** Remove a message permanently. @param {number} seq */
  onRetracted(seq) {
    this.#gone.add(seq);
    const index = this.#find(seq);
    const message = this.messages[index];
    if (message?.seq !== seq) return;
    this.messages.splice(index, 1);
    if (message.id) this.#byId.delete(`${message.sender_id}/${message.id}`);
  }

  /**
   * The newest page: it replaces everything, except messages that arrived after it was requested.
   * @param {{messages: Message[], has_older: boolean}} page
   */
  onNewestPage(page) {
    const fresh = this.#fresh ?? [];
    this.#fresh = null;
    this.trouble = "";
    this.messages = [];
    this.#byId.clear();
    this.hasOlder = page.has_older;
    this.loaded = this.synced = true;
    for (const message of page.messages) if (!this.#gone.has(message.seq)) this.#upsert(message);
    for (const message of fresh) this.#take(message);
    this.notices.trim(this.oldest);
  }

  /** @param {{messages: Message[], has_older: boolean}} page right before `oldest` */
  onOlderPage(page) {
    for (const message of page.messages) if (!this.#gone.has(message.seq)) this.#upsert(message);
    this.hasOlder = page.has_older;
    this.older = "";
  }

  /** @param {{joined?: User[], left?: User[], count: number, all?: boolean}} event @param {(id: string) => boolean} isMine
   * @param {number} now */
  onPresence(event, isMine, now) {
    const { came, went } = this.presence.apply(event);
    // Presence is sent once a second: a user who has posted since then is clearly here.
    const spoke = (/** @type {User} */ user) => {
      const last = this.messages.slice(-10).findLast((message) => message.sender_id === user.id);
      return last !== undefined && last.seq > this.notices.leftAfter(user.id);
    };
    this.notices.presence(this.last, now, {
      came: came.filter((user) => !isMine(user.id) && !spoke(user)),
      went: went.filter((user) => !isMine(user.id)),
    });
  }

  /** The message that an author gave this id, if it is here. @param {string} senderId @param {string} id */
  find(senderId, id) {
    return this.#byId.get(`${senderId}/${id}`);
  }

  /** Keep the newest `keep` messages once there are more than `most`. The rest is history, to be read again. */
  trim(most = 600, keep = 300) {
    if (this.messages.length <= most) return;
    for (const message of this.messages.splice(0, this.messages.length - keep)) {
      if (message.id) this.#byId.delete(`${message.sender_id}/${message.id}`);
    }
    this.hasOlder = true;
    this.notices.trim(this.oldest);
  }

  /** @param {Message} message */
  #take(message) {
    if (this.#gone.has(message.seq)) return false;
    // A change to a message before the loaded pages: if it were inserted, the log would seem complete up to it.
    if (this.loaded && this.hasOlder && message.seq < this.oldest) return false;
    return this.#upsert(message);
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
    if (known && known.version >= message.version) return false;
    if (known) this.#put(message);
    else this.#put(message, index, 0);
    return !known;
  }

  /** @param {Message} message @param {number} [index] @param {number} [instead] how many it replaces */
  #put(message, index = this.#find(message.seq), instead = 1) {
    this.messages.splice(index, instead, message);
    if (message.id) this.#byId.set(`${message.sender_id}/${message.id}`, message);
  }
}
