import { kindOf } from "./people.js";

/**
 * What one user may do about another in a room: docs/protocol.md, "Who may do what". The server decides; this says what is
 * worth offering.
 *
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./types.js").Member} Member
 * @typedef {import("./types.js").Role} Role
 */

const ROLES = /** @type {const} */ (["readonly", "member", "moderator", "owner", "admin"]);

/** @param {Role | undefined} role */
const rank = (role) => (role ? ROLES.indexOf(role) + 1 : 0);

/** Whether a member's role lets me moderate them: a lower one than mine, or owner like me. @param {Room} room @param {Member | undefined} member */
export function outranks(room, member) {
  const theirs = member?.role;
  return room.mayModerate && (rank(room.role) > rank(theirs) || (room.role === "owner" && theirs === "owner"));
}

/** The roles that I may give to a user. @param {Room} room @param {string} id @returns {Exclude<Role, "admin">[]} the highest first */
export function rolesToGive(room, id) {
  const claimed = kindOf(id) === "claimed"; // anyone may claim the id: at most a member
  const most = Math.min(rank(room.role), rank("owner"), claimed ? rank("member") : Infinity);
  return /** @type {any} */ (ROLES.slice(0, most).toReversed());
}

/** Whether a mute or ban is in force. @param {string | undefined} until @param {number} [now] */
export function lasts(until, now = Date.now()) {
  return until !== undefined && Date.parse(until) > now;
}

/** Whether it is not known who is in the room now: the connection is lost. @param {Room} room */
export function isUnknown({ status, kept, presence }) {
  return (status === "apart" || status === "joining") && (kept || presence.count > 0);
}

/** Whether a user is in the room now. @param {Room} room @param {string} id */
export function isOnline(room, id) {
  const { members, count } = room.presence;
  return members.has(id) || (count > members.size && Boolean(room.members.get(id)?.online)); // of many, it does not name all
}

/** Whether a user belongs to the room or is in it. @param {Room} room @param {string} id */
export function isHere(room, id) {
  return isOnline(room, id) || Boolean(room.members.get(id)?.role);
}
