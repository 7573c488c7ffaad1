import { Refused } from "../net/api.js";
import { DELETING } from "../state/state.js";
import { mark } from "../state/unread.js";
import { words } from "../words.js";

/**
 * What is done with one message.
 *
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("./index.js").Context} Context
 */

/** How long a deletion can be undone, in milliseconds. */
const UNDO = 5000;
/** How long the server may take to confirm the deletions of a person who leaves. */
const PATIENCE = 3000;

/** @param {Context} context */
export function messageActions(context) {
  const { state, session } = context;
  /** Deletions that can still be undone: the browser has those of all tabs.
   * @type {Map<string, {room: string, send: () => void, end: () => boolean, timer: ReturnType<typeof setTimeout>}>} */
  const deleting = new Map();
  // A page that is not in sight may end at any time, and must not take them with it.
  const sendAll = () => [...deleting.values()].forEach(({ send }) => send());
  addEventListener("pagehide", sendAll);
  document.addEventListener("visibilitychange", () => document.hidden && sendAll());

  /** Send a change, and say why if it is refused. @param {{type: string, [field: string]: unknown}} frame */
  async function change(frame) {
    try {
      await session.ask(frame);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      context.ui.toast(error.message, { error: true });
    }
  }

  /** @param {string} room @param {number} seq */
  const keyOf = (room, seq) => `${room}/${seq}`;

  return {
    /** Whether a message is about to be deleted. @param {string} room @param {number} seq */
    isDeleting: (room, seq) => deleting.has(keyOf(room, seq)),

    /** @param {string} room @param {number} seq @param {string} emoji @param {boolean} on */
    react: (room, seq, emoji, on) => change({ type: "react", room, seq, emoji, ...(on ? {} : { on: false }) }),

    /** @param {string} room @param {number} seq @param {boolean} on */
    pin: (room, seq, on) => change({ type: "pin", room, seq, ...(on ? {} : { on: false }) }),

    /** Delete a message, unless that is undone soon. @param {string} room @param {number} seq */
    remove(room, seq) {
      const key = keyOf(room, seq);
      if (deleting.has(key)) return;
      const end = () => {
        clearTimeout(deleting.get(key)?.timer);
        context.ui.dismiss(`delete:${key}`);
        const due = deleting.delete(key) && state.browser.get(DELETING + key); // else another tab has sent it
        state.browser.remove(DELETING + key);
        state.changed();
        return Boolean(due);
      };
      const send = () => end() && change({ type: "delete", room, seq });
      state.browser.set(DELETING + key, { person: state.person, room, seq });
      deleting.set(key, { room, send, end, timer: setTimeout(send, UNDO) });
      context.ui.toast(words.common.deletingMessage, { key: `delete:${key}`, action: { label: words.common.undo, run: end } });
    },

    /** Send the deletions of all tabs that can still be undone: the person leaves. @param {string} [room] only this one
     * @returns {Promise<string>} "", or that some could not be sent, which is also said */
    async settle(room) {
      const leaves = (/** @type {{room: string}} */ each) => room === undefined || each.room === room;
      const due = state.browser.keys(DELETING).map((key) => state.browser.get(key));
      const mine = due.filter((each) => each?.person === state.person && leaves(each));
      for (const each of [...deleting.values()]) if (leaves(each)) each.end();
      if (!mine.length) return "";
      const sent = Promise.all(mine.map(({ room: name, seq }) => {
        state.browser.remove(DELETING + keyOf(name, seq));
        return session.ask({ type: "delete", room: name, seq });
      }));
      const late = new Promise((_, reject) => setTimeout(() => reject(new Refused("", "")), PATIENCE));
      try {
        await Promise.race([sent, late]);
        return "";
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        context.ui.toast(words.common.notDeleted, { error: true });
        return words.common.notDeleted;
      }
    },

    /** Begin to count as unread from a message on. The server's cursor never moves back: this is for this page alone.
     * @param {string} name @param {number} seq */
    markUnread(name, seq) {
      const room = state.rooms.get(name);
      if (!room) return;
      mark(state, room, seq);
      state.changed();
    },

    /** Who has read a message, as far as is known. @param {string} name @param {number} seq @returns {import("../state/types.js").User[]} */
    seenBy(name, seq) {
      const reads = state.rooms.get(name)?.reads ?? new Map();
      const ids = [...reads].filter(([id, read]) => read >= seq && !state.isMine(id)).map(([id]) => id);
      return ids.map((id) => ({ id, name: state.names.get(id) ?? id }));
    },

    /** An address that opens the room at a message. @param {string} room @param {number} [seq] */
    link(room, seq) {
      const at = seq === undefined ? "" : `&m=${seq}`;
      return new URL(`${location.pathname}?r=${encodeURIComponent(room)}${at}`, location.href).href;
    },
  };
}
