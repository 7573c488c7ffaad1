import { shownName } from "../state/people.js";
import { onAnew } from "../state/unread.js";
import { lostOf } from "../state/window.js";
import { quoted } from "../words/format.js";
import { words } from "../words.js";
import { sentence } from "./api.js";
import { Backoff } from "./backoff.js";

/**
 * How the page gets into rooms, and out of them: joins them and reads the page to show first, with retries after temporary
 * refusals, and closes those that refuse or remove me.
 *
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("../state/types.js").User} User
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("./session.js").Session} Session
 * @typedef {"join"|"page"} Question
 */

/** Messages of a page. Few at a time: drawing a page is one task. */
export const PAGE = 50;

/** Why I am removed from rooms that I may not enter again as if nothing had happened. */
const EXPELS = ["kicked", "banned", "deleted"];

/** Whether an error is about my name, and not about that of a room. @param {any} error */
export const refusesName = (error) => error.code === "reserved_name" && error.field === undefined;

export class Entrance {
  /** @type {Map<Room, {backoff: Backoff, timer?: ReturnType<typeof setTimeout>}>} */ #again = new Map();

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.state = session.state;
  }

  /** Enter a room that the state has, if I am not in it. @param {Room} room */
  enter(room) {
    if (room.status === "closed") room.status = "apart";
    if (room.status === "apart" && !room.doubtful) this.join(room);
    else if (room.status === "joined" && !room.loaded) this.read(room);
  }

  /** Join a room; without an identity, that waits for it. @param {Room} room */
  join(room) {
    if (!this.state.known) return;
    if (room.name === this.state.front && !room.inside) this.spare();
    room.status = "joining";
    const create = room.stays ? { create: false } : {}; // else a deleted room would be created again
    const frame = { type: "join", room: room.name, ...create, ...room.resume() };
    this.#ask("join", room, frame, (joined) => this.onJoined(room, joined));
  }

  /** Make space for one more room, if the connection is in as many as it may be: leave the one that I used longest ago. */
  spare() {
    const { rooms, limits, front, outbox } = this.state;
    const inside = [...rooms.values()].filter((room) => room.inside);
    if (inside.length < limits.max_rooms) return;
    const rank = (/** @type {Room} */ { unopened, stays, used }) => (unopened ? -1 : stays ? used : Infinity); // others may go with their last user
    const idle = inside.filter((room) => room.status === "joined" && room.name !== front && !outbox.of(room.name).length);
    const [least] = idle.sort((a, b) => rank(a) - rank(b) || a.at - b.at);
    if (least) this.depart(least);
  }

  /** Be in a room no longer, on this connection. @param {Room} room */
  depart(room) {
    if (room.inside) this.session.asked.put({ type: "leave", room: room.name }, () => {}, () => {});
    this.forget(room);
    room.onDisconnect();
  }

  /**
   * Read the page to show first: around the message to show, around the first unread one, or the newest.
   * @param {Room} room @param {boolean} [newest] whether it is to be the newest
   */
  read(room, newest = false) {
    room.awaitPage();
    const first = room.target ?? room.place?.seq ?? (room.unread > 0 ? (room.firstUnread ?? room.read) : 0);
    const around = newest ? 0 : first;
    const frame = { type: "history", room: room.name, limit: PAGE, ...(around ? { around } : {}) };
    this.#ask("page", room, frame, (page) => this.#onPage(room, page, newest));
  }

  /** @param {Room} room @param {any} joined the answer, or one that follows a change of nodes */
  onJoined(room, joined) {
    this.forget(room);
    if (joined.room !== room.name) this.session.membership.rename(room, joined.room);
    const known = room.loaded && room.messages.length > 0;
    if (room.isAnew(joined.epoch)) room.had = room.messages;
    this.state.meet(joined.members);
    if (room.onJoined(joined)) {
      if (known || room.had || room.enrolled || room.name === this.state.front) this.read(room);
    }
    this.session.membership.onJoined(room);
    this.session.flush(room);
  }

  /** The first page of a log that may be another one. @param {Room} room @param {any} page */
  #compare(room, page) {
    const what = lostOf(room.had?.filter(({ id }) => !this.state.outbox.get(id ?? "")) ?? [], page, room.head);
    room.had = null;
    if (!what) return;
    if (what === "anew" && room.closed) this.session.delivery.keepBack(room, words.trouble.otherNow);
    onAnew(room);
    room.anew = true;
    room.notices.say(what === "anew" ? 0 : room.last, Date.now(), { what });
    this.session.membership.ask();
  }

  /** The server has removed me. @param {Room} room @param {string} reason @param {{by?: User, text?: string}} left */
  onRemoved(room, reason, { by, text }) {
    const { left, leftOther } = words.trouble;
    const guests = this.session.isGuest && room.guests === "no" && reason === "kicked";
    // Of another guest's ban only I am told that I am removed.
    const network = this.session.isGuest && reason === "banned" && !room.members.get(this.state.me?.id ?? "")?.banned_until;
    const tell = left[guests ? "guests" : network ? "network" : reason];
    const told = tell ? tell({ who: by ? shownName(by) : "", why: text ? quoted(text) : "" }) : leftOther;
    this.#lose(room, told, reason === "deleted" ? reason : "", EXPELS.includes(reason));
    if (room.name === this.state.front) return undefined;
    if (reason !== "quit" && !this.state.isMine(by?.id ?? "")) this.state.toast(words.rooms.removedFrom(room.title, told), { error: true });
    return undefined;
  }

  /** Retry nothing in a room any more. @param {Room} room */
  forget(room) {
    clearTimeout(this.#again.get(room)?.timer);
    this.#again.delete(room);
  }

  onDisconnect() {
    for (const room of this.#again.keys()) this.forget(room);
  }

  /** @param {Room} room @param {any} page @param {boolean} newest */
  #onPage(room, page, newest) {
    this.forget(room);
    this.session.meetAuthors(page.messages);
    room.onPage(page);
    this.#compare(room, page);
    this.session.reader.onPage(room, newest);
    this.session.delivery.onPage(room, !room.hasNewer);
    this.session.flush(room);
  }

  /** @param {Room} room @param {Question} asked @param {any} refusal */
  #onRefused(room, asked, refusal) {
    if (this.state.rooms.get(room.name) !== room) return;
    const error = this.session.asGuest(refusal, room);
    if (error.retryable) this.#later(error, room, asked);
    else if (asked === "page" && error.code !== "not_joined") room.trouble = sentence(error);
    else this.#onRefusedEntry(room, error);
  }

  /** @param {Room} room @param {any} error */
  #onRefusedEntry(room, error) {
    const named = refusesName(error);
    if (named) this.session.identity.renames();
    const text = sentence(error);
    const others = this.state.rooms.size > 1 || room.loaded || room.name !== this.state.front;
    if (others || (error.code === "no_such_room" && !named)) return this.#lose(room, text, error.code, !named);
    this.session.membership.remove(room);
    return this.session.admission.refuse(text, named ? "name" : "room");
  }

  /**
   * Close a room that refused or removed me. The room in front stays: another one in its place would receive the text being
   * typed. So does one with unsent messages: they are to be seen. @param {Room} room @param {string} text @param {string} code
   * @param {boolean} back whether these are kept back, until the user says that they are to be sent
   */
  #lose(room, text, code, back) {
    if (back) this.session.delivery.keepBack(room, words.trouble.noLonger(text));
    const { front, outbox } = this.state;
    if (room.name !== front && !outbox.of(room.name).length) return this.session.membership.remove(room);
    this.forget(room);
    outbox.onDisconnect(room.name);
    room.close(text, code);
    this.session.membership.onLost(room.name);
    return this.session.hooks.onRoom();
  }

  /** Retry when the server says so, with growing pauses. @param {any} error @param {Room} room @param {Question} asked */
  #later(error, room, asked) {
    room.trouble = words.trouble.trying(sentence(error));
    const again = this.#again.get(room) ?? { backoff: new Backoff() };
    this.#again.set(room, again);
    clearTimeout(again.timer);
    const wait = Math.max((error.retry_after ?? 0) * 1000, again.backoff.next());
    again.timer = setTimeout(() => (asked === "join" ? this.join(room) : this.read(room)), wait);
  }

  /** @param {Question} asked @param {Room} room @param {object} frame @param {(answer: any) => void} then */
  #ask(asked, room, frame, then) {
    this.session.asked.put(frame, then, (error) => this.#onRefused(room, asked, error));
  }
}
