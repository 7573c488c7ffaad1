import { fill, plural, table } from "./format.js";

/** Invitations to rooms. */
export const invitations = table({
  heading: "Invitations",
  more: (/** @type {number} */ n) => plural(n, { one: "{n} more invitation", other: "{n} more invitations" }),
  by: "{name} invites you",
  accept: "Accept",
  decline: "Decline",
  declineAll: "Decline all",
  acceptTo: (/** @type {string} */ room) => fill("Accept: {room}", { room }),
  declineTo: (/** @type {string} */ room) => fill("Decline: {room}", { room }),
});
