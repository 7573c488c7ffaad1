/**
 * What was typed and not sent, per room, for one person. All tabs of that person share it: each change is written into what
 * the others have written.
 *
 * @typedef {import("./storage.js").Store} Store
 */
export class Drafts {
  /** Where they are kept, "" before there is a person and after they have signed out. */ key = "";
  /** By room: one may be called "constructor". Views ask at each drawing, the browser is asked when it may have changed.
   * @type {Map<string, string>} */
  #drafts = new Map();
  /** Those that the browser had no space for: what other tabs write does not replace them. @type {Map<string, string>} */
  #unstored = new Map();

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
  }

  /** Use the drafts of this person. @param {string} person see `State.person`; "": keep none */
  of(person) {
    const key = person && `drafts:${person}`;
    if (key !== this.key) this.#unstored.clear();
    this.key = key;
    this.load();
  }

  /** Read what another tab has written. */
  load() {
    const saved = Object.entries(this.store.get(this.key) ?? {});
    this.#drafts = new Map(saved.filter(([, text]) => typeof text === "string"));
    for (const [room, text] of this.#unstored) this.#put(room, text);
  }

  /** @param {string} room @returns {string} */
  get(room) {
    return this.#drafts.get(room) ?? "";
  }

  /** @param {string} room @param {string} text */
  set(room, text) {
    if (!this.key) return;
    this.load();
    if (this.get(room) === text) return;
    this.#put(room, text);
    const stored = this.#drafts.size ? this.store.set(this.key, Object.fromEntries(this.#drafts)) : this.store.remove(this.key);
    if (stored) this.#unstored.clear();
    else this.#unstored.set(room, text);
  }

  /** @param {string} room @param {string} text */
  #put(room, text) {
    if (text) this.#drafts.set(room, text);
    else this.#drafts.delete(room);
  }

  /** A room is called something else: its draft goes with it, before the one that is there. @param {string} from @param {string} to */
  move(from, to) {
    const texts = new Set([this.get(from), this.get(to)]);
    this.set(from, "");
    this.set(to, [...texts].filter(Boolean).join("\n"));
  }

  /** @returns {string[]} the rooms that have one */
  rooms() {
    return [...this.#drafts.keys()];
  }
}
