import { inSight, isUnread, mentionsMe, onAnewPage, onEnrolledPage, onRead } from "../state/unread.js";

/**
 * Tells the server what I have read: what is in sight at the end of a log that I look at.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("./session.js").Session} Session
 */

const PAUSE = 1000; // ms between two `read` of a room: the server passes on one a second

export class Reader {
  /** Which cursors are still to be sent, and when the last one was. @type {Map<string, {seq: number, sent: number}>} */
  #waiting = new Map();

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.state = session.state;
    addEventListener("pagehide", () => this.#flush());
  }

  /** The first page is here: know where the unread messages begin. @param {Room} room
   * @param {boolean} newest whether I asked for the present */
  onPage(room, newest) {
    // A page that begins later, such as the newest one, does not have the first of them.
    if (room.unread > 0 && (room.oldest <= room.read || !room.hasOlder)) {
      const first = room.messages.find(({ seq, sender_id, alias_of }) => seq > room.read && !this.state.isMine(alias_of ?? sender_id));
      room.firstUnread = first?.seq ?? null;
      // The log opens there, unless it has just arrived: what is below is not read before it was in sight.
      const opens = first && !newest && !isUnread(room, first.seq);
      if (opens && room.name === this.state.front) this.state.ui.following = false;
    }
    if (room.anew) onAnewPage(this.state, room);
    room.anew = false;
    const last = room.enrolled ? onEnrolledPage(this.state, room) : undefined;
    room.enrolled = false;
    if (last) this.session.hooks.onMessage(room, last, mentionsMe(this.state, last));
    if (room.marked !== null) room.firstUnread = room.marked;
    this.look();
  }

  /** What is in sight is read, unless I have just marked it as unread. */
  look() {
    const { room } = this.state;
    if (!room || !room.loaded || room.status !== "joined" || room.held || !inSight(this.state, room)) return;
    const seq = Math.max(room.last, room.read);
    if (room.unread === 0 && seq <= room.read) return;
    this.read(room, seq);
  }

  /** Everything up to a message is read. @param {Room} room @param {number} seq */
  read(room, seq) {
    if (seq <= 0) return;
    onRead(this.state, room, seq, { unread: 0, mentions: 0 });
    const waiting = this.#waiting.get(room.name);
    if (waiting) waiting.seq = Math.max(waiting.seq, seq);
    else this.#send(room.name, seq);
    this.state.changed();
  }

  /** @param {string} room @param {number} seq */
  #send(room, seq) {
    const waiting = { seq, sent: this.session.tell({ type: "read", room, seq }) ? seq : 0 };
    this.#waiting.set(room, waiting);
    setTimeout(() => {
      this.#waiting.delete(room);
      if (waiting.seq > waiting.sent) this.#send(room, waiting.seq); // also what was read without a connection
    }, PAUSE);
  }

  /** The page is about to go: nothing waits for the next second. */
  #flush() {
    for (const [room, { seq, sent }] of this.#waiting) if (seq > sent) this.session.tell({ type: "read", room, seq });
  }
}
