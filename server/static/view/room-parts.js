import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { Refused } from "../net/api.js";
import { words } from "../words.js";
import { avatar } from "./avatar.js";
import { icon } from "./icons.js";
import { addressOf, copy } from "./links.js";
import { openMenu } from "./menu.js";

/**
 * What the sidebar, the header and the quick switcher show of a room, and its menu.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("./menu.js").Item} Item
 */

const CUT = 99; // the server counts exactly up to 99

/** @param {number} n */
export const cut = (n) => (n > CUT ? words.rooms.over : String(n));

/** The sign before a room's title. @param {Room} room */
export function sign(room) {
  if (room.peer) return avatar(room.peer);
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

/** @param {State} state @param {Room} room @param {Actions} act @returns {Item[]} */
function roomMenu(state, room, act) {
  const { name } = room;
  const level = (/** @type {import("../state/types.js").Level} */ value, /** @type {string} */ label) => ({
    label,
    checked: state.levelOf(room) === value,
    run: () => act.rooms.setLevel(name, value),
  });
  const lasting = room.info.kind === "public" || room.info.kind === "private";
  return [
    room.name === state.front && { label: words.header.pins, icon: "pin", run: () => act.ui.panel("pins") },
    room.name === state.front && { label: words.header.date, icon: "calendar", run: () => act.ui.dialog("date", { room: name }) },
    { label: words.rooms.markRead, icon: "check", disabled: !room.unread, run: () => act.rooms.markRead(name) },
    !room.direct && { label: words.rooms.copyLink, icon: "link", run: () => share(name, act) },
    { line: true },
    { title: words.rooms.notifyOf },
    level("all", words.rooms.levelAll),
    !room.direct && level("mentions", words.rooms.levelMentions),
    level("none", words.rooms.levelNone),
    { line: true },
    ...(room.mayModerate && room.status === "joined" ? moderation(state, room, act) : []),
    { label: words.rooms.leave, icon: "door-open", hint: lasting ? words.rooms.leaveHint : "", run: () => act.rooms.leave(name) },
    lasting && { label: words.rooms.quit, icon: "x", danger: true, run: () => confirmQuit(room, act) },
  ];
}

/** @param {string} room @param {Actions} act */
async function share(room, act) {
  const done = await copy(addressOf(room));
  act.ui.toast(done ? words.common.copied : words.common.notCopied, { error: !done });
}

/** @param {Room} room @param {Actions} act */
function confirmQuit({ name, title }, act) {
  act.ui.dialog("confirm", {
    title: words.rooms.quitTitle(title),
    text: words.rooms.quitText,
    button: words.rooms.quit,
    danger: true,
    run: () => act.rooms.quit(name),
  });
}

/** What moderators do. @param {State} state @param {Room} room @param {Actions} act @returns {Item[]} */
function moderation(state, room, act) {
  const { name, reports, info } = room;
  const dialog = (/** @type {string} */ which) => () => act.ui.dialog(which, { room: name });
  const lasting = info.kind !== "ephemeral";
  return [
    { title: words.rooms.moderation },
    lasting && { label: words.rooms.settings, icon: "settings", run: dialog("room") },
    { label: words.rooms.manage, icon: "user-plus", run: dialog("members") },
    { label: reports ? words.rooms.reportsOpen(cut(reports)) : words.rooms.reports, icon: "flag", run: dialog("reports") },
    name === state.front && { label: words.rooms.deleted, icon: "trash-2", run: () => act.ui.panel("deleted") },
    { line: true },
  ];
}

/**
 * Open the menu of a room. A moderator's asks whether there are reports, and then says so.
 * @param {Element} anchor @param {State} state @param {Room} room @param {Actions} act @param {Parameters<typeof openMenu>[2]} [options]
 */
export async function openRoomMenu(anchor, state, room, act, options) {
  const update = openMenu(anchor, roomMenu(state, room, act), options);
  if (!room.mayModerate || room.status !== "joined" || anchor.getAttribute("aria-expanded") !== "true") return;
  try {
    await act.moderation.reports(room.name);
  } catch (error) {
    if (!(error instanceof Refused)) throw error; // the list of reports says why it cannot be read
  }
  update(roomMenu(state, room, act));
}
