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
    return this.#all().get(room) ?? "";
  }

  /** @param {string} room @param {string} text */
  set(room, text) {
    const all = this.#all();
    if ((all.get(room) ?? "") === text) return;
    if (text) all.set(room, text);
    else all.delete(room);
    if (all.size) this.store.set(this.#key, Object.fromEntries(all));
    else this.store.remove(this.#key);
  }

  /** @returns {string[]} the rooms that have one */
  rooms() {
    return [...this.#all().keys()];
  }

  clear() {
    this.store.remove(this.#key);
  }

  /** @returns {Map<string, string>} by room: one may be called "constructor" */
  #all() {
    const saved = Object.entries(this.store.get(this.#key) ?? {});
    return new Map(saved.filter(([, text]) => typeof text === "string"));
  }
}
