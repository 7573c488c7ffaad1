import { fill, plural, table } from "./format.js";

/** The list that completes what is typed. */
export const completion = table({
  label: { user: "People", room: "Rooms", emoji: "Emoji", command: "Commands" },
  found: (/** @type {number} */ n) => plural(n, { one: "{n} suggestion", other: "{n} suggestions" }),
  here: "here",
});

/** What is typed after a slash. */
export const commands = table({
  unknown: (/** @type {string} */ name) => fill("There is no command /{name}. To send it as text, write //{name}.", { name }),
  notNow: (/** @type {string} */ name) => fill("You may not use /{name} here.", { name }),
  usage: (/** @type {string} */ usage) => fill("Write it as: {usage}", { usage }),
  nobody: (/** @type {string} */ name) => fill("Nobody here is called {name}.", { name }),
  several: (/** @type {string} */ name) =>
    fill("Several people here are called {name}. Choose one of them in the list of people.", { name }),
  badTime: "Write the time as 30s, 10m, 2h or 1d.",
  about: {
    join: "Enter a room",
    leave: "Leave this room",
    topic: "Change the topic",
    invite: "Invite a person to this room",
    kick: "Remove a person from this room",
    ban: "Ban a person",
    mute: "Take a person's right to write",
    unmute: "Let a muted person write again",
    help: "Show the commands",
  },
  usages: {
    join: "/join room",
    leave: "/leave",
    topic: "/topic text",
    invite: "/invite name",
    kick: "/kick name reason",
    ban: "/ban name 1d reason",
    mute: "/mute name 10m reason",
    unmute: "/unmute name",
    help: "/help",
  },
});

/** The emoji picker. */
export const emoji = table({
  label: "Emoji",
  search: "Search emoji",
  none: "No emoji found",
  loading: "Loading…",
  recent: "Recent",
  results: "Results",
  close: "Close",
  tone: "Skin tone",
  tones: ["Default skin tone", "Light", "Medium light", "Medium", "Medium dark", "Dark"],
  failed: "The emoji could not be loaded.",
  groups: {
    "smileys-emotion": "Smileys",
    "people-body": "People",
    "animals-nature": "Animals and nature",
    "food-drink": "Food and drink",
    "travel-places": "Travel and places",
    activities: "Activities",
    objects: "Objects",
    symbols: "Symbols",
    flags: "Flags",
  },
});
