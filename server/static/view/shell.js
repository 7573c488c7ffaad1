import { nothing, render } from "../vendor/lit-html/lit-html.js";
import { words } from "../words.js";
import { focusFirst, focusHome, hasKeyboard, settle } from "./focus.js";
import { header } from "./header.js";
import { Panel } from "./panel.js";
import { listenForShortcuts } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { Banner } from "./status.js";
import { drawTitle } from "./title.js";
import { announcements, timeToasts, toasts } from "./toasts.js";

/**
 * Everything around the log and the message box.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */
export class Shell {
  /** The room in front when it was drawn last. */ #front = "";

  /** @param {State} state @param {Actions} act @param {{loaded: boolean, draw: () => void}} dialogs */
  constructor(state, act, dialogs) {
    this.state = state;
    this.act = act;
    this.dialogs = dialogs;
    this.sidebar = new Sidebar(state, act);
    this.banner = new Banner(state, act);
    this.panel = new Panel(state, act);
    listenForShortcuts(state, act);
    this.#label();
  }

  /**
   * Draw all of it. Draw the log and the message box before: then the focus can go there.
   * @param {State["ui"]["view"]} view what is in front
   */
  draw(view) {
    const { state, act } = this;
    const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
    if (view !== "account") drawTitle(state, view); // those pages have titles of their own
    const [here, other] = view === "chat" ? ["toasts", "alerts"] : ["alerts", "toasts"];
    render(toasts(state, act), at(here));
    render(nothing, at(other)); // a notice is not to be there twice
    timeToasts(state, act);
    if (view === "chat") {
      this.banner.draw();
      render(header(state, act, this.banner.name), at("header"));
      render(announcements(state, act), at("announcements"));
      this.sidebar.draw();
      this.panel.draw();
    }
    if (state.ui.dialog || this.dialogs.loaded) this.dialogs.draw();
    const { front } = state;
    if (view === "chat" && front !== this.#front && !state.ui.dialog) {
      this.#front = front;
      if (state.ui.unasked) focusFirst(at("room-heading"));
      else if (hasKeyboard()) focusHome(); // one goes to a room to read and write
      state.ui.unasked = false;
    }
    settle();
  }

  /** What client.html has without words. */
  #label() {
    const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
    at("sidebar").setAttribute("aria-label", words.rooms.landmark);
    at("skip").textContent = words.rooms.skip;
    // It moves the focus, and leaves the address alone: that names the room.
    at("skip").addEventListener("click", (event) => {
      event.preventDefault();
      at("message").focus();
    });
  }
}
