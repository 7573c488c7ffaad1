import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { words } from "../words.js";
import { avatar } from "./avatar.js";
import { Drawer } from "./drawer.js";
import { icon } from "./icons.js";
import { addressOf, isForBrowser } from "./links.js";
import { beside, twins } from "./names.js";
import { badge, openRoomMenu, sign, withMenus } from "./room-parts.js";
import { SWITCH, inOrder } from "./shortcuts.js";

/**
 * My rooms, invitations, and me. Rooms are ordered by name: a list that is ordered by activity moves under the hand
 * that is about to click, and what is new is told by bold type and pills.
 *
 * The rooms are one stop of the Tab key; arrow keys go from room to room, and Tab to the menu of the one in focus.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */

const LOGO = new URL("../icon.svg", import.meta.url).href;

export class Sidebar {
  /** The room that was focused last, which is the stop of the Tab key; without one, that is the room in front. */ #focused = "";

  /** What tells rooms of one title apart. @type {Map<string, string>} */ #alike = new Map();

  /** The rooms that have one. @type {Set<string>} */ #drafts = new Set();

  /** Draws the invitations, once that is loaded. @type {(() => unknown) | null} */ #invited = null;

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    this.box = /** @type {HTMLElement} */ (document.getElementById("sidebar"));
    this.drawer = new Drawer(this.box, state, act);
    this.box.addEventListener("keydown", (event) => this.#onKey(event));
  }

