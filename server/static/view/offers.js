import { inTime } from "../state/content.js";
import { kindOf } from "../state/people.js";
import { hindrance } from "./composer-view.js";

/**
 * What a person may do with a message: nothing is offered that the server would refuse.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {"react"|"reply"|"edit"|"remove"|"pin"|"copyText"|"copyLink"|"markUnread"|"seenBy"|"report"} Action
 */

/** In larger rooms the server does not tell who has read what. */
const SMALL = 50;

/** @param {Message} message @param {State} state */
function isAuthor({ sender_id, alias_of }, state) {
  return state.isMine(sender_id) || (alias_of !== undefined && state.isMine(alias_of));
}

/** Whether I could edit a message, but the time is over. @param {Set<Action>} may @param {Message} message @param {State} state */
export function isLate(may, message, state) {
  return may.has("reply") && !may.has("edit") && isAuthor(message, state);
}

/**
 * @param {Message} message @param {State} state @param {Room} room
 * @param {number} now epoch milliseconds
 * @returns {Set<Action>}
 */
export function offers(message, state, room, now) {
  if (message.deleted_at) return new Set();
  const mine = isAuthor(message, state);
  const joined = room.status === "joined";
  const writes = joined && hindrance(state, room, now) === null;
  /** @type {[Action, boolean][]} */
  const all = [
    ["react", writes],
    ["reply", writes],
    ["edit", writes && mine && inTime(message, state.limits.edit_window, now - (state.ahead ?? 0))],
    ["remove", joined && ((mine && room.mayWrite) || room.mayModerate)],
    ["pin", joined && room.mayModerate],
    ["copyText", true],
    ["copyLink", true],
    ["markUnread", joined],
    ["seenBy", joined && Math.max(room.presence.count, room.size) <= SMALL],
    ["report", joined && !mine && kindOf(message.sender_id) !== "bot" && !room.direct],
  ];
  return new Set(all.filter(([, may]) => may).map(([action]) => action));
}
