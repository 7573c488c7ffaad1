import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { words } from "../words.js";
import { avatar } from "./avatar.js";
import { icon } from "./icons.js";

/**
 * What the sidebar, the header and the quick switcher show of a room. Its menu is loaded on demand.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */

const CUT = 99; // the server counts exactly up to 99

/** @param {number} n */
export const cut = (n) => (n > CUT ? words.rooms.over : String(n));

/** The sign before a room's title. @param {Room} room */
export function sign(room) {
  if (room.peer || room.deserted) return avatar(room.peer ?? { id: "", name: room.title });
  return html`<span class="room-sign">${icon(room.info.kind === "private" ? "lock" : "hash")}</span>`;
}

/** @param {State} state @param {Room} room @returns a pill for mentions, one in another colour for other unread messages */
export function badge(state, room) {
  const n = state.wantedOf(room);
  if (n) {
    const spoken = room.direct
      ? n > CUT ? words.rooms.unreadMany : words.rooms.unread(n)
      : n > CUT ? words.rooms.mentionsMany : words.rooms.mentions(n);
    return html`<span class="badge mention"><span aria-hidden="true">${cut(n)}</span><span class="sr"> ${spoken}</span></span>`;
  }
  if (!room.unread) return nothing;
  const spoken = room.unread > CUT ? words.rooms.unreadMany : words.rooms.unread(room.unread);
  return html`<span class="badge ${state.isMuted(room) ? "quiet" : ""}"><span aria-hidden="true">${cut(room.unread)}</span><span class="sr"> ${spoken}</span></span>`;
}

/** @type {typeof import("./room-menu.js") | null} */
let menus = null;

/**
 * Open a menu. They are loaded after the first view; from then on one opens at once, so that no key is lost that follows.
 * @param {Actions} act @param {(menus: typeof import("./room-menu.js")) => unknown} open @param {{asked?: boolean}} [options]
 */
export function withMenus(act, open, options) {
  if (menus) return void open(menus);
  return void act.ui.load(() => import("./room-menu.js"), options).then((loaded) => {
    menus = loaded;
    if (loaded) open(loaded);
  });
}

/**
 * Open the menu of a room.
 * @param {Element} anchor @param {State} state @param {Room} room @param {Actions} act @param {{at?: {x: number, y: number}}} [options]
 */
export function openRoomMenu(anchor, state, room, act, options) {
  withMenus(act, (loaded) => loaded.openRoomMenu(anchor, state, room, act, options));
}