  draw() {
    render(this.#template(), this.box);
    this.drawer.draw();
  }

  #template() {
    const { state, act } = this;
    this.#drafts = new Set(state.drafts.rooms());
    const all = inOrder(state);
    const invited = state.invitations.map(({ room: name, info }) => ({ name, title: info.title || name }));
    this.#alike = twins([...state.rooms.values(), ...invited]);
    const requests = state.requests.size;
    const rooms = all.filter((room) => !room.direct);
    const direct = all.filter((room) => room.direct);
    const stop = all.some(({ name }) => name === this.#focused) ? this.#focused : state.front || all[0]?.name;
    return html`
      <div class="side-head">
        <img src=${LOGO} alt="" width="24" height="24"><span class="brand">${words.common.product}</span>
        <button type="button" class="icon-button menu-close" aria-label=${words.rooms.close} @click=${() => act.ui.drawer(false)}>${icon("x")}</button>
      </div>
      <button type="button" class="jump-to" @click=${() => this.#leaveFor(() => act.ui.dialog("switcher"))}>
        ${icon("search")}<span class="cut">${words.rooms.jump}</span><kbd>${SWITCH}</kbd>
      </button>
      <div class="side-scroll">
        <section aria-labelledby="rooms-heading">
          <div class="side-title">
            <h2 id="rooms-heading">${words.rooms.heading}</h2>
            <button type="button" id="add-room" class="icon-button small" aria-label=${words.rooms.add} title=${words.rooms.add}
              aria-haspopup="menu" aria-expanded="false" @click=${this.#add}>${icon("plus")}</button>
          </div>
          <ul id="rooms" class="rooms" aria-labelledby="rooms-heading">
            ${repeat(rooms, (room) => room.name, (room) => this.#room(room, room.name === stop))}
          </ul>
          ${rooms.length ? nothing : html`<p class="side-empty">${words.rooms.none}</p>`}
          <button type="button" class="side-entry" @click=${() => this.#leaveFor(() => act.ui.dialog("browse"))}>
            ${icon("compass")}${words.rooms.browse}</button>
        </section>
        ${state.mayWriteDirectly || direct.length || requests
          ? html`<section aria-labelledby="direct-heading">
              <div class="side-title">
                <h2 id="direct-heading">${words.rooms.direct}</h2>
                <button type="button" id="add-direct" class="icon-button small" aria-label=${words.rooms.write} title=${words.rooms.write}
                  @click=${() => this.#leaveFor(() => act.ui.dialog("switcher", { people: true }))}>${icon("plus")}</button>
              </div>
              <ul class="rooms" aria-labelledby="direct-heading">
                ${repeat(direct, (room) => room.name, (room) => this.#room(room, room.name === stop))}
              </ul>
              ${requests
                ? html`<button type="button" class="side-entry" @click=${() => this.#leaveFor(() => act.ui.dialog("requests"))}>
                    ${icon("message-circle")}${words.rooms.requests(requests)}</button>`
                : nothing}
            </section>`
          : nothing}
        ${state.invitations.length ? this.#invitations() : nothing}
      </div>
      ${this.#me()}`;
  }

  /** @param {Room} room @param {boolean} stop */
  #room(room, stop) {
    const { state, act } = this;
    const front = room.name === state.front;
    const muted = state.isMuted(room);
    const draft = !front && this.#drafts.has(room.name);
    const closed = room.status === "closed";
    const names = ["room", room.unread && !muted && "unread", (muted || closed) && "muted"].filter(Boolean).join(" ");
    const menu = (/** @type {Event} */ event) => {
      event.preventDefault();
      const button = /** @type {Element} */ (/** @type {Element} */ (event.currentTarget).closest("li")?.querySelector(".room-menu"));
      const at = event instanceof MouseEvent && event.type === "contextmenu" && event.clientX ? { x: event.clientX, y: event.clientY } : undefined;
      openRoomMenu(button, state, room, act, { at });
    };
    return html`<li>
      <a href=${addressOf(room.name)} class=${names} data-room=${room.name} tabindex=${stop ? 0 : -1}
        aria-current=${front ? "page" : nothing} @contextmenu=${menu}
        @focus=${() => this.#onFocus(room.name)}
        @click=${(/** @type {MouseEvent} */ event) => {
          if (isForBrowser(event)) return;
          event.preventDefault();
          this.#leaveFor(() => act.rooms.show(room.name));
        }}>${sign(room)}<span class="room-name cut"><bdi>${room.title}</bdi></span>${beside(room, this.#alike)}${muted ? html`<span class="room-state" title=${words.rooms.muted}>${icon("bell-off")}<span class="sr">${words.rooms.muted}</span></span>` : nothing}${draft
          ? html`<span class="room-state" title=${words.rooms.draft}>${icon("pencil")}<span class="sr">${words.rooms.draft}</span></span>`
          : nothing}${closed ? html`<span class="room-state">${words.rooms.closed}</span>` : nothing}${badge(state, room)}</a>
      <button type="button" class="icon-button small room-menu" tabindex=${stop ? 0 : -1} aria-label=${words.rooms.menu(room.title)}
        aria-haspopup="menu" aria-expanded="false" @click=${menu}>${icon("ellipsis")}</button>
    </li>`;
  }

  #invitations() {
    if (!this.#invited) {
      this.#invited = () => "";
      this.act.ui.eventually(() => import("./invitations.js")).then(({ Invitations }) => {
        const list = new Invitations(this.state, this.act, (next) => this.#leaveFor(next), () => this.draw());
        this.#invited = () => list.draw(this.#alike);
        this.draw();
      });
    }
    return this.#invited();
  }

  #me() {
    const { state } = this;
    const me = state.me ?? { id: "", name: state.name };
    return html`<div class="side-foot">
      <button type="button" id="me" class="me" title=${me.name} aria-haspopup="menu" aria-expanded="false" @click=${this.#openMe}>
        ${avatar(me)}<span class="me-words"><span class="me-name cut"><bdi>${me.name}</bdi></span>${state.proven ? nothing : html`<span class="me-kind">${words.rooms.guestHint}</span>`}</span>
        <span class="sr">${words.rooms.me}</span>${icon("ellipsis")}
      </button>
    </div>`;
  }

  #openMe = (/** @type {Event} */ event) => {
    const { state, act } = this;
    const page = (/** @type {string} */ name) => () => this.#leaveFor(() => act.account.open(name));
    this.#menu(event, [
      state.account && { label: words.rooms.account, icon: "user", run: page("profile") },
      !state.proven && { label: words.rooms.changeName, icon: "pencil", run: () => this.#leaveFor(() => act.ui.dialog("name")) },
      !state.proven && { label: words.rooms.signIn, icon: "log-in", run: page("signIn") },
      !state.proven && state.server.registration !== "closed" && { label: words.rooms.register, icon: "user-plus", run: page("register") },
      { label: words.rooms.preferences, icon: "settings", run: () => this.#leaveFor(() => act.ui.dialog("settings")) },
      state.mayOperate && { label: words.rooms.allReports, icon: "flag", run: () => this.#leaveFor(() => act.ui.dialog("reports")) },
      state.mayOperate && { label: words.rooms.announce, icon: "megaphone", run: () => this.#leaveFor(() => act.ui.dialog("announce")) },
      { label: words.rooms.shortcuts, icon: "keyboard", run: () => this.#leaveFor(() => act.ui.dialog("help")) },
      { line: true },
      { label: words.rooms.signOut, icon: "log-out", run: () => this.#leaveFor(() => act.ui.dialog("signOut")) },
    ]);
  };

  #add = (/** @type {Event} */ event) => {
    const dialog = (/** @type {string} */ name, /** @type {object} */ data = {}) => () => this.#leaveFor(() => this.act.ui.dialog(name, data));
    this.#menu(event, [
      { label: words.rooms.browse, icon: "compass", run: dialog("browse") },
      { label: words.rooms.create, icon: "plus", run: dialog("create") },
      this.state.mayWriteDirectly && { label: words.rooms.write, icon: "user", run: dialog("switcher", { people: true }) },
    ]);
  };

  /** @param {Event} event @param {import("./menu.js").Item[]} items */
  #menu({ currentTarget }, items) {
    withMenus(this.act, ({ openMenu }) => openMenu(/** @type {Element} */ (currentTarget), items));
  }

  /** Close the drawer first: what comes takes the focus. @param {() => void} next */
  #leaveFor(next) {
    this.act.ui.drawer(false);
    next();
  }

  /** Drawn at once: the key that follows may be Tab, which goes to the menu of this room. @param {string} name */
  #onFocus(name) {
    if (this.#focused === name) return;
    this.#focused = name;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = /** @type {Element} */ (event.target).closest("li")?.querySelector("[data-room]");
    if (!at || (step === undefined && event.key !== "Home" && event.key !== "End")) return;
    const all = /** @type {HTMLElement[]} */ ([...this.box.querySelectorAll("[data-room]")]);
    const next = step === undefined ? (event.key === "Home" ? 0 : all.length - 1) : all.indexOf(/** @type {HTMLElement} */ (at)) + step;
    all[next]?.focus();
    event.preventDefault();
  }
}
