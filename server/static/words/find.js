import { fill, plural, table } from "./format.js";

/** Finding messages: the search, pinned and deleted messages, a date. */
export const find = table({
  title: "Search",
  field: "Search messages",
  where: "Where",
  here: "In this room",
  everywhere: "In all my rooms",
  hint: "Type words and press Enter. Only whole words are found.",
  none: "No message has all of these words: {q}",
  noneEverywhere: "Search all my rooms",
  busy: "Searching…",
  found: (/** @type {number} */ n) => plural(n, { one: "{n} message", other: "{n} messages" }),
  foundMore: (/** @type {number} */ n) => plural(n, { one: "The newest message", other: "The newest {n} messages" }),
  more: "Show older messages",
  results: "Results",

  pins: "Pinned messages",
  noPins: "Nothing is pinned in this room.",
  noPinsModerator: "Nothing is pinned in this room. “Pin” is in the menu of each message.",
  pinnedBy: (/** @type {string} */ name, /** @type {string} */ time) => fill("Pinned by {name}, {time}", { name, time }),
  unpin: "Unpin",
  jump: "Show in the room",

  deleted: "Deleted messages",
  deletedLead: "Moderators can read what was deleted here, until it is erased.",
  erased: "The text was erased.",
  noDeleted: "No deleted message was found.",
  noDeletedYet: "No deleted message was found in the newest part of the room.",
  deletedMore: "Look further back",
  deletedAt: (/** @type {string} */ time) => fill("Deleted {time}", { time }),

  dateTitle: "Jump to a date",
  date: "Date",
  dateButton: "Jump",
  dateNone: "There are no messages on or after this day.",
});
