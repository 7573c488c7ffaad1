import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { words } from "../words.js";
import { giveKeys, takeKeys } from "./ahead.js";
import { canFocus, focusFirst, focusHome } from "./focus.js";
import { openPart } from "./host.js";
import { icon } from "./icons.js";

/**
 * The frame of what stands to the right of the log: people, a search, pinned messages. Where the page is narrow, it
 * covers the room, and the room is inert.
 *
 * @typedef {import("./host.js").Part} Part
 * @typedef {import("./host.js").Load} Load
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */

/** @type {Record<string, Load>} */
const PANELS = {
  deleted: () => import("./deleted.js"),
  people: () => import("./people.js"),
  pins: () => import("./pins.js"),
  profile: () => import("./profile.js"),
  search: () => import("./search.js"),
};
const WIDE = matchMedia("(min-width: 64rem)");
/** Here the log keeps its width next to the list of people, which is open unless it was closed. */
const ROOMY = matchMedia("(min-width: 75rem)");

export class Panel {
  #box = /** @type {HTMLElement} */ (document.getElementById("panel"));
  /** What is shown, or being loaded: a name, and the room it is about. */ #shown = "";
  /** @type {Part | null} */ #part = null;
  /** @type {Element | null} */ #before = null;
  /** The user whose card is shown, or was last. */ #user = "";
  /** Of the list that is open at first, which nobody has asked for: it is loaded once a room is shown. */
  #first = { begun: false, loaded: true };

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    document.addEventListener("keydown", (event) => {
      const { target } = event;
      if (event.key !== "Escape" || event.defaultPrevented) return;
      if (!this.#box.contains(/** @type {Node} */ (target)) && !(target === document.body && document.body.classList.contains("panel-covers"))) return;
      event.preventDefault();
      this.#close();
    });
    document.getElementById("backdrop")?.addEventListener("click", () => document.body.classList.contains("panel-covers") && act.ui.panel(""));
    // Where the page becomes narrow, it would come in front of the room in which one is typing.
    WIDE.addEventListener("change", () => {
      if (!WIDE.matches && !this.#box.contains(document.activeElement)) act.ui.panel("");
      state.changed();
    });
    ROOMY.addEventListener("change", () => {
      if (ROOMY.matches && state.settings.get("people") && !state.ui.panel) act.ui.panel("people");
    });
    if (!ROOMY.matches || !state.settings.get("people")) return;
    state.ui.panel = "people";
    this.#first.loaded = false;
  }

  draw() {
    const { ui, front, room } = this.state;
    const name = !room || (room.direct && ui.panel === "people" && !ui.profile) ? "" : ui.profile ? "profile" : ui.panel;
    const shown = name && `${name} ${front} ${ui.profile?.user.id ?? ""}`;
    document.body.classList.toggle("panel-open", Boolean(name));
    const covers = Boolean(name) && !WIDE.matches;
    document.body.classList.toggle("panel-covers", covers);
    for (const id of ["main", "sidebar", "skip"]) {
      const each = /** @type {HTMLElement} */ (document.getElementById(id));
      each.inert ||= covers; // the drawer, which is drawn first, has set it
    }
    if (shown === this.#shown) return this.#render();
    if (name === "people" && !this.#first.loaded) {
      this.#box.hidden = false;
      if (room?.loaded && !this.#first.begun) setTimeout(() => this.#loadFirst()); // once the browser has painted it
      return;
    }
    const opening = !this.#shown || this.#shown.split(" ")[0] !== name;
    const had = this.#box.contains(document.activeElement);
    if (name && opening && !had) this.#before = document.activeElement;
    this.#part?.closed?.();
    this.#part = null;
    this.#shown = shown;
    this.#box.hidden = !name;
    this.#user = ui.profile?.user.id ?? this.#user;
    if (name) return this.#open(name, opening, had);
    render(nothing, this.#box);
    if ((had || document.activeElement === document.body) && !focusFirst(this.#before)) focusHome();
  }

  async #loadFirst() {
    if (this.#first.begun) return;
    this.#first.begun = true;
    await this.act.ui.eventually(PANELS.people);
    this.#first.loaded = true;
    this.state.changed();
  }

  /**
   * @param {string} name @param {boolean} opening whether the user has asked for it, and not just changed the room
   * @param {boolean} had whether the focus was in what the panel showed before
   */
  async #open(name, opening, had) {
    const { state, act } = this;
    const shown = this.#shown;
    const redraw = () => this.#shown === shown && this.#render();
    const data = { room: state.front, ...state.ui.profile };
    const close = () => act.ui.panel("");
    const types = name === "search" && opening && state.ui.attentive;
    if (types) takeKeys(close);
    const part = await openPart(PANELS[name], { state, act, data, redraw, close, uncover: () => WIDE.matches || close() });
    if (!part || this.#shown !== shown) return types && giveKeys();
    this.#part = part;
    this.#render();
    if (types) return giveKeys(part.focus);
    if (!opening || !state.ui.attentive) return;
    // Back from a card, to the row that has led to it. Next to the log, a list may open without taking the focus.
    const at = (/** @type {string} */ selector) => this.#box.querySelector(selector);
    const came = had && this.#user ? at(`[data-user="${CSS.escape(this.#user)}"]`) : null;
    if (canFocus(came)) came.focus();
    else if (had || !WIDE.matches || name === "profile") focusFirst(at(".panel-back"), at(".panel-close"));
  }

  #close = () => {
    const { ui } = this.state;
    if (ui.panel === "people" && !ui.profile && ROOMY.matches) this.act.settings.set("people", false);
    this.act.ui.panel("");
  };

  #render() {
    const part = this.#part;
    if (!part) return;
    render(
      html`<div class="panel-head">
          ${part.back
            ? html`<button type="button" class="icon-button panel-back" aria-label=${words.common.back} title=${words.common.back} @click=${part.back}>${icon("arrow-left")}</button>`
            : nothing}
          <h2 id="panel-title" class="cut">${part.title()}</h2>
          <button type="button" class="icon-button panel-close" aria-label=${words.common.close} title=${words.common.close}
            @click=${this.#close}>${icon("x")}</button>
        </div>
        <div class="panel-body ${part.kind ?? ""}">${part.draw()}</div>`,
      this.#box,
    );
  }
}
