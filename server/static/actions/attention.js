import { isWorth } from "../state/attention.js";
import { isLookedAt, isUnread } from "../state/unread.js";

/**
 * Which messages notify the user, and which of the user's tabs shows the notification.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("./index.js").Context} Context
 */

const PATH = new URL(".", document.baseURI).pathname;
/** How long a tab holds what it has taken over, in milliseconds: the others have the same message by then. */
const HELD = 30_000;

/** @param {Context} context */
export function attentionActions({ state }) {
  return {
    /** @param {Room} room @param {Message} message @param {boolean} mention */
    isWorth: (room, message, mention) => isWorth(state, room, message, mention),

    /** Whether I look at the room, so that I see what is new, or that there is something new. @param {Room} room */
    isLookedAt: (room) => isLookedAt(state, room),

    /** Whether a message is still there, and unread on all of my devices. @param {string} room @param {number} seq */
    isUnread(room, seq) {
      const found = state.rooms.get(room);
      return found !== undefined && isUnread(found, seq);
    },

    /**
     * Take something over that only one tab of this person is to do. Without locks (on plain http beyond localhost, where
     * there are no notifications either), each tab may.
     * @param {string} what @returns {Promise<boolean>} whether it is up to this tab
     */
    take(what) {
      if (!navigator.locks) return Promise.resolve(true);
      return new Promise((resolve) => {
        navigator.locks
          .request(`parley.notice.${PATH}${state.person}/${what}`, { ifAvailable: true }, (lock) => {
            resolve(lock !== null);
            return lock && new Promise((free) => setTimeout(free, HELD));
          })
          .catch(() => resolve(true)); // the user has disabled storage
      });
    },
  };
}
