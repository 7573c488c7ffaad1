/**
 * Events in a room other than messages, shown between them. Only those of this visit: the server does not store them.
 *
 * @typedef {import("./types.js").User} User
 * @typedef {{what: string, by?: User, user?: User, text?: string, seconds?: number, role?: string}} Told what has happened:
 *   `what` is a key of `words.notices`
 * @typedef {{key: string, after: number, at: number, told?: Told, came: Map<string, User>, went: Map<string, User>}}
 *   Notice `after`: the seq of the message that precedes it; `told`: absent where users came and went
 */

const KEPT = 100;

export class Notices {
  /** @type {Notice[]} */ list = [];
  #made = 0;

  /** @param {number} after @param {number} at @param {Told} told */
  say(after, at, told) {
    this.#push({ key: "", after, at, told, came: new Map(), went: new Map() });
  }

  /**
   * Users who join and leave with no message in between share one line, and a user who did both is removed from it: a
   * page that reloads should not be announced twice.
   * @param {number} after @param {number} at @param {{came: User[], went: User[]}} change
   */
  presence(after, at, { came, went }) {
    if (!came.length && !went.length) return;
    let notice = this.list.at(-1);
    if (!notice || notice.told !== undefined || notice.after !== after) {
      notice = this.#push({ key: "", after, at, came: new Map(), went: new Map() });
    }
    for (const user of went) if (!notice.came.delete(user.id)) notice.went.set(user.id, user);
    for (const user of came) if (!notice.went.delete(user.id)) notice.came.set(user.id, user);
    notice.at = at;
    if (!notice.came.size && !notice.went.size) this.list.pop();
  }

  /** The seq of the message after which the user was last shown as having left, or -1. @param {string} id */
  leftAfter(id) {
    return this.list.findLast((notice) => notice.went.has(id))?.after ?? -1;
  }

  /** Drop the notices before the oldest message that is kept. @param {number} oldest */
  trim(oldest) {
    this.list = this.list.filter((notice) => notice.after >= oldest);
  }

  /** @param {Notice} notice */
  #push(notice) {
    this.#made += 1;
    notice.key = `notice:${this.#made}`;
    this.list.push(notice);
    if (this.list.length > KEPT) this.list.shift();
    return notice;
  }
}
