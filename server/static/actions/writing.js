import { cleanContent, inTime, newId } from "../state/content.js";
import { OUTBOX_LIMIT } from "../state/outbox.js";
import { mark } from "../state/unread.js";
import { words } from "../words.js";

/**
 * Writing. Every text names its room: it goes nowhere else, whatever is in front by then.
 *
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("./index.js").Context} Context
 */

const TYPING_PAUSE = 3000; // ms
const REPLY_CHARS = 140;

/** @param {Context} context */
export function writingActions(context) {
  const { state, session } = context;
  /** When I was last said to be typing, by room. @type {Map<string, number>} */
  const told = new Map();

  /** @param {string} name */
  function replyHead(name) {
    const message = state.ui.replyTo.get(name);
    if (!message) return null;
    return { seq: message.seq, sender: message.sender, content: [...message.content].slice(0, REPLY_CHARS).join("") };
  }

  return {
    /**
     * Post a message. @param {string} name the room's @param {string} text
     * @returns {boolean} whether it is in the outbox
     */
    post(name, text) {
      const room = state.rooms.get(name);
      const content = cleanContent(text);
      if (!room || room.status === "closed" || !content) return false;
      if (state.outbox.full) {
        context.ui.toast(words.trouble.outboxFull(OUTBOX_LIMIT), { error: true });
        return false;
      }
      // Without an identity yet, it becomes mine with the first `welcome`.
      state.guests.use(state.kept);
      const author = state.me ?? { id: "", name: state.name };
      state.outbox.add({ id: newId("m-"), room: name, content, author, at: Date.now(), replyTo: replyHead(name), closed: room.closed });
      state.ui.replyTo.delete(name);
      told.delete(name);
      room.firstUnread = null;
      mark(state, room, null);
      session.saveOutbox();
      session.flush(room);
      if (room.hasNewer) context.reading.toPresent(name);
      return true;
    },

    /** Send a failed or waiting message now. @param {string} id */
    retry(id) {
      const entry = state.outbox.get(id);
      const room = entry && state.rooms.get(entry.room);
      if (!room || !state.me) return;
      session.delivery.retry(entry, state.me, room);
      session.flush(room);
    },

    /** Forget an unsent message. @param {string} id */
    discard(id) {
      const entry = state.outbox.get(id);
      state.outbox.remove(id);
      session.saveOutbox();
      const room = entry && state.rooms.get(entry.room);
      if (room) session.flush(room); // the next one is due
    },

    /**
     * Take an unsent message back into the message box of its room, before what is typed there.
     * @param {string} id @returns {boolean} false if it is on its way
     */
    takeBack(id) {
      const entry = state.outbox.get(id);
      if (!entry || entry.state === "sent" || entry.seq !== null) return false;
      this.discard(id);
      const answered = entry.replyTo && state.rooms.get(entry.room)?.message(entry.replyTo.seq);
      this.edit(entry.room, null);
      if (answered) this.reply(entry.room, answered.seq);
      this.draft(entry.room, [entry.content, state.drafts.get(entry.room)].filter(Boolean).join("\n"));
      return true;
    },

    /** Keep what is typed. @param {string} name @param {string} text */
    draft(name, text) {
      state.drafts.set(name, text);
      state.changed();
    },

    /** I am typing. @param {string} name */
    typing(name) {
      const room = state.rooms.get(name);
      if (room?.status !== "joined" || room.presence.count < 2 || !room.mayWrite) return;
      const now = Date.now();
      if (now - (told.get(name) ?? 0) < TYPING_PAUSE) return;
      told.set(name, now);
      session.tell({ type: "typing", room: name });
    },

    /** Answer a message, or none. @param {string} name @param {number | null} seq */
    reply(name, seq) {
      const message = seq === null ? undefined : state.rooms.get(name)?.message(seq);
      if (message) state.ui.replyTo.set(name, message);
      else state.ui.replyTo.delete(name);
      state.ui.editing.delete(name);
      state.changed();
    },

    /** Edit a message, or none. @param {string} name @param {number | null} seq */
    edit(name, seq) {
      const message = seq === null ? undefined : state.rooms.get(name)?.message(seq);
      if (message) state.ui.editing.set(name, { seq: message.seq, text: message.content });
      else state.ui.editing.delete(name);
      state.ui.replyTo.delete(name);
      state.changed();
    },

    /** Edit my newest message, or say that it is too late. @param {string} name */
    async editLast(name) {
      const { edit_window } = state.limits;
      const last = state.rooms.get(name)?.messages.findLast(({ deleted_at, alias_of, sender_id }) => !deleted_at && state.isMine(alias_of ?? sender_id));
      if (!last) return;
      if (inTime(last, edit_window, Date.now())) return this.edit(name, last.seq);
      const loaded = await context.ui.load(() => import("../words/actions.js"));
      if (loaded) context.ui.toast(loaded.actions.editEnded(edit_window));
    },

    /** Change a message. @param {string} name @param {number} seq @param {string} text @throws {import("../net/api.js").Refused} */
    async saveEdit(name, seq, text) {
      const content = cleanContent(text);
      const message = state.rooms.get(name)?.message(seq);
      if (message?.content !== content) await session.ask({ type: "edit", room: name, seq, content });
      if (state.ui.editing.get(name)?.seq === seq) this.edit(name, null);
    },
  };
}
