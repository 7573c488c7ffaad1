import { fill, plural, table } from "./format.js";

/** The page where one comes in. */
export const entry = table({
  lead: "Pick a name, pick a room, talk.",
  leadSignedIn: "Pick a room, talk.",
  leadAccount: "This server requires an account.",
  signedInAs: "Signed in as {name}",
  account: "Account",
  name: "Your name",
  nameMissing: "Choose a name that others will see.",
  nameAgain: "You were here before: your rooms and messages are still yours.",
  nameOfLink: "The link proposes this name, for a new guest. You can also go on as a guest who was here before:",
  guests: "Guests of this browser",
  forget: "Sign out",
  /** @param {string} name */
  forgetOf: (name) => fill("Sign out {name}", { name }),
  room: "Room",
  roomMissing: "Choose a room.",
  linked: "A link leads to this room. Others there see you come in.",
  enter: "Enter",
  entering: "Entering…",
  away: "The server cannot be reached. Trying again…",
  missing: "There is no room “{room}”, or it is private.",
  /** @param {string} room */
  create: (room) => fill("Create {room}", { room }),
  usePassword: "Enter with a password",
  password: "Password of the room",
  passwordMissing: "Type the password of the room.",
  passwordWrong: "This password is wrong, or there is no such room.",
  signIn: "Sign in",
  register: "Create an account",
  notNow: "Not now",
  recent: "Recent rooms",
  public: "Public rooms",
  search: "Search public rooms",
  noneFound: "No public room has this in its name or title.",
  members: (/** @type {number} */ n) => plural(n, { one: "{n} member", other: "{n} members" }),
  online: (/** @type {number} */ n) => plural(n, { one: "{n} online", other: "{n} online" }),
  /** The room that is suggested. */
  general: "general",

  renameTitle: "Change your name",
  renameText: "You stay the same guest: your rooms and messages remain yours.",
  rename: "Change name",
});
