import { plural, table } from "./format.js";

/** People of a room: their list, and what cannot be done about them. */
export const people = table({
  title: "People",
  filter: "Find a person",
  owner: "Owners",
  moderator: "Moderators",
  member: "Members",
  readonly: "Read only",
  here: "Here now",
  away: "not here now",
  unknown: "Who is here is not known without a connection.",
  none: "Nobody here has this in their name.",
  more: "Show more people",
  shown: (/** @type {number} */ n) => plural(n, { one: "{n} person", other: "{n} people" }),
  rest: (/** @type {number} */ n) => plural(n, { one: "and {n} more", other: "and {n} more" }),
  muted: "muted",
  invite: "Invite people",
  noDirect: "You cannot send direct messages to this person.",
});
