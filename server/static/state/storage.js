import { readable } from "./stored.js";

/**
 * What the browser keeps of this page, as JSON: in `sessionStorage` for a tab across its reloads, in `localStorage` for
 * all tabs and for later.
 */

// Servers below different paths of one host share the browser's storage, and must not share a user or an outbox.
const PATH = new URL(".", document.baseURI).pathname;
export const PREFIX = PATH === "/" ? "parley." : `parley:${PATH}.`;

/** @typedef {Pick<Stored, "get"|"set"|"remove"|"keys"|"onRefused">} Store */

export class Stored {
  /** Values that the browser refused to store, kept until the page is closed or another tab stores a newer one; `over`: what
   * is stored instead. @type {Map<string, {text: string, over: string | null}>} */
  #memory = new Map();
  /** What to do when the browser refuses to store something. */
  onRefused = () => {};

  /** @param {() => Storage} area may throw, as reading `sessionStorage` does if the user has disabled it */
  constructor(area) {
    this.area = area;
  }

  /** @param {string} key @returns {any} null if there is nothing readable */
  get(key) {
    const kept = this.#memory.get(key);
    const stored = this.#stored(key);
    try {
      return readable(key, JSON.parse((kept?.over === stored ? kept.text : stored) ?? "null"));
    } catch {
      return null;
    }
  }

  /** @param {string} key @param {unknown} value @returns {boolean} whether it will be there after a reload */
  set(key, value) {
    const text = JSON.stringify(value);
    try {
      this.area().setItem(PREFIX + key, text);
      this.#memory.delete(key);
      return true;
    } catch {
      this.#memory.set(key, { text, over: this.#stored(key) }); // full, or switched off
      this.onRefused();
      return false;
    }
  }

  /** @param {string} key @returns {true} as `set` */
  remove(key) {
    this.#memory.delete(key);
    try {
      this.area().removeItem(PREFIX + key);
    } catch {
      // switched off: there was nothing
    }
    return true;
  }

  /** @param {string} key @returns {string | null} */
  #stored(key) {
    try {
      return this.area().getItem(PREFIX + key);
    } catch {
      return null; // switched off
    }
  }

  /** The keys that begin like this. @param {string} start @returns {string[]} */
  keys(start) {
    const found = new Set([...this.#memory.keys()].filter((key) => key.startsWith(start)));
    try {
      for (const key of Object.keys(this.area())) if (key.startsWith(PREFIX + start)) found.add(key.slice(PREFIX.length));
    } catch {
      // switched off: there is nothing
    }
    return [...found];
  }
}

/** What this tab keeps. */
export const tabStore = () => new Stored(() => globalThis.sessionStorage);
/** What all tabs of the browser keep. */
export const browserStore = () => new Stored(() => globalThis.localStorage);
