import { words } from "../words.js";

/**
 * What the server is asked about rooms, and to do with them. All reject with `Refused`.
 *
 * @typedef {import("./index.js").Context} Context
 * @typedef {{room: string, title?: string, topic?: string, private?: boolean, password?: string, slow_mode?: number,
 *   guests?: "talk"|"read"|"no", retention_days?: number}} RoomFields
 */

/** @param {Context} context */
export function askingActions(context) {
  const { state, session, api } = context;

  return {
    /** Give up the membership, on all devices. @param {string} name */
    async quit(name) {
      await context.messages.settle(name);
      await session.ask({ type: "leave", room: name, quit: true });
      context.rooms.close(name);
    },

    /** Follow a link to a room. One that is not mine asks first: its members see who comes in. @param {string} name @param {number} [seq] */
    async visit(name, seq) {
      if (state.rooms.has(name)) return context.rooms.enter(name, { seq });
      state.ui.seq = seq;
      return context.app.showEntry(name);
    },

    /** Hide the conversations that I have not opened on this device. It can be undone. */
    async hideRequests() {
      const away = [...state.requests];
      session.membership.hide(away.map(({ name }) => name));
      for (const room of away) {
        session.entrance.depart(room);
        session.membership.remove(room);
      }
      const undo = () => {
        for (const { name, peer } of away) session.membership.add(name, peer ?? undefined);
        session.membership.ask();
      };
      context.ui.toast(words.rooms.hidden(away.length), { action: { label: words.common.undo, run: undo } });
    },

    /** @param {RoomFields} fields */
    async create({ slow_mode = 0, guests = "talk", ...fields }) {
      session.entrance.spare();
      const { room } = await session.ask({ type: "create_room", ...fields });
      const more = { ...(slow_mode ? { slow_mode } : {}), ...(guests === "talk" ? {} : { guests }) };
      if (Object.keys(more).length) await session.ask({ type: "update_room", room, ...more });
      context.rooms.show(room);
    },

    /** @param {string} room @param {Partial<RoomFields>} fields */
    async update(room, fields) {
      await session.ask({ type: "update_room", ...fields, room });
    },

    /** Delete a room for everyone. @param {string} name */
    async remove(name) {
      const title = state.rooms.get(name)?.title ?? name;
      await session.ask({ type: "delete_room", room: name });
      context.rooms.close(name);
      context.ui.toast(words.rooms.deletedRoom(title));
    },

    /** Rooms that everyone can find. @param {string} [q] @param {string} [cursor] */
    async list(q = "", cursor = "") {
      return session.ask({ type: "rooms", limit: 50, ...(q ? { q } : {}), ...(cursor ? { cursor } : {}) });
    },

    /**
     * The rooms that everyone can find, also without a connection.
     * @param {string} q part of a name or title @returns {Promise<{rooms: any[], cursor?: string}>}
     */
    async published(q = "") {
      const asked = new URLSearchParams({ limit: "50", ...(q ? { q } : {}) });
      return api.ask("GET", `rooms?${asked}`, undefined, { token: session.identity.applied ? session.identity.token : undefined });
    },

    /** @param {string} room */
    async decline(room) {
      await session.ask({ type: "decline", room });
    },

    /** Decline all invitations, or those by one user. @param {string} [user] */
    async declineAll(user) {
      const all = state.invitations.filter((each) => !user || each.by.id === user);
      await Promise.all(all.map(({ room }) => session.ask({ type: "decline", room })));
    },
  };
}
