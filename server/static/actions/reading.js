import { Refused } from "../net/api.js";
import { onLeftEnd } from "../state/unread.js";

/**
 * Reading: pages, places. Searching is in finding.js.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../state/types.js").Place} Place
 * @typedef {import("./index.js").Context} Context
 */

/** Messages of a page that scrolling loads: each is drawn in one task, which must not take 50 ms. */
const STEP = 20;
/** Messages of a page that was asked for because hardly any of those that are loaded are shown. */
const LEAP = 400;

/** @param {Context} context */
export function readingActions(context) {
  const { state, session } = context;

  /** Read a page next to the window. @param {string} name @param {"older"|"newer"} side @param {boolean} far */
  async function extend(name, side, far) {
    const room = state.rooms.get(name);
    const more = side === "older" ? room?.hasOlder : room?.hasNewer;
    if (!room || !more || !room.loaded || room[side] === "loading" || room.status !== "joined") return;
    room[side] = "loading";
    if (side === "newer") room.awaitPage();
    const [window, from] = [room.messages, side === "older" ? { before: room.oldest } : { after: room.last }];
    try {
      const page = await session.ask({ type: "history", room: name, limit: far ? Math.min(LEAP, state.limits.history_limit) : STEP, ...from });
      if (room.messages !== window) return; // another page has replaced the window meanwhile
      session.meetAuthors(page.messages);
      if (side === "older") room.onOlderPage(page);
      else room.onNewerPage(page);
      session.delivery.onPage(room, false);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (room.status === "joined") room[side] = error.message;
    }
    state.changed();
  }

  /** @param {string} name @param {number} seq */
  function toMessage(name, seq) {
    const room = state.rooms.get(name);
    if (!room) return;
    room.target = seq;
    if (!room.message(seq) && room.status === "joined") {
      room.drop();
      session.entrance.read(room);
    }
    state.changed();
  }

  /** @param {string} name */
  function toPresent(name) {
    const room = state.rooms.get(name);
    if (!room) return;
    room.place = room.target = null;
    if (room.hasNewer && room.status === "joined") {
      room.drop();
      session.entrance.read(room, true);
    }
    if (name === state.front) state.ui.following = true;
    session.reader.look();
    state.changed();
  }

  return {
    /** @param {string} name */
    older: (name, far = false) => extend(name, "older", far),
    /** @param {string} name */
    newer: (name, far = false) => extend(name, "newer", far),
    toPresent,
    toMessage,

    /** @param {string} name */
    toUnread(name) {
      const room = state.rooms.get(name);
      if (room) toMessage(name, room.firstUnread ?? room.read);
    },

    /** @param {string} name @param {Place | null} place */
    keepPlace(name, place) {
      const room = state.rooms.get(name);
      if (room) room.place = place;
    },

    /** The message to show is in sight. @param {string} name */
    arrivedAt(name) {
      const room = state.rooms.get(name);
      if (room) room.target = null;
    },

    /**
     * @param {boolean} following whether the page is at the end of the log in front
     * @param {boolean} [attentive] whether the user looks at the page
     */
    look(following, attentive = state.ui.attentive) {
      const { room, ui: before } = state;
      const saw = before.following && before.attentive;
      if (room && saw && !(following && attentive)) onLeftEnd(room);
      const same = before.following === following && before.attentive === attentive;
      before.following = following;
      before.attentive = attentive;
      session.reader.look();
      if (!same) state.changed();
    },

    /** Show what was found, in its room. @param {string} room @param {number} seq */
    open(room, seq) {
      if (state.ui.found) state.ui.found.at = `${room}/${seq}`;
      if (room === state.front) toMessage(room, seq);
      else context.rooms.enter(room, { stays: true, seq });
    },
  };
}

