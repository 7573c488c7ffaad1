/**
 * The guests that this browser knows, by name: each with the token that makes it the same user again, in all tabs and
 * later, until it signs out. None is forgotten for another one: it may have roles, rooms, and what it has not sent.
 *
 * @typedef {import("./storage.js").Store} Store
 * @typedef {import("./types.js").User} User
 * @typedef {{token: string, user: User | null, name: string, former: string[], at: number, offered?: boolean}} Guest
 *   `name`: as typed; `former`: ids under which the server no longer recognises it; `at`: when somebody acted as it
 *   last, not only opened a link, in epoch milliseconds; `offered`: since then, an account was asked whether to keep what it wrote
 */

const KEY = "guest:";

export class Guests {
  /** @param {Store} store the browser's */
  constructor(store) {
    this.store = store;
  }

  /** @param {string} name @returns {Guest | null} */
  get(name) {
    const saved = this.store.get(KEY + name);
    return typeof saved?.token === "string" && saved.name === name ? saved : null;
  }

  /** Those of this browser, the one used last first. @returns {Guest[]} */
  list() {
    const found = this.store.keys(KEY).map((key) => this.get(key.slice(KEY.length)));
    return found.filter((guest) => guest !== null).sort((a, b) => b.at - a.at);
  }

  /** The name under which a user is kept, "" if it is not. @param {string} id */
  nameOf(id) {
    return this.list().find(({ user }) => user?.id === id)?.name ?? "";
  }

  /** @param {Guest} guest */
  save(guest) {
    this.store.set(KEY + guest.name, guest);
  }

  /** Note that a person acts as this guest: a link without a name then continues as this one. @param {string} name */
  use(name) {
    const [last] = this.list();
    const guest = this.get(name);
    if (guest && last?.name !== name) this.save({ ...guest, at: Date.now() });
  }

  /** @param {string} name */
  forget(name) {
    this.store.remove(KEY + name);
  }

  /** Whether the browser's storage has this key for the guest with this name. @param {string} key @param {string} name */
  static isKeyOf(key, name) {
    return key === KEY + name;
  }
}
