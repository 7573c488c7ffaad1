import { Refused } from "../net/api.js";

/**
 * Finding what is not in the log that is loaded: by words, by a date, pinned, or deleted. All reject with `Refused`.
 *
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("./index.js").Context} Context
 */

const HITS = 30;
const PINS = 50;

/** @param {Context} context */
export function findingActions({ state, session, reading }) {
  /** @param {string} q @param {string} room "" for all rooms @param {string} [cursor] */
  function find(q, room, cursor) {
    if (!room) return session.ask({ type: "search", q, limit: HITS, ...(cursor ? { cursor } : {}) });
    return session.ask({ type: "history", room, q, limit: HITS, ...(cursor ? { before: Number(cursor) } : {}) });
  }

  /** @param {import("../state/types.js").Found} found */
  async function search(found) {
    found.busy = true;
    found.error = "";
    state.changed();
    try {
      const page = await find(found.q, found.room, found.cursor);
      if (state.ui.found !== found) return;
      session.meetAuthors(page.messages);
      // `history` has its page oldest first, `search` newest first.
      const messages = found.room ? page.messages.toReversed() : page.messages;
      found.messages = [...found.messages, ...messages];
      found.cursor = page.has_older ? (page.cursor ?? String(messages.at(-1)?.seq ?? "")) : "";
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      found.error = error.message;
    }
    found.busy = false;
    state.changed();
  }

  return {
    /** @param {string} q @param {string} [room] "" for all rooms */
    async search(q, room = "") {
      if (!q.trim()) {
        state.ui.found = null;
        return state.changed();
      }
      state.ui.found = { q: q.trim(), room, messages: [], cursor: "", busy: false, error: "", at: "" };
      return search(state.ui.found);
    },

    async searchMore() {
      const { found } = state.ui;
      return found?.cursor && !found.busy ? search(found) : undefined;
    },

    /** Show the first message of a day, or after it. @param {string} name @param {Date} day @returns {Promise<boolean>} whether there is one */
    async toDate(name, day) {
      const page = await session.ask({ type: "history", room: name, limit: 1, after: 1, start: day.toISOString() });
      if (page.messages.length) reading.toMessage(name, page.messages[0].seq);
      return page.messages.length > 0;
    },

    /** Read the newest pinned messages of a room, or those before. @param {string} name @param {number} [before] @throws {Refused} */
    async pins(name, before = 0) {
      const from = before ? { before } : {};
      /** @type {{messages: Message[], has_older: boolean}} */
      const page = await session.ask({ type: "history", room: name, pinned: true, limit: Math.min(PINS, state.limits.history_limit), ...from });
      const room = state.rooms.get(name);
      if (!room) return;
      const known = (before && room.pinned) || [];
      const seqs = new Set(known.map(({ seq }) => seq)); // one that was pinned meanwhile
      room.pinned = [...known, ...page.messages.filter(({ seq }) => !seqs.has(seq))];
      room.pinnedBefore = page.has_older ? (page.messages[0]?.seq ?? 0) : 0;
      session.meetAuthors(page.messages);
      state.changed();
    },

    /**
     * Read deleted messages of a room, for moderators: in a page of its log, the newest first.
     * @param {string} name @param {number} [before] the answer's `before` @throws {Refused}
     * @returns {Promise<{messages: Message[], before: number}>} `before`: 0 at the beginning of the log
     */
    async deleted(name, before = 0) {
      const from = before ? { before } : {};
      const page = await session.ask({ type: "history", room: name, include_deleted: true, limit: 200, ...from });
      session.meetAuthors(page.messages);
      const messages = page.messages.filter((/** @type {Message} */ message) => message.deleted_at).reverse();
      return { messages, before: page.has_older ? page.messages[0].seq : 0 };
    },
  };
}
