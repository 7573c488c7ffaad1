import { newId } from "../state/content.js";
import { kindOf } from "../state/people.js";
import { words } from "../words.js";
import { Refused, sentence } from "./api.js";
import { Backoff } from "./backoff.js";
import { steady } from "./steady.js";

/**
 * @typedef {import("../state/types.js").Unsent} Entry
 * @typedef {import("../state/outbox.js").Outbox} Outbox
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("../state/types.js").Refusal} Refusal
 * @typedef {import("../state/types.js").User} User
 * @typedef {import("../state/room.js").Room} Room
 */

/** Temporary refusals of a message before the user has to decide. */
export const MAX_ATTEMPTS = 10;
/** Milliseconds after which a message that was broadcast but not stored is reported. */
export const LATE = 3000;

/**
 * Delivers the outbox: in order within a room, with retries after temporary refusals, and with the same id until the
 * server has accepted or refused a message. Sends through a function, so it depends on neither a socket nor the page.
 */
export class Delivery {
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */ #timers = new Map();

  /**
   * @param {{outbox: Outbox, send: (frame: object) => boolean, onChange: () => void, edited?: (room: string) => unknown,
   *   remove?: (message: Message) => Promise<unknown>}} options `onChange`: the outbox has to be saved and shown; `edited`: the
   *   id of the entry that is being edited in a room; `remove`: deletes a message
   */
  constructor({ outbox, send, onChange, edited = () => "", remove = async () => {} }) {
    this.edited = edited;
    this.remove = remove;
    this.outbox = outbox;
    this.send = send;
    this.onChange = onChange;
    this.maxFrameBytes = 65536;
  }

  /** Send what is due in a room that is joined. @param {Room} room @param {User} me */
  flush(room, me) {
    if (room.closed && room.had) return; // perhaps it is another one of its name: its first page tells
    this.#hold(room);
    this.#adopt(room, me);
    this.#sweep(room);
    const { send, wakeAt } = this.outbox.due(room.name, steady(), this.edited(room.name));
    for (const entry of send) if (entry.author.id === me.id) this.#send(entry);
    clearTimeout(this.#timers.get(room.name));
    if (wakeAt !== Infinity) {
      this.#timers.set(room.name, setTimeout(() => this.flush(room, me), Math.max(0, wakeAt - steady())));
    }
  }

  /** Note a lost connection: nothing is sent until the next `flush`. */
  onDisconnect() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.outbox.onDisconnect();
  }

  /** Note a message that appeared in a room. @param {Message} message @returns {boolean} whether it was written here */
  onMessage(message) {
    this.#takeBack(message);
    const entry = message.id === undefined ? undefined : this.outbox.get(message.id);
    if (!entry || entry.author.id !== message.sender_id || entry.room !== message.room) return false;
    entry.seq = message.seq;
    entry.shownAt = steady();
    setTimeout(() => this.late && this.onChange(), LATE + 100);
    return true;
  }

  /** Whether a message written here was broadcast and has been unstored for too long. */
  get late() {
    const before = steady() - LATE;
    return this.outbox.entries.some(({ state, seq, shownAt = Infinity }) => state === "sent" && seq !== null && shownAt < before);
  }

  /**
   * Look up outbox entries in a page of the room.
   * @param {Room} room @param {boolean} anew whether messages missing in the page count as missing in the room
   */
  onPage(room, anew) {
    this.#sweep(room);
    for (const entry of this.outbox.of(room.name)) {
      entry.seq = room.find(entry.author.id, entry.id)?.seq ?? (anew ? null : entry.seq);
    }
  }

