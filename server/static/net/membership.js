import { Room } from "../state/room.js";
import { onListed, remark } from "../state/unread.js";

/**
 * Which rooms are mine: those that the server lists, because I am a member, am in it, or have read it; and those that this
 * tab has entered. A room that I leave stays away from this browser until I enter it again, although I may still be a member.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").User} User
 * @typedef {import("./session.js").Session} Session
 */

const RECENT = 8;
const ENTERED = 100;
const RECOUNTS = 3; // in a row: where messages never end, the counts are 99+ soon
const COUNT_AGAIN = 500; // ms: several deletions at once ask for one count

export class Membership {
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #asked = false;
  /** Whether the list is awaited, and whether messages have arrived meanwhile, which it may not count. */
  #awaited = false;
  #passed = false;
  #recounts = 0;
  /** Rooms that I have read on another device, and that are not mine for all I know. @type {Set<string>} */ #elsewhere = new Set();

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.state = session.state;
  }

  /** Add a room to those of the page, or find it. @param {string} name @param {User} [peer] of a direct room */
  add(name, peer) {
    let room = this.state.rooms.get(name);
    if (!room) {
      room = new Room(name);
      this.state.rooms.set(name, room);
      if (name.startsWith("@")) room.info = { kind: "direct" };
      remark(this.state, room);
    }
    if (peer) room.onPeer(peer);
    this.#show(name);
    return room;
  }

  /** The server has made me a member of a room: enter it. @param {string} name @param {User} [peer] */
  enrol(name, peer) {
    const room = this.add(name, peer);
    room.stays = true;
    room.enrolled = room.status === "apart";
    this.#joinAll();
    this.ask(); // messages may have come before I was in it
    return room;
  }

  /** Remove a room from the page. @param {Room} room */
  remove(room) {
    this.session.hooks.onGone(room.name);
    this.#drop("entered", room.name);
    this.session.entrance.forget(room);
    this.state.outbox.onDisconnect(room.name);
    this.state.rooms.delete(room.name);
    if (this.state.front === room.name) this.state.front = "";
    this.save();
    this.session.hooks.onRoom();
    this.state.changed();
  }

  /** I may not enter a room any more: it is not proposed, and nothing of it is kept. @param {string} name */
  onLost(name) {
    for (const what of ["recent", "entered"]) this.#drop(what, name);
    this.save();
    this.session.hooks.onGone(name);
  }

  /** Keep rooms away that I have left, until they are entered again. @param {string[]} names */
  hide(names) {
    this.#keep("hidden", names, 1000);
  }

  /** I read, on another device, a room that this page does not have: perhaps I have become a member. @param {string} name */
  onElsewhere(name) {
    if (this.#elsewhere.has(name)) return;
    this.#elsewhere.add(name);
    this.ask();
  }

  /** A guest has become me: its rooms are mine. @param {string} person */
  adopt(person) {
    for (const name of this.#names("entered", person)) this.add(name);
    this.#joinAll();
  }

  /** Another tab has entered a room: it is mine here, too. */
  onOtherTab() {
    if (!this.state.known) return;
    this.#addEntered();
    if (this.#missing("recent").length) this.ask();
  }

  /** Adopt the server's spelling of a name, such as one space for two. The draft moves with it.
   * @param {Room} room @param {string} name */
  rename(room, name) {
    this.state.drafts.move(room.name, name);
    for (const entry of this.state.outbox.of(room.name)) entry.room = name;
    this.state.rooms.delete(room.name);
    if (this.state.front === room.name) this.state.front = name;
    room.name = name;
    this.state.rooms.set(name, room);
    this.session.saveOutbox();
    this.session.hooks.onRoom();
  }

  /** I am identified: enter my rooms, the one in front first. */
  onKnown() {
    this.#elsewhere.clear();
    this.#addEntered();
    this.ask();
  }

  /** @param {Room} room */
  onJoined(room) {
    const { invitations } = this.state;
    this.state.invitations = invitations.filter((each) => each.room !== room.name);
    if (!room.direct) this.#keep("recent", [room.name], RECENT);
    if (room.stays) this.#drop("entered", room.name);
    else if (!this.#names("entered").includes(room.name)) this.#keep("entered", [room.name], ENTERED);
    this.save();
  }

  /** Ask for my rooms and their counts, once for several reasons. */
  ask() {
    /** @param {string} [cursor] @param {any[]} [before] the rooms of the pages before */
    const send = (cursor, before = []) => {
      this.#awaited = true;
      const onPage = (/** @type {any} */ page) => {
        const rooms = [...before, ...page.rooms];
        if (page.cursor) send(page.cursor, rooms);
        else this.#onList({ ...page, rooms });
      };
      this.session.asked.put({ type: "rooms", mine: true, limit: 500, ...(cursor ? { cursor } : {}) }, onPage, () => this.#again());
    };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(send, this.#asked ? COUNT_AGAIN : 0);
    this.#asked = true;
  }

  /** An unread message has arrived. */
  onArrived() {
    this.#passed ||= this.#awaited;
  }

  /** The rooms of this tab that a reload enters again, and the names of those entered last. */
  save() {
    const { rooms, front, tab } = this.state;
    const open = [...rooms.values()].filter((room) => room.status !== "closed" && !room.doubtful); // a reload does not undo a kick
    tab.set("rooms", {
      person: this.state.person,
      names: open.map((room) => room.name),
      staying: open.filter((room) => room.stays).map((room) => room.name),
      front: rooms.get(front)?.status === "closed" ? "" : front,
    });
  }

  /** The rooms that this tab had before it was reloaded. @returns {{names: string[], staying: string[], front: string} | null} */
  get saved() {
    const saved = this.state.tab.get("rooms");
    return saved?.person === this.state.person && Array.isArray(saved.names) ? saved : null;
  }

  /** Whether this person has been in a room, in this browser. @param {string} name */
  knows(name) {
    return name === "" || [this.saved?.names ?? [], this.recent, this.#names("entered")].some((names) => names.includes(name));
  }

  /** The rooms that this person entered last. @returns {string[]} */
  get recent() {
    return this.#names("recent");
  }

  /** Enter the rooms that entering has made, in any tab: the server lists them once I have read something in them. */
  #addEntered() {
    for (const name of this.#missing("entered")) this.add(name);
    this.#joinAll();
  }

  /** @param {any} list the answer to `rooms` */
  #onList({ rooms, invitations = [] }) {
    const hidden = new Set(this.hidden);
    this.state.left.clear();
    for (const { room: name, role, peer, read, unread, mentions, members, online, ...info } of rooms) {
      const known = this.state.rooms.get(name);
      if (!known && hidden.has(name)) {
        this.state.left.set(name, info);
        continue;
      }
      const room = known ?? this.add(name, peer);
      room.doubtful = false;
      if (room.status !== "joined") room.onInfo(info);
      room.onPeer(peer);
      if (role) room.role = role;
      room.size = members ?? 0;
      onListed(this.state, room, { read, unread, mentions });
    }
    this.state.invitations = invitations.filter((/** @type {import("../state/types.js").Invitation} */ { by }) => !this.state.blocked.has(by.id));
    for (const room of [...this.state.rooms.values()]) if (room.doubtful) this.session.entrance.onRemoved(room, "", {});
    this.#recounts = this.#passed ? this.#recounts + 1 : 0;
    if (this.#passed && this.#recounts <= RECOUNTS) this.ask();
    this.#awaited = this.#passed = false;
    this.session.hooks.onRooms();
    this.#joinAll();
    this.session.reader.look();
    this.state.changed();
  }

  /** Try to get the list again: it was refused for a moment. */
  #again() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.state.known && this.ask(), 5000);
  }

  /** As many as a connection may be in: the one in front, those used last, the others; last those that I never opened. */
  #joinAll() {
    const { state, recent } = this;
    const { requests, rooms, limits } = state;
    const rank = (/** @type {Room} */ room) => {
      if (room === state.room) return 3;
      return room.unopened ? 0 : room.used || recent.includes(room.name) ? 2 : 1;
    };
    const all = [...rooms.values()];
    const apart = all.filter((room) => room.status === "apart" && !room.doubtful && !requests.has(room)).sort((a, b) => rank(b) - rank(a));
    const inside = all.filter((room) => room.inside).length;
    for (const room of apart.slice(0, Math.max(0, limits.max_rooms - inside))) this.session.entrance.join(room);
  }

  /** @param {string} name */
  #show(name) {
    this.#drop("hidden", name);
  }

  /** The rooms that I have left on this device. @returns {string[]} */
  get hidden() {
    return this.#names("hidden");
  }

  // --- lists that the browser keeps of this person ---------------------------------------------------------------------

  /** @param {string} what @param {string} [person] @returns {string[]} the last one first */
  #names(what, person = this.state.person) {
    const saved = this.state.browser.get(`${what}:${person}`);
    return Array.isArray(saved) ? saved : [];
  }

  /** The rooms of a list that this page does not have, without those that I have left. @param {string} what */
  #missing(what) {
    const { hidden } = this;
    return this.#names(what).filter((name) => !this.state.rooms.has(name) && !hidden.includes(name));
  }

  /** @param {string} what @param {string[]} names the newest first @param {number} most */
  #keep(what, names, most) {
    this.state.browser.set(this.#key(what), [...new Set([...names, ...this.#names(what)])].slice(0, most));
  }

  /** @param {string} what @param {string} name */
  #drop(what, name) {
    const names = this.#names(what);
    if (names.includes(name)) this.state.browser.set(this.#key(what), names.filter((each) => each !== name));
  }

  /** @param {string} what */
  #key(what) {
    return `${what}:${this.state.person}`;
  }
}
