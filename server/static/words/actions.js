import { duration, fill, plural, table } from "./format.js";

/** What one does with a message. */
export const actions = table({
  label: (/** @type {string} */ name) => fill("Actions on the message by {name}", { name }),
  reactWith: (/** @type {string} */ emoji) => fill("React with {emoji}", { emoji }),
  react: "Add a reaction",
  reply: "Reply",
  edit: "Edit",
  /** @param {number} seconds */
  editEnded: (seconds) => fill("Messages can be edited for {time}.", { time: duration(seconds) }),
  more: "More actions",
  pin: "Pin",
  unpin: "Unpin",
  copyText: "Copy text",
  copyLink: "Copy link",
  markUnread: "Mark unread from here",
  seenBy: "Seen by…",
  report: "Report…",
  remove: "Delete",
  textCopied: "Text copied",
  linkCopied: "Link copied",
  notCopied: "Copying is not possible here.",

  reportTitle: (/** @type {string} */ name) => fill("Report the message by {name}", { name }),
  reportLead: "The moderators of this room see the message, your reason and your name. If the author is one of them, so does the author.",
  /** Where there are none. */
  reportLeadAdmins: "The admins of this server see the message, your reason and your name. This room has no moderators.",
  reportReason: "What is wrong with it?",
  reportMissing: "Say what is wrong with it.",
  reportSend: "Report",
  reported: "Reported to the moderators.",
  reportedAdmins: "Reported to the admins.",

  seenTitle: "Seen by",
  seenNobody: "Nobody else has read up to this message yet.",
  seenCount: (/** @type {number} */ n) => plural(n, { one: "{n} person", other: "{n} people" }),
});
