import { text } from "./shape.js";

/**
 * What a person has chosen, kept in the browser for all of its tabs.
 *
 * @typedef {import("./storage.js").Store} Store
 * @typedef {import("./types.js").Level} Level
 */

/** Each setting with its default; a saved value of another type is ignored. */
const DEFAULTS = {
  /** @type {"system"|"light"|"dark"|"contrast"} */ theme: "system",
  /** @type {"comfortable"|"compact"} */ density: "comfortable",
  /** Percent, from 80 to 150. @type {number} */ fontSize: 100,
  /** @type {"auto"|"12"|"24"} */ clock: "auto",
  /** Whether Enter sends, or Ctrl+Enter does. @type {"send"|"line"} */ enter: "send",
  /** Whether to show desktop notifications. */ desktop: false,
  /** Whether to play a sound. */ sound: false,
  /** What a room notifies of, where it differs from `notify`. @type {Record<string, Level>} */ levels: {},
  /** What rooms notify of; direct messages always do. @type {Level} */ notify: /** @type {Level} */ ("mentions"),
  /** Words that notify like a mention. @type {string[]} */ keywords: [],
  /** Whether the hint about Shift+Enter was understood. */ knowsEnter: false,
  /** Whether the list of people is open, where the page is wide enough. */ people: true,
  /** Emoji used last, newest first. @type {string[]} */ emoji: [],
  /** A skin tone from 0 (none) to 5. */ tone: 0,
};

/** @typedef {typeof DEFAULTS} Values */

export class Settings {
  /** @type {Values} */ values = { ...DEFAULTS };

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.load();
  }

  /** Read what another tab has saved. */
  load() {
    const saved = this.store.get("settings") ?? {};
    this.values = { ...DEFAULTS };
    for (const key of /** @type {(keyof Values)[]} */ (Object.keys(DEFAULTS))) {
      const value = saved[key];
      const usual = DEFAULTS[key];
      const fits = typeof value === typeof usual && Array.isArray(value) === Array.isArray(usual) && value !== null &&
        (typeof value !== "object" || Object.values(value).every(text));
      if (fits) /** @type {any} */ (this.values)[key] = value;
    }
  }

  /** Forget what speaks of the person who has signed out. */
  forget() {
    for (const key of /** @type {const} */ (["levels", "keywords", "emoji"])) this.set(key, DEFAULTS[key]);
  }

  /** @template {keyof Values} K @param {K} key @returns {Values[K]} */
  get(key) {
    return this.values[key];
  }

  /** @template {keyof Values} K @param {K} key @param {Values[K]} value */
  set(key, value) {
    this.load(); // another tab may have changed other settings
    this.values[key] = value;
    this.store.set("settings", this.values);
  }
}
