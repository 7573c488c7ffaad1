import { Refused } from "../net/api.js";
import { words } from "../words.js";
import { roomMenu as texts } from "../words/room-menu.js";
import { addressOf, copy } from "./links.js";
import { openMenu } from "./menu.js";
import { cut } from "./room-parts.js";

/**
 * The menu of a room.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("./menu.js").Item} Item
 */

export { openMenu };

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
    room.name === state.front && { label: texts.date, icon: "calendar", run: () => act.ui.dialog("date", { room: name }) },
    { label: texts.markRead, icon: "check", disabled: !room.unread, run: () => act.rooms.markRead(name) },
    !room.direct && { label: texts.copyLink, icon: "link", run: () => share(name, act) },
    { line: true },
    { title: texts.notifyOf },
    level("all", texts.levelAll),
    !room.direct && level("mentions", texts.levelMentions),
    level("none", texts.levelNone),
    { line: true },
    ...(room.mayModerate && room.status === "joined" ? moderation(state, room, act) : []),
    { label: words.rooms.leave, icon: "door-open", hint: lasting ? texts.leaveHint : "", run: () => act.rooms.leave(name) },
    lasting && { label: texts.quit, icon: "x", danger: true, run: () => confirmQuit(room, act) },
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
    title: texts.quitTitle(title),
    text: texts.quitText,
    button: texts.quit,
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
    { title: texts.moderation },
    lasting && { label: texts.settings, icon: "settings", run: dialog("room") },
    { label: texts.manage, icon: "user-plus", run: dialog("members") },
    { label: reports ? texts.reportsOpen(cut(reports)) : texts.reports, icon: "flag", run: dialog("reports") },
    name === state.front && { label: texts.deleted, icon: "trash-2", run: () => act.ui.panel("deleted") },
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
