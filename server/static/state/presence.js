/**
 * The users in a room: a snapshot, then changes applied as set operations (they may name users who are already known).
 *
 * @typedef {import("./types.js").User} User
 */
export class Presence {
  /** @type {Map<string, User>} */ members = new Map();
  count = 0;
  /** Users who were here before the connection broke and have not returned: after a restart they all do, and none is new.
   * @type {Set<string>} */
  #returning = new Set();

  /** The snapshot of `joined`. @param {User[]} members @param {number} count */
  reset(members, count) {
    this.#returning = new Set([...this.#returning, ...this.members.keys()]);
    this.members = new Map(members.map((user) => [user.id, user]));
    this.count = count;
  }

  /**
   * A `presence` event.
   * @param {{joined?: User[], left?: User[], count: number, all?: boolean}} event `all`: `joined` lists everyone
   * @returns {{came: User[], went: User[]}} users who were not here before, and users who no longer are
   */
  apply({ joined = [], left = [], count, all = false }) {
    if (all) {
      const here = new Set(joined.map((user) => user.id));
      left = [...this.members.values()].filter((user) => !here.has(user.id));
    }
    const came = joined.filter((user) => !this.members.has(user.id) && !this.#returning.delete(user.id));
    const went = left.filter((user) => this.members.delete(user.id));
    for (const user of joined) this.members.set(user.id, user);
    this.count = count;
    return { came, went };
  }

  /** Me first, then by name. @param {string | undefined} me @returns {User[]} */
  list(me) {
    const order = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });
    return [...this.members.values()].sort(
      (a, b) => Number(b.id === me) - Number(a.id === me) || order.compare(a.name, b.name),
    );
  }
}
