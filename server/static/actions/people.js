/**
 * People of a room, and what moderators do about them. All reject with `Refused`.
 *
 * @typedef {import("../state/types.js").Member} Member
 * @typedef {import("../state/types.js").Role} Role
 * @typedef {import("./index.js").Context} Context
 * @typedef {{seconds?: number, reason?: string, guests?: number}} Sanction `seconds`: absent for no end
 */

/** @param {Context} context */
export function peopleActions(context) {
  const { state, session, api } = context;

  /** @param {string} type @param {string} room @param {string} user @param {object} [fields] */
  const act = (type, room, user, fields = {}) => session.ask({ type, room, user, ...fields });

  return {
    /** Open the direct room with a user. @param {string} user */
    async direct(user) {
      const { room } = await session.ask({ type: "direct", user });
      context.rooms.show(room);
    },

    /**
     * A page of the people of a room, ordered by id.
     * @param {string} room @param {{cursor?: string, banned?: boolean, invited?: boolean, limit?: number}} [options]
     * @returns {Promise<{members: Member[], count: number, cursor?: string}>}
     */
    async members(room, options = {}) {
      const page = await session.ask({ type: "members", room, limit: 200, ...options });
      state.meet(page.members);
      for (const { id, read } of page.members) {
        if (read) state.rooms.get(room)?.reads.set(id, read);
      }
      return page;
    },

    /** @param {string} room @param {string} user */
    invite: (room, user) => act("invite", room, user),
    /** @param {string} room @param {string} user @param {Sanction} [sanction] */
    kick: (room, user, { reason = "" } = {}) => act("kick", room, user, reason ? { reason } : {}),
    /** @param {string} room @param {string} user @param {Sanction} [sanction] */
    ban: (room, user, sanction = {}) => act("ban", room, user, sanction),
    /** @param {string} room @param {string} user */
    unban: (room, user) => act("unban", room, user),
    /** @param {string} room @param {string} user @param {Sanction} [sanction] */
    mute: (room, user, sanction = {}) => act("mute", room, user, sanction),
    /** @param {string} room @param {string} user */
    unmute: (room, user) => act("unmute", room, user),
    /** @param {string} room @param {string} user @param {Role} role */
    setRole: (room, user, role) => act("set_role", room, user, { role }),

    /** Read whom I block: accounts only. */
    async blocked() {
      const answer = await api.ask("GET", "me/blocks", undefined, { token: session.identity.token });
      state.blocked = new Set(answer.users);
      state.changed();
    },

    /** @param {string} user */
    async block(user) {
      await api.ask("PUT", `me/blocks/${encodeURIComponent(user)}`, {}, { token: session.identity.token });
      state.blocked.add(user);
      session.membership.ask(); // their mentions do not count
      state.changed();
    },

    /** @param {string} user */
    async unblock(user) {
      await api.ask("DELETE", `me/blocks/${encodeURIComponent(user)}`, {}, { token: session.identity.token });
      state.blocked.delete(user);
      session.membership.ask();
      state.changed();
    },

    /** Make an invite link. @param {string} room @param {{uses: number, seconds: number}} options */
    makeLink: (room, options) => api.ask("POST", "links", { room, ...options }, { token: session.identity.token }),
  };
}