  /** @param {Room} room */
  #sweep(room) {
    for (const each of this.outbox.withdrawn) {
      const message = each.room === room.name ? room.find(each.author, each.id) : undefined;
      if (message) this.#takeBack(message);
    }
  }

  /** Delete a message that has arrived although its author had taken it back. @param {Message} message */
  async #takeBack(message) {
    const withdrawal = this.outbox.withdrawal(message);
    if (!withdrawal || withdrawal.asked) return;
    withdrawal.asked = true;
    try {
      if (!message.deleted_at) await this.remove(message);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      withdrawal.asked = false;
      if (error.retryable) return; // when the room is entered again
    }
    this.outbox.forget(withdrawal);
    this.onChange();
  }

  /** @param {{room: string, seq: number}} retracted */
  onRetracted({ room, seq }) {
    for (const entry of this.outbox.of(room)) if (entry.seq === seq) entry.seq = null;
  }

  /** @param {string} id */
  onAck(id) {
    this.outbox.remove(id);
    this.onChange();
  }

  /** @param {Entry} entry @param {Refusal} refusal */
  onError(entry, refusal) {
    entry.attempts += 1;
    if (!refusal.retryable || entry.attempts >= MAX_ATTEMPTS) {
      this.outbox.fail(entry, sentence(refusal));
      // The server may remember this id for the refused content: another attempt is another message.
      if (refusal.code === "conflict" || refusal.code === "not_stored") entry.id = newId("m-");
    } else {
      const backoff = new Backoff({ first: 500 });
      backoff.tries = entry.attempts - 1;
      const pause = Math.max((refusal.retry_after ?? 0) * 1000, backoff.next());
      this.outbox.postpone(entry, sentence(refusal), steady() + pause);
    }
    this.onChange();
  }

  /** Send a failed message again, at the user's request. @param {Entry} entry @param {User} me @param {Room} room */
  retry(entry, me, room) {
    Object.assign(entry, { state: "queued", reason: "", attempts: 0, retryAt: 0, author: me, closed: room.closed });
    this.onChange();
  }

  /** @param {Entry} entry */
  #send(entry) {
    const reply = entry.replyTo ? { reply_to: entry.replyTo.seq } : {};
    const frame = { type: "message", id: entry.id, room: entry.room, content: entry.content, ...reply };
    // The server closes the connection for a longer frame, and would do so at every attempt.
    if (new TextEncoder().encode(JSON.stringify(frame)).length + 20 > this.maxFrameBytes) {
      this.outbox.fail(entry, words.trouble.tooLong);
      return this.onChange();
    }
    if (!this.send(entry.tried ? { ...frame, resend: true } : frame)) return;
    const first = !entry.tried;
    Object.assign(entry, { state: "sent", tried: true, reason: "" });
    if (first) this.onChange();
  }

  /** Keep back what was not sent in a room: the user decides. @param {Room} room @param {string} why
   * @param {(entry: Entry) => boolean} [which] */
  keepBack(room, why, which = ({ state }) => state !== "failed") {
    const held = this.outbox.of(room.name).filter(which);
    for (const entry of held) this.outbox.fail(entry, why);
    if (held.length) this.onChange();
  }

  /** Keep back what was written for few people, if everybody can read it here now. @param {Room} room */
  #hold(room) {
    if (!room.closed) this.keepBack(room, words.trouble.otherNow, ({ closed, state, seq }) => closed && state === "queued" && seq === null);
  }

  /**
   * Handle messages of my earlier guest, which the server forgot: if the room has one, it arrived. If not, it is sent as
   * mine, unless my name is different now, or one of us is an account: then the user decides.
   * @param {Room} room @param {User} me
   */
  #adopt(room, me) {
    const foreign = this.outbox.of(room.name).filter((entry) => entry.author.id !== me.id && entry.state !== "failed");
    if (!foreign.length || !room.synced) return;
    for (const entry of foreign) {
      if (room.find(entry.author.id, entry.id)) this.outbox.remove(entry.id);
      else if (isGuest(entry.author) && isGuest(me) && entry.author.name === me.name) Object.assign(entry, { author: me, seq: null });
      else this.outbox.fail(entry, words.trouble.writtenAs(entry.author.name, me.name));
    }
    this.onChange();
  }
}

/** @param {User} user without an id: the server has not made the guest yet */
function isGuest({ id }) {
  return id === "" || kindOf(id) === "guest";
}
