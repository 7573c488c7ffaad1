import { Outbox } from "../state/outbox.js";
import { PREFIX } from "../state/storage.js";
import { claimTab, lockOf } from "./tab.js";

/**
 * The unsent messages of this tab, kept where the next one finds them: each tab writes its own list, and a tab that starts
 * takes over the lists of its person's tabs that are closed. The server knows the ids of what has arrived, so nothing is
 * stored twice.
 *
 * @typedef {import("../state/state.js").State} State
 */
export class Tabs {
  #id = "";

  /** @param {State} state */
  constructor(state) {
    this.state = state;
  }

  /** Claim an id for this tab. */
  async begin() {
    this.#id = await claimTab(this.state.tab);
  }

  /** Load what this person has not sent. */
  async load() {
    const own = this.#saved(this.#id);
    const entries = own && own.person === this.state.person ? own.entries : [];
    for (const id of await this.#closed()) {
      const list = this.#saved(id);
      if (list?.person !== this.state.person) continue;
      entries.push(...list.entries);
      this.state.browser.remove(`outbox:${id}`);
    }
    this.state.outbox.entries = Outbox.from(entries).entries;
    this.save();
  }

  save() {
    const { outbox, person, browser } = this.state;
    if (outbox.entries.length) browser.set(`outbox:${this.#id}`, { person, entries: outbox });
    else browser.remove(`outbox:${this.#id}`);
  }

  /** @param {string} id @returns {{person: string, entries: any[]} | null} */
  #saved(id) {
    const saved = this.state.browser.get(`outbox:${id}`);
    return Array.isArray(saved?.entries) ? saved : null;
  }

  /** The ids of other tabs that have left a list and are closed. Without locks this cannot be known, and none is taken. */
  async #closed() {
    const left = this.state.browser.keys("outbox:").map((key) => key.slice("outbox:".length));
    if (!navigator.locks || !left.length) return [];
    const { held = [] } = await navigator.locks.query();
    const open = new Set(held.map(({ name }) => name));
    return left.filter((id) => id !== this.#id && !open.has(lockOf(id)));
  }
}

/** Do something when another tab has changed what the browser keeps. @param {(key: string) => void} onKey */
export function onOtherTab(onKey) {
  addEventListener("storage", ({ key }) => key?.startsWith(PREFIX) && onKey(key.slice(PREFIX.length)));
}
