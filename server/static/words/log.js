import { duration, fill, plural, table } from "./format.js";

/** The log of a room, and its messages. */
export const log = table({
  today: "Today",
  yesterday: "Yesterday",
  /** @param {string} room */
  label: (room) => fill("Messages in {room}", { room }),

  // --- between the messages
  unread: "New",
  unreadLabel: "New messages",
  joined: "{names} joined",
  left: "{names} left",
  joinedAndLeft: "{came} joined · {went} left",
  /** @param {number} n */
  others: (n) => plural(n, { one: "{n} other", other: "{n} others" }),
  /** @param {number} n @param {string} name */
  deleted: (n, name) => plural(n, { one: "A message by {name} was deleted", other: "{n} messages by {name} were deleted" }, { name }),
  /** @param {number} n */
  blocked: (n) => plural(n, { one: "A message from a person you block", other: "{n} messages from people you block" }),
  show: "Show",

  // --- around the messages
  beginning: "This is the beginning of {room}",
  beginningDirect: "This is the beginning of your conversation with {room}",
  empty: "It is quiet in {room}",
  emptyDirectTitle: "No messages with {room} yet",
  emptyHint: "Send the first message, or share the link to this room.",
  emptyDirect: "Only the two of you can see what you write here.",
  loading: "Loading messages",
  loadOlder: "Show earlier messages",
  loadNewer: "Show newer messages",
  /** @param {string} why a sentence */
  olderFailed: (why) => fill("Earlier messages did not load. {why}", { why }),
  /** @param {string} why a sentence */
  newerFailed: (why) => fill("Newer messages did not load. {why}", { why }),
  again: "Try again",
  /** @param {number} n */
  newMessages: (n) => plural(n, { one: "{n} new message", other: "{n} new messages" }),
  newMany: "More than 99 new messages",
  latest: "Jump to latest",
  present: "Back to the present",
  toUnread: "Jump to unread",

  // --- a message
  /** @param {string} time */
  editedAt: (time) => fill("edited {time}", { time }),
  you: "you",
  asGuest: "as guest",
  /** @param {string} name */
  wroteAsGuest: (name) => fill("{name} wrote this as a guest", { name }),
  pinned: "Pinned",
  /** @param {string} name */
  pinnedBy: (name) => fill("Pinned by {name}", { name }),
  showMore: "Show more",
  showLess: "Show less",
  copyCode: "Copy",
  copied: "Copied",
  notCopied: "Select and copy it",
  code: "Code",
  /** @param {string} name @param {string} text */
  replyTo: (name, text) => fill("Reply to {name}: {text}", { name, text }),
  replyGone: "Reply to a deleted message",
  replyBlocked: "Reply to a message from somebody you block",
  /** @param {string} emoji @param {string} names @param {number} n */
  reaction: (emoji, names, n) => plural(n, { one: "{emoji}, {n} reaction: {names}", other: "{emoji}, {n} reactions: {names}" }, { emoji, names }),
  somebody: "somebody",
  /** What is read out for a message. @param {string} name @param {string} time @param {string} text */
  message: (name, time, text) => fill("{name}, {time}: {text}", { name, time, text }),
  /** The same in a text that is copied. @param {string} name @param {string} time @param {string} text */
  copy: (name, time, text) => fill("{name}, {time}: {text}", { name, time, text }),
  /** @param {string} name @param {string} text */
  said: (name, text) => fill("{name}: {text}", { name, text }),

  // --- its delivery
  delivered: {
    sent: "Sent",
    shown: "Sent, not stored yet",
    sending: "Sending",
    queued: "Waiting to be sent",
    failed: "Not sent",
  },
  /** @param {string} why a sentence */
  failed: (why) => fill("Not sent. {why}", { why }),
  /** @param {number} seconds */
  retryIn: (seconds) => fill("Trying again in {time}.", { time: duration(seconds) }),
  trying: "Trying again…",
  waiting: "Waiting to be sent.",
  retry: "Retry",
  edit: "Edit",
  discard: "Discard",
});

/** What has happened in a room, by the `what` of a notice. */
export const notices = table({
  anew: "The server started anew. Earlier messages are gone.",
  newestLost: "The server has lost some of the newest messages.",
  guests_talk: "{by} lets guests write here",
  guests_read: "{by} lets guests only read here",
  guests_no: "{by} lets no guests in here",
  title: "{by} renamed the room to {text}",
  no_title: "{by} removed the room’s title",
  topic: "{by} set the topic: {text}",
  no_topic: "{by} removed the topic",
  slow: "{by} turned on slow mode: one message every {time}",
  no_slow: "{by} turned off slow mode",
  kick: "{by} removed {user}",
  ban: "{by} banned {user}",
  unban: "{by} lifted the ban of {user}",
  mute: "{by} muted {user}",
  unmute: "{by} unmuted {user}",
  set_role: "{by} made {user} {role}",
  became: "{user} became {role}",
  quit: "{user} gave up their membership",
  /** By role, with its article. @type {Record<string, string>} */
  roles: { owner: "an owner", moderator: "a moderator", member: "a member", readonly: "read-only", admin: "an admin" },
});
