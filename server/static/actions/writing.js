import { Refused } from "../net/api.js";
import { steady } from "../net/steady.js";
import { cleanContent, editKey, inTime, newId } from "../state/content.js";
import { OUTBOX_LIMIT } from "../state/outbox.js";
import { mark } from "../state/unread.js";
import { words } from "../words.js";

/**
 * Writing. Every text names its room: it goes nowhere else, whatever is in front by then.
 *
 * @typedef {import("../state/types.js").Edit} Edit
 * @typedef {import("./index.js").Context} Context
 */

const TYPING_PAUSE = 3000; // ms
const REPLY_CHARS = 140;

/** @param {Context} context */
export function writingActions(context) {
  const { state, session } = context;
  /** When I was last said to be typing, by room. @type {Map<string, number>} */
  const told = new Map();

  /** What is written has changed beside the draft. */
  function changed() {
    state.keepWriting();
    state.changed();
  }

  /** @param {{room: string, seq: number, id?: string}} edit */
  const keyOf = ({ room, seq, id }) => editKey(room, id ?? seq);

  /** @param {{room: string, seq: number, id?: string}} edit */
  const messageOf = ({ room, seq, id }) => (id ? state.outbox.get(id) : state.rooms.get(room)?.message(seq));

  /** What waits in a room has changed: perhaps another message is due. @param {string} name */
  function onOutbox(name) {
    const room = state.rooms.get(name);
    session.saveOutbox();
    if (room) session.flush(room);
  }

  /** Take an edit out of the message box; what was changed is kept for the next edit of that message. @param {string} name */
  function putAside(name) {
    const edit = state.ui.editing.get(name);
    state.ui.editing.delete(name);
    if (!edit) return;
    if (edit.id || edit.text === messageOf(edit)?.content) state.ui.edits.delete(keyOf(edit));
    else offer(edit, words.trouble.editKept, false);
  }

  /** @param {Edit} edit */
  function begin(edit) {
    state.ui.edits.set(keyOf(edit), edit);
    state.ui.editing.set(edit.room, edit);
    changed();
  }

  /** Say that an edit can go on. @param {Edit} edit @param {string} text @param {boolean} error */
  function offer(edit, text, error) {
    const run = () => {
      context.rooms.enter(edit.room);
      context.writing.edit(edit.room, edit.seq);
    };
    context.ui.toast(text, { key: `edit:${keyOf(edit)}`, error, action: { label: words.trouble.editAgain, run } });
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
      state.outbox.add({ id: newId("m-"), room: name, content, author, at: Date.now(), replyTo: state.ui.replyTo.get(name) ?? null, closed: room.closed });
      state.ui.replyTo.delete(name);
      changed();
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

    /** Forget an unsent message. It can be undone. @param {string} id */
    discard(id) {
      const { outbox } = state;
      const entry = outbox.get(id);
      if (!entry) return;
      const { tried, reason, room } = entry;
      if (state.ui.editing.get(room)?.id === id) this.cancelEdit(room);
      outbox.remove(id);
      outbox.withdraw(entry, Date.now());
      onOutbox(room);
      const undo = () => {
        outbox.restore(entry, newId("m-"));
        onOutbox(room);
      };
      const text = tried && !reason ? words.common.discardedLate : words.common.discarded;
      context.ui.toast(text, { key: `discard:${id}`, action: { label: words.common.undo, run: undo } });
    },

    /** Edit an unsent message, which waits meanwhile. @param {string} id */
    editUnsent(id) {
      const entry = state.outbox.get(id);
      if (!entry || entry.state === "sent" || entry.seq !== null) return; // it is on its way
      const { room, content } = entry;
      if (state.ui.editing.get(room)?.id === id) return;
      putAside(room);
      begin({ room, seq: 0, id, text: content, saving: false, error: "" });
    },

    /** Keep what is typed. @param {string} name @param {string} text */
    draft(name, text) {
      state.drafts.set(name, text);
      this.keepApart(name, "");
      state.changed();
    },

    /** Keep what was typed here for this tab alone: another tab has written another draft. @param {string} name
     * @param {string} text "" for nothing */
    keepApart(name, text) {
      const { apart } = state.ui;
      if ((apart.get(name) ?? "") === text) return;
      if (text) apart.set(name, text);
      else apart.delete(name);
      state.keepWriting();
    },

    /** I am typing. @param {string} name */
    typing(name) {
      const room = state.rooms.get(name);
      if (room?.status !== "joined" || room.presence.count < 2 || !room.mayWrite) return;
      const now = steady();
      if (now - (told.get(name) ?? 0) < TYPING_PAUSE) return;
      told.set(name, now);
      session.tell({ type: "typing", room: name });
    },

    /** Answer a message, or none. @param {string} name @param {number | null} seq */
    reply(name, seq) {
      const message = seq === null ? undefined : state.rooms.get(name)?.message(seq);
      putAside(name);
      if (message) {
        const content = [...message.content].slice(0, REPLY_CHARS).join("");
        state.ui.replyTo.set(name, { seq: message.seq, sender: message.sender, content });
      } else state.ui.replyTo.delete(name);
      changed();
      onOutbox(name); // one that was edited is due
    },

    /** Edit a message, from where its last edit got to. @param {string} name @param {number} seq */
    edit(name, seq) {
      if (state.ui.editing.get(name)?.seq === seq) return;
      putAside(name);
      const key = keyOf({ room: name, seq });
      const text = state.ui.edits.get(key)?.text ?? messageOf({ room: name, seq })?.content;
      context.ui.dismiss(`edit:${key}`);
      if (text === undefined) return;
      begin({ room: name, seq, text, saving: false, error: "" });
      onOutbox(name); // one that was edited is due
    },

    /** Forget the edit in the message box. @param {string} name */
    cancelEdit(name) {
      const edit = state.ui.editing.get(name);
      if (edit) state.ui.edits.delete(keyOf(edit));
      state.ui.editing.delete(name);
      changed();
      onOutbox(name);
    },

    /** Keep what is typed as an edit. @param {string} name @param {string} text */
    changeEdit(name, text) {
      const edit = state.ui.editing.get(name);
      if (edit) edit.text = text;
      state.keepWriting();
    },

    /** Edit my newest message, or say that it is too late. @param {string} name */
    async editLast(name) {
      const { edit_window } = state.limits;
      const last = state.rooms.get(name)?.messages.findLast(({ deleted_at, alias_of, sender_id }) => !deleted_at && state.isMine(alias_of ?? sender_id));
      if (!last) return;
      if (inTime(last, edit_window, Date.now() - (state.ahead ?? 0))) return this.edit(name, last.seq);
      const loaded = await context.ui.load(() => import("../words/actions.js"));
      if (loaded) context.ui.toast(loaded.actions.editEnded(edit_window));
    },

    /**
     * Change a message as the message box has it, which is free at once. If that is refused, the edit comes back into the box;
     * if something else was begun there, a notice has it. @param {string} name
     */
    async saveEdit(name) {
      const { editing, edits } = state.ui;
      const edit = editing.get(name);
      if (!edit) return;
      const key = keyOf(edit);
      editing.delete(name);
      edit.text = cleanContent(edit.text);
      if (edit.id) {
        edits.delete(key);
        changed();
        const entry = state.outbox.get(edit.id);
        const room = state.rooms.get(name);
        if (!entry || !room) return this.draft(name, edit.text); // it is gone: nothing that was typed is lost
        if (entry.content !== edit.text) {
          state.outbox.withdraw(entry, Date.now());
          Object.assign(entry, { id: newId("m-"), content: edit.text, tried: false });
        }
        session.delivery.retry(entry, state.me ?? entry.author, room);
        return session.flush(room);
      }
      edit.saving = messageOf(edit)?.content !== edit.text;
      changed();
      try {
        if (edit.saving) await session.ask({ type: "edit", room: name, seq: edit.seq, content: edit.text });
        if (edits.get(key) === edit) edits.delete(key);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (edits.get(key) !== edit) return; // it is edited again
        Object.assign(edit, { saving: false, error: error.message });
        if (state.drafts.get(name) || editing.has(name)) offer(edit, words.trouble.editFailed(error.message, edit.text), true);
        else editing.set(name, edit);
      }
      changed();
    },
  };
}
