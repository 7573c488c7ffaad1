import { render } from "../vendor/lit-html/lit-html.js";
import { DialogHost } from "./dialogs/host.js";
import { settle } from "./focus.js";
import { header } from "./header.js";
import { Panel } from "./panel.js";
import { listenForShortcuts } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { Banner } from "./status.js";
import { drawTitle } from "./title.js";
import { announcements, toasts } from "./toasts.js";

/**
 * Everything around the log and the message box.
 *
 * @typedef {import("../state/state.js").State} State
 */
export class Shell {
  /** @param {State} state @param {any} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    this.sidebar = new Sidebar(state, act);
    this.banner = new Banner(state, act);
    this.panel = new Panel(state, act);
    this.dialogs = new DialogHost(state, act);
    listenForShortcuts(state, act);
    this.skip();
  }

  /** Draw all of it. Draw the log and the message box before: then the focus can go there. */
  draw() {
    const { state, act } = this;
    const { view } = state.ui;
    const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
    document.body.dataset.view = view;
    drawTitle(state);
    render(toasts(state, act), at(view === "chat" ? "toasts" : "alerts"));
    if (view === "chat") {
      this.banner.draw();
      render(header(state, act, this.banner.name), at("header"));
      render(announcements(state, act), at("announcements"));
      this.sidebar.draw();
      this.panel.draw();
    }
    this.dialogs.draw();
    settle();
  }

  /** The link to the message box moves the focus, and leaves the address alone: that of a room is in its query. */
  skip() {
    document.getElementById("skip")?.addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("message")?.focus();
    });
  }
}
