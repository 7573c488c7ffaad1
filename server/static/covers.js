import { newId } from "./state/content.js";

/**
 * Where the page is narrow, what is open covers the room: a panel, the drawer, a dialog, a page about accounts. There, Back
 * closes the uppermost of these and nothing else. So each has an entry in the browser's history, on top of the room's.
 *
 * @typedef {import("./actions/index.js").Actions} Actions
 * @typedef {import("./state/state.js").State} State
 */
const NARROW = matchMedia("(max-width: 49.99rem)");

export class Covers {
  /** How many entries are on top of the room's. */ #depth = 0;
  /** What was open before a reload is not now. */ #page = newId("");
  /** Whether the browser is removing some, which takes it a moment. */ removing = false;

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
  }

  /** How to close what covers the room, the lowest first. @returns {(() => void)[]} */
  get #open() {
    const { ui, room } = this.state;
    const { act } = this;
    const chat = ui.view === "chat" || (ui.view === "account" && ui.back === "chat");
    if (!NARROW.matches || !chat) return [];
    const panel = room && (ui.profile || (ui.panel && !(room.direct && ui.panel === "people")));
    const drawer = ui.drawer && (() => act.ui.drawer(false));
    const covers = [panel && (() => act.ui.panel("")), drawer, ui.view === "account" && (() => act.account.close()), ui.dialog && (() => act.ui.closeDialog())];
    return covers.filter((close) => typeof close === "function");
  }

  /** Something may have been opened or closed. */
  sync() {
    if (this.removing) return;
    const more = this.#open.length - this.#depth;
    if (more < 0) {
      this.removing = true;
      history.go(more);
    }
    for (let i = 0; i < more; i += 1) history.pushState({ covers: this.#depth + i + 1, page: this.#page }, "");
    this.#depth += more;
  }

  /** The browser has gone to another entry. @param {any} state of that @returns {boolean} whether it belongs to the room in front */
  onPop(state) {
    if (this.removing) {
      this.removing = false;
      this.state.changed(); // something may have been opened since
      return true;
    }
    const left = state?.page === this.#page ? state.covers : 0;
    if (left >= this.#depth) return false;
    const closing = this.#open.slice(left).toReversed();
    this.#depth = left;
    for (const close of closing) close();
    return true;
  }

  /** Another room comes in front. @returns {boolean} whether its entry takes the place of one of these */
  onMoved() {
    const had = this.#depth > 0;
    this.#depth = 0;
    return had;
  }
}
