import { Backoff } from "./backoff.js";
import { sentence } from "./protocol.js";

/**
 * Joins rooms and reads their newest page, with retries after temporary refusals.
 *
 * @typedef {import("./protocol.js").Refusal} Refusal
 * @typedef {import("./room.js").Room} Room
 * @typedef {"join"|"newest"|"older"} Question
 * @typedef {(type: Question, room: Room, frame: object) => void} Ask
 */

const PAGE = 100;

export class Entrance {
  /** @type {Map<Room, {backoff: Backoff, timer?: ReturnType<typeof setTimeout>}>} */ #again = new Map();

  /** @param {Ask} ask */
  constructor(ask) {
    this.ask = ask;
  }

  /** @param {Room} room */
  join(room) {
    room.status = "joining";
    const create = room.stays ? { create: false } : {}; // else a deleted room would be created again
    this.ask("join", room, { type: "join", room: room.name, ...create, ...room.resume() });
  }

  /** Read the page before the oldest message, unless that is under way. @param {Room} room */
  readOlder(room) {
    if (!room.loaded || !room.hasOlder || room.older === "loading" || room.status !== "joined") return;
    room.older = "loading";
    this.ask("older", room, { type: "history", room: room.name, before: room.oldest, limit: PAGE });
  }

  /** @param {any} joined @param {Room} room */
  onJoined(joined, room) {
    this.forget(room);
    if (room.onJoined(joined)) this.#readNewest(room);
  }

  /** @param {any} page @param {Room} room @param {string} [asked] */
  onHistory(page, room, asked) {
    if (asked === "older") return room.onOlderPage(page);
    this.forget(room);
    return room.onNewestPage(page);
  }

  /**
   * @param {Refusal} error @param {Room} room @param {Question} asked
   * @returns {boolean} whether the room is closed to me
   */
  onRefused(error, room, asked) {
    if (asked === "older") room.older = sentence(error);
    else if (error.retryable) this.#later(error, room, asked);
    else if (asked === "newest") room.trouble = sentence(error);
    else return true;
    return false;
  }

  /** @param {Room} room */
  forget(room) {
    clearTimeout(this.#again.get(room)?.timer);
    this.#again.delete(room);
  }

  onDisconnect() {
    for (const room of this.#again.keys()) this.forget(room);
  }

  /** @param {Room} room */
  #readNewest(room) {
    this.ask("newest", room, { type: "history", room: room.name, limit: PAGE });
  }

  /** Retry when the server says so, with growing pauses. @param {Refusal} error @param {Room} room
   * @param {Question} asked */
  #later(error, room, asked) {
    room.trouble = `${sentence(error)} Trying again…`;
    const again = this.#again.get(room) ?? { backoff: new Backoff() };
    this.#again.set(room, again);
    clearTimeout(again.timer);
    again.timer = setTimeout(
      () => (asked === "join" ? this.join(room) : this.#readNewest(room)),
      Math.max((error.retry_after ?? 0) * 1000, again.backoff.next()),
    );
  }
}
