import { replyHead } from "./shape.js";

/**
 * Messages written in this tab that are not known to be stored. Only the server's `ack` or the user removes an entry.
 * No page, no socket, no clock: times come from the caller.
 *
 * @typedef {import("./types.js").User} User
 * @typedef {import("./types.js").Unsent} Entry
 * @typedef {import("./types.js").Withdrawn} Withdrawn
 * @typedef {import("./types.js").ReplyHead} ReplyHead
 */

/** With as many entries, a tab adds no more: something is wrong that the user should see. */
export const OUTBOX_LIMIT = 200;
/** For how long a message that was taken back may arrive, in milliseconds. */
const ARRIVES = 86_400_000;

export class Outbox {
  /** In the order of writing. @type {Entry[]} */ entries = [];
  /** To be deleted if they arrive. @type {Withdrawn[]} */ withdrawn = [];

  /** @param {unknown} saved the result of `toJSON`, from a store that others may have written to
   * @param {unknown} [withdrawn] the same @param {number} [now] */
  static from(saved, withdrawn, now = 0) {
    const outbox = new Outbox();
    if (Array.isArray(withdrawn)) {
      const recent = withdrawn.filter((each) => each?.at > now - ARRIVES).slice(-OUTBOX_LIMIT);
      outbox.withdrawn = recent.map((each) => ({ ...each, asked: false }));
    }
    if (!Array.isArray(saved)) return outbox;
    for (const entry of saved) { // all: those of several tabs may be more than one tab adds
      if (![entry?.id, entry?.room, entry?.content, entry?.author?.id].every((part) => typeof part === "string")) continue;
      const failed = entry.state === "failed";
      outbox.entries.push({
        id: entry.id,
        room: entry.room,
        content: entry.content,
        author: { id: entry.author.id, name: String(entry.author.name) },
        at: Number(entry.at) || 0,
        tried: entry.tried !== false,
        state: failed ? "failed" : "queued",
        seq: null,
        reason: failed ? String(entry.reason) : "",
        attempts: 0,
        retryAt: 0,
        replyTo: replyHead(entry.replyTo) ? entry.replyTo : null,
        closed: entry.closed === true,
      });
    }
    return outbox;
  }

  toJSON() {
    return this.entries.map(({ id, room, content, author, at, tried, state, reason, replyTo, closed }) => {
      return { id, room, content, author, at, tried, state, reason, replyTo, closed };
    });
  }

  get full() {
    return this.entries.length >= OUTBOX_LIMIT;
  }

  /** @param {{id: string, room: string, content: string, author: User, at: number, replyTo: ReplyHead | null, closed: boolean}} written */
  add(written) {
    const rest = { tried: false, state: /** @type {const} */ ("queued"), seq: null, reason: "", attempts: 0, retryAt: 0 };
    this.entries.push({ ...written, ...rest });
  }

  /** @param {string} id */
  get(id) {
    return this.entries.find((entry) => entry.id === id);
  }

  /** @param {string} room */
  of(room) {
    return this.entries.filter((entry) => entry.room === room);
  }

  /** @param {string} id */
  remove(id) {
    this.entries = this.entries.filter((entry) => entry.id !== id);
  }

  /** Take an entry back, or what it was before it was changed. @param {Entry} entry @param {number} now */
  withdraw({ id, room, author, tried }, now) {
    if (tried) this.withdrawn.push({ id, room, author: author.id, at: now });
  }

  /** @param {{id?: string, room: string, sender_id: string}} message */
  withdrawal({ id, room, sender_id }) {
    return this.withdrawn.find((each) => each.id === id && each.author === sender_id && each.room === room);
  }

  /** @param {Withdrawn | undefined} withdrawal */
  forget(withdrawal) {
    this.withdrawn = this.withdrawn.filter((each) => each !== withdrawal);
  }

  /** Put an entry back in its place. @param {Entry} entry @param {string} id if it cannot keep its own */
  restore(entry, id) {
    const known = this.withdrawal({ ...entry, sender_id: entry.author.id });
    this.forget(known);
    if (entry.tried && (!known || known.asked)) Object.assign(entry, { id, tried: false });
    this.entries = [...this.entries, entry].sort((a, b) => a.at - b.at);
  }

  /** Note that it is unknown what arrived: the connection is lost, or one room was left. @param {string} [room] */
  onDisconnect(room) {
    for (const entry of room === undefined ? this.entries : this.of(room)) {
      if (entry.state === "sent") entry.state = "queued";
    }
  }

  /**
   * Return what to send next in a room, one at a time so that messages stay in order: the first that is neither
   * seen in the room nor failed, unless it is in flight or must wait. A message that was seen but not acked is resent
   * only to get its ack (on a new connection), and delays no other.
   * @param {string} room @param {number} now @param {unknown} [edited] the id of the one that is being edited: it waits
   * @returns {{send: Entry[], wakeAt: number}} `wakeAt`: when to ask again, or Infinity
   */
  due(room, now, edited) {
    const send = [];
    for (const entry of this.entries) {
      if (entry.room !== room || entry.state === "failed") continue;
      if (entry.id === edited) break;
      if (entry.state === "queued") {
        if (entry.retryAt > now) return { send, wakeAt: entry.retryAt };
        send.push(entry);
      }
      if (entry.seq === null) break;
    }
    return { send, wakeAt: Infinity };
  }

  /** @param {Entry} entry @param {string} reason */
  fail(entry, reason) {
    Object.assign(entry, { state: "failed", reason, seq: null });
  }

  /** @param {Entry} entry @param {string} reason @param {number} at not before */
  postpone(entry, reason, at) {
    Object.assign(entry, { state: "queued", reason, retryAt: at });
  }
}
