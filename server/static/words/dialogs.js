import { fill, plural, table } from "./format.js";

const PAUSE = /** @type {const} */ ([
  [3600, { one: "One message every hour", other: "One message every {n} hours" }],
  [60, { one: "One message every minute", other: "One message every {n} minutes" }],
  [1, { one: "One message every second", other: "One message every {n} seconds" }],
]);

/** Dialogs about rooms, the quick switcher, and the list of shortcuts. */
export const dialogs = table({
  browseTitle: "Browse rooms",
  browseSearch: "Search public rooms",
  browseNone: "No public room has this in its name.",
  browseEmpty: "There are no public rooms yet.",
  browseMore: "Show more rooms",
  members: (/** @type {number} */ n) => plural(n, { one: "{n} member", other: "{n} members" }),
  online: (/** @type {number} */ n) => plural(n, { one: "{n} online", other: "{n} online" }),
  found: (/** @type {number} */ n) => plural(n, { one: "{n} room found", other: "{n} rooms found" }),
  join: "Join",
  joinRoom: (/** @type {string} */ room) => fill("Join {room}", { room }),
  openRoom: (/** @type {string} */ room) => fill("Open {room}", { room }),
  goTo: "Open",

  signOutTitle: "Sign out of this browser?",
  /** @param {string} name */
  signOutGuestTitle: (name) => fill("Sign out as {name}?", { name }),
  signOutText: "All tabs of this browser sign out.",
  signOutGuestText:
    "You are a guest: only this browser knows you. Your rooms, roles and direct messages will be lost, and you cannot change what you wrote. To keep them, create an account first.",
  signOutUnsent: (/** @type {number} */ n) =>
    plural(n, { one: "One message is not sent yet. It will be lost.", other: "{n} messages are not sent yet. They will be lost." }),
  signOut: "Sign out",

  continueTitle: "Continue as {user}?",
  continueText:
    "A link signs this browser in as {user}, with an application’s sign-in. You are {before} here. If you did not open the chat from that application, cancel: whoever made the link could read what you write and receive as {user}.",
  continue: "Continue",
  newRoom: "New room",

  requestsTitle: "New conversations",
  requestsHint: "You are not notified of their messages until you open them.",
  hideAll: "Hide all",

  createTitle: "New room",
  createButton: "Create room",
  name: "Name",
  nameHint: "Part of the room’s link. It cannot be changed later.",
  title: "Title (optional)",
  titleHint: "Shown in place of the name.",
  topic: "Topic (optional)",
  private: "Private",
  privateHint: "It is in no list. People enter it when they are invited, or with its password.",
  roomPassword: "Password (optional)",
  roomPasswordHint: "People who know it enter without an invitation: by the room’s link, or by its exact name.",
  slowMode: "Slow mode",
  pause: (/** @type {number} */ seconds) => {
    const [unit, forms] = PAUSE.find(([length]) => seconds >= length) ?? [1, null];
    return forms ? plural(seconds / unit, forms) : "Off";
  },
  guests: "Guests",
  guestsTalk: "May read and write",
  guestsRead: "May read",
  guestsNo: "May not enter",

  missingTitle: "Enter or create this room?",
  missingText: (/** @type {string} */ room) =>
    fill(
      "There is no public room named “{room}”. If it is private and you know its password, you can enter it. Otherwise you can create it: it lasts as long as somebody uses it.",
      { room },
    ),
  missingCreate: "Create room",
  missingPassword: "Enter with a password",

  passwordTitle: "Enter with a password",
  passwordText: (/** @type {string} */ room) => fill("If “{room}” is a private room with a password, you can enter it here.", { room }),
  password: "Password",
  passwordWrong: "This password is wrong, or there is no such room.",
  enter: "Enter",

  switcherTitle: "Switch to",
  directTitle: "New direct message",
  directField: "Find a person",
  directNone: "Nobody in your rooms has this in their name.",
  switcherField: "Find a room or a person",
  switcherRooms: "Rooms",
  switcherPeople: "People",
  switcherLeft: "Rooms you left on this device",
  switcherOther: "Rooms you are not in",
  switcherNone: "Nothing found.",
  switcherEmpty: "Type the name of a room or a person.",
  switcherGo: (/** @type {string} */ room) => fill("Go to the room “{room}”", { room }),
  switcherUnlock: (/** @type {string} */ room) => fill("Enter “{room}” with a password", { room }),
  switcherHint: "Arrow keys choose, Enter opens, Escape closes.",
  switcherFound: (/** @type {number} */ n) => plural(n, { one: "{n} result", other: "{n} results" }),

  helpTitle: "Keyboard shortcuts",
  /** What each key does, or several that are pressed together. "Mod" is Ctrl, or ⌘ on a Mac. */
  helpGroups: [
    {
      title: "Go to",
      keys: {
        "Mod K": "Switch to a room or person",
        "Alt ↑": "Previous room",
        "Alt ↓": "Next room",
        "Alt Shift ↑": "Previous unread room",
        "Alt Shift ↓": "Next unread room",
        "?": "This list",
      },
    },
    {
      title: "Read",
      keys: {
        "Page up": "Scroll up, also from the message box",
        "Page down": "Scroll down",
        "↑ ↓": "Go from message to message, in the log",
        "End": "To the newest message, in the log",
      },
    },
    {
      title: "Write",
      keys: {
        "Enter": "Send",
        "Shift Enter": "New line",
        "↑": "Edit my last message, in an empty message box",
        "Esc": "Stop replying or editing, close what is open",
      },
    },
    {
      title: "On a message, in the log",
      keys: [
        ["R", "Reply"],
        ["E", "Edit"],
        ["+", "React"],
        ["Del", "Delete"],
        ["Enter", "All actions"],
      ],
    },
  ],
});
