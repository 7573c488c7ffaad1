import { fill, table } from "./format.js";

/** Desktop notifications. */
export const attention = table({
  /** @param {string} name @param {string} room */
  from: (name, room) => fill("{name} in {room}", { name, room }),
  invitation: (/** @type {string} */ room) => fill("Invitation to {room}", { room }),
  invitedBy: (/** @type {string} */ name) => fill("{name} invites you", { name }),
});
