import { table } from "./format.js";

/** The page where one comes in. */
export const entry = table({
  lead: "Pick a name, pick a room, talk.",
  leadSignedIn: "Pick a room, talk.",
  leadAccount: "This server requires an account.",
  signedInAs: "Signed in as {name}",
  account: "Account",
  name: "Your name",
  nameMissing: "Choose a name that others will see.",
  room: "Room",
  roomHint: "A new room is created when you enter it.",
  enter: "Enter",
  signIn: "Sign in",
  register: "Create an account",
  /** The room that is suggested. */
  general: "general",
});
