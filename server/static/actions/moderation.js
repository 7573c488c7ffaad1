/**
 * What moderators and admins do apart from people, and telling them: reports, invite links, exports, announcements. All reject with `Refused`.
 *
 * @typedef {import("../state/types.js").Report} Report
 * @typedef {import("../state/types.js").Invite} Invite
 * @typedef {import("./index.js").Context} Context
 */

const PAGE = 100; // reports

/** @param {Context} context */
export function moderationActions({ state, session, api }) {
  /** @param {"GET"|"POST"|"PATCH"|"DELETE"} method @param {string} path @param {object} [body] */
  const ask = (method, path, body) => api.ask(method, path, body, { token: session.identity.token });

  /**
   * A page of reports, the newest first. @param {string} room "" for those of all rooms, which admins may read
   * @param {{state?: Report["state"], before?: string}} [options] `before`: when the last one of the page before was made
   * @returns {Promise<{reports: Report[], more: boolean}>}
   */
  async function reports(room, { state: wanted = "open", before = "" } = {}) {
    const path = room ? `rooms/${encodeURIComponent(room)}/reports` : "reports";
    const query = new URLSearchParams({ state: wanted, limit: String(PAGE), ...(before ? { before } : {}) });
    const { reports: found } = await ask("GET", `${path}?${query}`);
    const known = state.rooms.get(room);
    if (known && wanted === "open" && !before) known.reports = found.length;
    state.changed();
    return { reports: found, more: found.length === PAGE };
  }

  return {
    /** Report a message to the moderators. @param {string} room @param {number} seq @param {string} reason */
    async report(room, seq, reason) {
      await ask("POST", `rooms/${encodeURIComponent(room)}/messages/${seq}/reports`, { reason });
    },

    reports,

    /** @param {Report} report @param {Report["state"]} to @param {string} [note] for other moderators @returns {Promise<Report>} */
    async handle({ id, room: name, state: from }, to, note = "") {
      const after = await ask("PATCH", `reports/${encodeURIComponent(id)}`, { state: to, note });
      const room = state.rooms.get(name);
      if (room) room.reports = Math.max(0, room.reports + Number(to === "open") - Number(from === "open"));
      state.changed();
      return after;
    },

    /** The invite links to a room. @param {string} room @returns {Promise<Invite[]>} */
    links: async (room) => (await ask("GET", `links?${new URLSearchParams({ room })}`)).links,

    /** @param {string} room @param {{uses: number, seconds: number}} options @returns {Promise<Invite>} with its secret */
    makeLink: (room, options) => ask("POST", "links", { room, ...options }),

    /** @param {string} id */
    revokeLink: (id) => ask("DELETE", `links/${encodeURIComponent(id)}`),

    /**
     * All messages of a room, also deleted ones, as JSON Lines.
     * @param {string} room @param {(bytes: number) => void} onProgress @returns {Promise<Blob>}
     */
    exportRoom: (room, onProgress) =>
      api.download(`rooms/${encodeURIComponent(room)}/export`, { token: session.identity.token, onProgress }),

    /** Tell everyone on the server something. @param {string} content */
    async announce(content) {
      await session.ask({ type: "announce", content });
    },
  };
}
