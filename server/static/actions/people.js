import { Refused } from "../net/api.js";
import { people as words } from "../words/people.js";

/**
 * People of a room, and what moderators do about them. All reject with `Refused`.
 *
 * @typedef {import("../state/types.js").Member} Member
 * @typedef {import("../state/types.js").Role} Role
 * @typedef {import("./index.js").Context} Context
 * @typedef {{seconds?: number, reason?: string, guests?: number}} Sanction `seconds`: absent for no end
 */

const PAGE = 200;
const MOST_PAGES = 10; // to find one user among the members

/** The server says nothing else of a user who blocks me, or shares no room with the guest that I am. @param {unknown} error @returns {never} */
function closed(error) {
  throw error instanceof Refused && error.code === "no_such_user" ? new Refused(error.code, words.noDirect) : error;
}

/** @param {Context} context */
export function peopleActions(context) {
  const { state, session, api } = context;

  /** The browser keeps them: their messages are not to be seen before the server has answered. @param {Iterable<string>} users */
  function blocks(users) {
    state.blocked = new Set(users);
    state.browser.set(`blocked:${state.person}`, [...state.blocked]);
    state.changed();
  }

  /** @param {string} type @param {string} room @param {string} user @param {object} [fields] */
  const act = (type, room, user, fields = {}) => session.ask({ type, room, user, ...fields });

  /**
   * A page of the people of a room, ordered by id; what it says is kept with the room.
   * @param {string} name @param {{cursor?: string, banned?: boolean, invited?: boolean, limit?: number}} [options]
   * @returns {Promise<{members: Member[], count: number, cursor?: string}>}
   */
  async function members(name, options = {}) {
    const page = await session.ask({ type: "members", room: name, limit: PAGE, ...options });
    state.meet(page.members);
    const room = state.rooms.get(name);
    for (const member of page.members) {
      room?.members.set(member.id, member);
      if (member.read) room?.reads.set(member.id, member.read);
    }
    state.changed();
    return page;
  }

  return {
    members,

    /**
     * Find out about one user of a room: their role; for moderators also whether they are banned or invited.
     * @param {string} name @param {string} id
     */
    async find(name, id) {
      const room = state.rooms.get(name);
      const known = () => room?.members.has(id);
      for (let cursor, pages = 0; !known() && pages < MOST_PAGES; pages += 1) {
        ({ cursor } = await members(name, cursor ? { cursor } : {}));
        if (!cursor) break;
      }
      if (known() || !room?.mayModerate) return;
      await members(name, { banned: true });
      if (!known()) await members(name, { invited: true });
    },

    /** Open the direct room with a user. @param {string} user @throws {Refused} */
    async direct(user) {
      session.entrance.spare();
      const { room } = await session.ask({ type: "direct", user }).catch(closed);
      context.rooms.show(room);
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
      blocks(answer.users);
    },

    /** @param {string} user */
    async block(user) {
      await api.ask("PUT", `me/blocks/${encodeURIComponent(user)}`, {}, { token: session.identity.token });
      blocks([...state.blocked, user]);
      context.rooms.declineAll(user).catch(() => {}); // those that remain are not shown
      session.membership.ask(); // their mentions do not count
    },

    /** @param {string} user */
    async unblock(user) {
      await api.ask("DELETE", `me/blocks/${encodeURIComponent(user)}`, {}, { token: session.identity.token });
      blocks([...state.blocked].filter((each) => each !== user));
      session.membership.ask();
    },
  };
}
