import { fill, table } from "./format.js";

/** What several parts of the page say. */
export const common = table({
  product: "Parley",
  close: "Close",
  cancel: "Cancel",
  back: "Back",
  retry: "Retry",
  undo: "Undo",
  reload: "Reload",
  deletingMessage: "Deleting…",
  notDeleted: "A message was not deleted: the server could not be reached in time.",
  discarded: "Message discarded",
  discardedLate: "Message discarded. It may have been sent: if so, it is deleted as soon as it arrives.",
  dismiss: "Dismiss",
  you: "you",
  more: "More",
  loading: "Loading…",
  /** @param {string} label of a field */
  missing: (label) => fill("{label} is missing.", { label }),
  showMore: "Show more",
  failed: "That did not work. Try again.",
  copied: "Link copied",
  notCopied: "Copying is not possible here. Copy the address bar.",
  deletedUser: "deleted user",
  /** @param {string} name @param {string} kind one of the next */
  nameAndKind: (name, kind) => fill("{name} ({kind})", { name, kind }),
  kinds: { guest: "guest", claimed: "claimed", bot: "bot" },
  kindMeanings: {
    guest: "A guest: anyone may use a name that looks like this one",
    claimed: "Claimed: the server has not checked who this is",
    bot: "A bot",
  },
  roles: { owner: "Owner", moderator: "Moderator", member: "Member", readonly: "Read only", admin: "Admin" },
  /** A title for the window. @param {string} room */
  windowTitle: (room) => fill("{room} · Parley", { room }),
  /** @param {string} marks "(3)" @param {string} title */
  countedTitle: (marks, title) => fill("{marks} {title}", { marks, title }),
});
