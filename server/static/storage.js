/**
 * The state that this tab keeps across a reload, as JSON in `sessionStorage`: each tab is a user of its own.
 * All tabs share only the name that the form suggests.
 */

// Servers below different paths of one host share the browser's storage, and must not share a user or an outbox.
const PATH = new URL(".", document.baseURI).pathname;
const PREFIX = PATH === "/" ? "parley." : `parley:${PATH}.`;

/** @typedef {Pick<TabStore, "get"|"set"|"remove">} Store */

export class TabStore {
  /** Values that the browser refused to store, kept until the page is closed. @type {Map<string, string>} */
  #memory = new Map();

  /** @param {() => Storage} [area] may throw, as reading `sessionStorage` does if the user has disabled it */
  constructor(area = () => globalThis.sessionStorage) {
    this.area = area;
  }

  /** @param {string} key @returns {any} null if there is nothing readable */
  get(key) {
    const kept = this.#memory.get(key);
    try {
      return JSON.parse(kept ?? this.area().getItem(PREFIX + key) ?? "null");
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
      this.#memory.set(key, text); // full, or switched off
      return false;
    }
  }

  /** @param {string} key */
  remove(key) {
    this.#memory.delete(key);
    try {
      this.area().removeItem(PREFIX + key);
    } catch {
      // switched off: there was nothing
    }
  }

  /** Forget everything: this tab is a copy of another one. */
  clear() {
    this.#memory.clear();
    try {
      const area = this.area();
      for (const key of Object.keys(area)) if (key.startsWith(PREFIX)) area.removeItem(key);
    } catch {
      // switched off: there was nothing
    }
  }
}

/** @returns {string} the name that was used last in this browser */
export function rememberedName() {
  try {
    return localStorage.getItem(`${PREFIX}name`) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name */
export function rememberName(name) {
  try {
    localStorage.setItem(`${PREFIX}name`, name);
  } catch {
    // then there is no suggestion
  }
}
