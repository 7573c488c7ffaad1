import { fill, table } from "./format.js";

/** The menu of a room. */
export const roomMenu = table({
  date: "Jump to a date",
  markRead: "Mark as read",
  notifyOf: "Notify me of",
  levelAll: "All messages",
  levelMentions: "Mentions only",
  levelNone: "Nothing (mute)",
  copyLink: "Copy link",
  moderation: "Moderation",
  settings: "Room settings",
  manage: "Invite and manage people",
  reports: "Reports",
  reportsOpen: (/** @type {string} */ n) => fill("Reports: {n} open", { n }),
  deleted: "Deleted messages",
  leaveHint: "On this device; you stay a member",
  quit: "Give up membership",
  quitTitle: (/** @type {string} */ room) => fill("Give up your membership of {room}?", { room }),
  quitText: "You leave the room on all your devices, and are no member any more. To return to a private room, you need an invitation.",
});
