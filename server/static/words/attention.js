import { fill, plural, table } from "./format.js";

/** Desktop notifications. */
export const attention = table({
  /** @param {string} name @param {string} room */
  from: (name, room) => fill("{name} in {room}", { name, room }),
  invitation: (/** @type {string} */ room) => fill("Invitation to {room}", { room }),
  invitations: (/** @type {number} */ n) => plural(n, { one: "{n} invitation", other: "{n} invitations" }),
  invitedBy: (/** @type {string} */ name) => fill("{name} invites you", { name }),
});
