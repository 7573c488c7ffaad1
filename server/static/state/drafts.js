/**
 * What was typed and not sent, per room, for one person. All tabs of that person share it: each change is written into what
 * the others have written.
 *
 * @typedef {import("./storage.js").Store} Store
 */
export class Drafts {
  #key = "";

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
  }

  /** Use the drafts of this person. @param {string} person see `State.person` */
  of(person) {
    this.#key = `drafts:${person}`;
  }

  /** @param {string} room @returns {string} */
  get(room) {
    return this.#all()[room] ?? "";
  }

  /** @param {string} room @param {string} text */
  set(room, text) {
    const all = this.#all();
    if ((all[room] ?? "") === text) return;
    if (text) all[room] = text;
    else delete all[room];
    if (Object.keys(all).length) this.store.set(this.#key, all);
    else this.store.remove(this.#key);
  }

  /** @returns {string[]} the rooms that have one */
  rooms() {
    return Object.keys(this.#all());
  }

  clear() {
    this.store.remove(this.#key);
  }

  /** @returns {Record<string, string>} */
  #all() {
    const saved = this.store.get(this.#key);
    return saved && typeof saved === "object" && !Array.isArray(saved) ? saved : {};
  }
}
