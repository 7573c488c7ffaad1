import { duration, fill, number, table } from "./format.js";

/** Who removed me, and why: "" for what is not known. @typedef {{who: string, why: string}} Blame */

/** Why something is not possible, and what to do about it. */
export const trouble = table({
  /** Why the connection was closed for good, by code. @type {Record<number, string>} */
  closed: {
    4101: "This server requires an account.",
    4102: "The server refused this name.",
    4103: "The server closed the connection because this page sent too much.",
    4105: "You were signed out.",
    4106: "This account is suspended.",
    4107: "Your network address is blocked by this server.",
  },
  closedOther: "The server closed the connection permanently.",
  /** Why I am no longer in a room, by the `reason` of `left`. @type {Record<string, (blame: Blame) => string>} */
  left: {
    kicked: ({ who, why }) => {
      if (!who) return "You were removed from this room.";
      return fill(why ? "You were removed by {who}: {why}" : "You were removed by {who}.", { who, why });
    },
    banned: ({ who, why }) => {
      if (!who) return "You were banned from this room.";
      return fill(why ? "You were banned by {who}: {why}" : "You were banned by {who}.", { who, why });
    },
    network: () => "Guests from your network are banned from this room.",
    deleted: ({ who }) => (who ? fill("The room was deleted by {who}.", { who }) : "The room was deleted."),
    closed: () => "The room had no messages and was closed to make space.",
    name: () => "Your name looks like that of a moderator here. Choose another one.",
    identity: () => "Your identity has changed. Enter the room again.",
    quit: () => "You left this room on another device.",
    guests: ({ who }) => fill("{who} lets no guests in here. Sign in to enter it.", { who }),
  },
  leftOther: "You are no longer in this room.",
  guestsRead: "Guests may only read here. Sign in to write.",
  guestsNo: "This room admits no guests. Sign in to enter it.",
  refused: "The server refused this.",
  /** What a refusal is about, by the field. @type {Record<string, string>} */
  subjects: { u: "The name", name: "The name", username: "The username", room: "The name of the room", title: "The title" },
  nameOfOther: "Another guest of this browser has this name.",
  stranger: "The server no longer recognises you, so you are a new guest here.",
  strangerUnsent:
    "The server no longer recognises you, so you are a new guest here. Unsent messages will be sent under the new identity.",
  cannotStore: "This browser does not allow the page to store anything. Reloading the page loses unsent messages.",
  signInAgain: "You were signed out. Sign in to continue.",
  tokenEnded: "The application’s sign-in has ended. Open the chat from the application again.",
  /** @param {string} name */
  tokenBeside: (name) => fill("You are signed in as {name}. Sign out first to use the application’s sign-in.", { name }),
  tokenRefused: "The server did not accept the sign-in of this link.",
  /** @param {string} name */
  nowFor: (name) => fill("Another tab has signed this browser in as {name}.", { name }),
  loginNotAccepted: "The server did not accept the login of this browser. Its operator has to check PUBLIC_URL.",
  /** @param {number} n */
  outboxFull: (n) => fill("{n} messages are already waiting to be sent. Try again later.", { n: number(n) }),
  hadArrived: "A message that you discarded or changed had been sent after all. It was deleted.",
  tooLong: "This message is too long for the server.",
  editKept: "Your edit is kept.",
  /** @param {string} why a sentence @param {string} text */
  editFailed: (why, text) => fill("Edit not saved. {why} “{text}”", { why, text }),
  editAgain: "Edit again",
  otherNow: "Written for a private room, which everybody can read now, or which is another one of the same name. “Retry” sends it.",
  /** @param {string} why a sentence */
  noLonger: (why) => fill("{why} “Retry” sends it when you are in this room again.", { why }),
  /** @param {string} author @param {string} me */
  writtenAs: (author, me) => fill("Written as {author}. “Retry” sends it as {me}.", { author, me }),
  /** @param {string} why a sentence */
  trying: (why) => fill("{why} Trying again…", { why }),
  /** @param {string} why a sentence @param {number} seconds */
  tryIn: (why, seconds) => fill("{why} Try again in {time}.", { why, time: duration(seconds) }),
  outdated: "The server has a newer version of this page. Reload it to go on.",
  unreadable: "This page cannot read what the server sends. Reload the page.",
  notReached: "The server cannot be reached. Try again.",
  downloadCut: "The download was interrupted. Try again.",
  interrupted: "The connection was lost before the server answered. Try again.",
});
