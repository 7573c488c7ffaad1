import { mark } from "../state/unread.js";
import { words } from "../words.js";

/**
 * Rooms: entering and leaving them, and their notifications. Everything else that asks the server is in asking.js.
 *
 * @typedef {import("../state/types.js").Invitation} Invitation
 * @typedef {import("../state/types.js").Level} Level
 * @typedef {import("./index.js").Context} Context
 */

/** @param {Context} context */
export function roomActions(context) {
  const { state, session, ui } = context;
  const { membership, entrance } = session;

  /** Put a room in front that the page has. @param {string} name */
  function show(name) {
    const [before, room] = [state.room, state.rooms.get(name)];
    if (!room) return;
    if (before && before !== room) leaveFront(before);
    if (before !== room && room.held) {
      if (!room.loaded) room.target ??= room.marked;
      mark(state, room, null); // I come back to it
    }
    // Its window has moved on with what arrived, and has left where I go on reading.
    if (room.loaded && !room.place && room.firstUnread !== null && room.firstUnread < room.oldest) room.drop();
    state.front = name;
    room.used = Date.now();
    state.entryError = null;
    state.ui.show("chat");
    state.ui.drawer = false;
    if (state.ui.found?.room && state.ui.found.room !== name) state.ui.found = null;
    if (state.ui.profile?.room !== name) state.ui.profile = null;
    state.ui.following = !room.hasNewer && !room.place && room.firstUnread === null; // else the log says what is in sight
    entrance.enter(room);
    membership.save();
    session.hooks.onRoom();
    session.reader.look();
    state.changed();
  }

  /** Another room comes in front of this one. @param {import("../state/room.js").Room} room */
  function leaveFront(room) {
    if (room.unread === 0) room.firstUnread = null;
    if (room.status === "closed" && !state.outbox.of(room.name).length) membership.remove(room);
  }

  /**
   * Enter a room that a link, a list or the sidebar names. @param {string} name
   * @param {{stays?: boolean, seq?: number}} [options] `stays`: it is known to exist, and must not be created; `seq`: the
   *   message to show
   */
  function enter(name, { stays = false, seq } = {}) {
    if (!state.rooms.has(name)) {
      membership.add(name).stays ||= stays;
    }
    const room = /** @type {import("../state/room.js").Room} */ (state.rooms.get(name));
    if (seq !== undefined) {
      room.target = seq;
      if (room.loaded && !room.message(seq)) room.drop();
    }
    return show(name);
  }

  /** Leave a room in this tab. @param {import("../state/room.js").Room} room */
  function exit(room) {
    context.messages.settle(room.name);
    entrance.depart(room);
    goFrom(room.name);
  }

  /** Leave a room's session and move on to another one. @param {string} name */
  function goFrom(name) {
    const room = state.rooms.get(name);
    if (!room) return;
    const [next] = membership.recent.filter((each) => each !== name && state.rooms.has(each));
    const front = state.front === name;
    membership.remove(room);
    const other = next ?? [...state.rooms.keys()].at(-1);
    if (front && other !== undefined) show(other);
  }

  return {
    enter,
    show,

    /**
     * Enter a room whose name was typed: one that does not exist is not created before the user agrees.
     * @param {string} name @param {{password?: string, create?: boolean, seq?: number}} [options] `create`: they have; `seq`: the message to show
     * @throws {import("../net/api.js").Refused} `no_such_room`, also for a wrong password
     */
    async open(name, { password, create = false, seq } = {}) {
      if (state.rooms.get(name)?.status === "joined") return enter(name, { seq });
      entrance.spare();
      const joined = await session.ask({ type: "join", room: name, ...(create ? {} : { create }), ...(password ? { password } : {}) });
      const room = membership.add(joined.room, joined.peer);
      entrance.onJoined(room, joined);
      return enter(joined.room, { seq });
    },

    /** Leave a room in this browser. It can be undone. @param {string} name */
    leave(name) {
      const room = state.rooms.get(name);
      if (!room) return;
      const { stays, title } = room;
      membership.hide([name]);
      state.left.set(name, room.info);
      exit(room);
      const unsent = state.outbox.of(name).length > 0;
      const text = unsent ? words.rooms.leftUnsent(title) : words.rooms.left(title);
      ui.toast(text, { action: { label: words.common.undo, run: () => enter(name, { stays }) } });
    },

    /** Another tab has left rooms, or has entered one again. */
    onHidden() {
      for (const name of membership.hidden) {
        const room = state.rooms.get(name);
        if (room) exit(room);
      }
      membership.onOtherTab();
    },

    /** Remove a closed room from the page. @param {string} name */
    close(name) {
      goFrom(name);
    },

    /** Try to enter the closed room again. @param {string} name */
    reenter(name) {
      const room = state.rooms.get(name);
      if (room?.status !== "closed") return;
      entrance.enter(room);
      session.hooks.onRoom();
      state.changed();
    },

    /** @param {Invitation} invitation */
    accept({ room }) {
      state.invitations = state.invitations.filter((each) => each.room !== room);
      enter(room, { stays: true });
    },

    /** @param {string} name */
    markRead(name) {
      const room = state.rooms.get(name);
      if (!room) return;
      room.firstUnread = null;
      mark(state, room, null);
      session.reader.read(room, Math.max(room.head, room.last, room.read));
    },

    /** What a room notifies of, null for what the other rooms do. @param {string} name @param {Level | null} level */
    setLevel(name, level) {
      const levels = new Map(Object.entries(state.settings.get("levels")));
      if (level) levels.set(name, level);
      else levels.delete(name);
      state.settings.set("levels", Object.fromEntries(levels));
      state.changed();
    },

    /** The rooms that this person entered last. */
    recent: () => membership.recent,
  };
}
