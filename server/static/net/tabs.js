import { Outbox } from "../state/outbox.js";
import { OUTBOX as KEY } from "../state/state.js";
import { PREFIX } from "../state/storage.js";
import { claimClosed, claimTab } from "./tab.js";

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

  /**
   * Load what this person has not sent. What was written in this tab as somebody else stays here, too: it is not sent
   * before the user agrees.
   */
  async load() {
    const saved = this.#saved(this.#id);
    const [entries, withdrawn] = [saved?.entries ?? [], saved?.withdrawn ?? []];
    const { browser, person } = this.state;
    const others = browser.keys(KEY).map((key) => key.slice(KEY.length)).filter((id) => id !== this.#id);
    const closed = others.filter((id) => this.#saved(id)?.person === person);
    for (const [i, mine] of (await Promise.all(closed.map(claimClosed))).entries()) {
      if (!mine) continue;
      const other = this.#saved(closed[i]); // none if another tab has just taken them
      entries.push(...(other?.entries ?? []));
      withdrawn.push(...(other?.withdrawn ?? []));
      browser.remove(KEY + closed[i]);
    }
    Object.assign(this.state.outbox, Outbox.from(entries, withdrawn, Date.now()));
    this.save();
  }

  save() {
    const { outbox, person, browser } = this.state;
    const { entries, withdrawn } = outbox;
    if (entries.length || withdrawn.length) browser.set(KEY + this.#id, { person, entries: outbox, withdrawn });
    else browser.remove(KEY + this.#id);
  }

  /** The name of the guest that this tab was, "" if that was signed out while the tab slept or was closed. @returns {string} */
  name() {
    const { tab, guests } = this.state;
    const [name, id] = [tab.get("name"), tab.get("guest")];
    if (id === null || guests.get(name)) return name;
    const renamed = guests.nameOf(id);
    if (!renamed) this.forget();
    return renamed;
  }

  /** The person has signed out. */
  forget() {
    for (const what of ["rooms", "writing", "name", "guest", "invite", "accepted", "token"]) this.state.tab.remove(what);
  }

  /** @param {string} id @returns {{person: string, entries: any[], withdrawn?: any[]} | null} */
  #saved(id) {
    const saved = this.state.browser.get(KEY + id);
    return Array.isArray(saved?.entries) ? saved : null;
  }
}

/** Do something when another tab has changed what the browser keeps. @param {(key: string) => void} onKey */
export function onOtherTab(onKey) {
  addEventListener("storage", ({ key }) => key?.startsWith(PREFIX) && onKey(key.slice(PREFIX.length)));
}
