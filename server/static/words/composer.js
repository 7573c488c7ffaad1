import { fill, number, plural, quoted, table } from "./format.js";

/** The box in which messages are written. */
export const composer = table({
  label: (/** @type {string} */ room) => fill("Message {room}", { room }),
  send: "Send",
  sendKeys: "Send (Enter)",
  sendKeysLine: "Send (Ctrl + Enter)",
  save: "Save",
  emoji: "Insert an emoji",
  hint: "Enter sends, Shift + Enter starts a new line.",
  left: (/** @type {number} */ n) => plural(n, { one: "{n} character left", other: "{n} characters left" }),
  over: (/** @type {number} */ n) => plural(n, { one: "{n} character too many", other: "{n} characters too many" }),
  tooLong: (/** @type {number} */ over, /** @type {number} */ limit) =>
    plural(
      over,
      {
        one: "This message is {n} character too long. The limit is {limit}.",
        other: "This message is {n} characters too long. The limit is {limit}.",
      },
      { limit: number(limit) },
    ),
  noFiles: "Files cannot be sent yet. Send a link instead.",

  replyingTo: "Reply to {name}: {text}",
  replyDeleted: "a deleted message",
  cancelReply: "Cancel the reply",
  editing: "Edit your message",
  editingKeys: "Escape cancels",
  cancelEdit: "Cancel the edit",

  slowWait: "Not sent: press Enter again when the time is over.",
  slowLeft: (/** @type {string} */ wait) => fill("Slow mode: you can write again in {wait}.", { wait }),
  muted: "You are muted here.",
  mutedFor: (/** @type {string} */ reason) => fill("You are muted here: {reason}", { reason: quoted(reason) }),
  mutedLeft: (/** @type {string} */ wait) => fill("You can write again in {wait}.", { wait }),
  readOnly: "You may only read in this room. A moderator can let you write.",
  guestsRead: "Guests may only read here. Sign in to write.",
  deserted: "This account was deleted.",
  signIn: "Sign in",
  kept: "Your draft is kept.",

  closedLabel: "This room",
  otherName: "Choose another name",
  goOn: "Continue",
  unlock: "Enter with a password",
  reenter: "Enter again",
  closeRoom: "Close",

  typing: "{name} is typing",
  typingTwo: "{name} and {other} are typing",
  typingMany: "Several people are typing",
});
