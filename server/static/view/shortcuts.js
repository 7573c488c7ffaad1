import { order } from "../state/people.js";

/**
 * Keys that work everywhere on the page. What is not here belongs to the part that has the focus.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */

export const IS_MAC = /Mac|iP(hone|ad)/.test(navigator.platform);
/** As it is shown in the sidebar. */
export const SWITCH = IS_MAC ? "⌘K" : "Ctrl K";

/** @param {State} state @param {Actions} act */
export function listenForShortcuts(state, act) {
  document.addEventListener("keydown", (event) => {
    if (state.ui.view !== "chat" || event.isComposing || event.defaultPrevented) return;
    if (run(event, state, act)) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event @param {State} state @param {Actions} act @returns {boolean} whether the key means something */
function run(event, state, act) {
  const { key, altKey, shiftKey } = event;
  const mod = IS_MAC ? event.metaKey : event.ctrlKey;
  if (mod && !altKey && !shiftKey && key.toLowerCase() === "k") {
    if (state.ui.dialog?.name === "switcher") act.ui.closeDialog();
    else act.ui.dialog("switcher");
    return true;
  }
  if (state.ui.dialog) return false;
  if (altKey && !mod && (key === "ArrowUp" || key === "ArrowDown")) {
    go(state, act, key === "ArrowUp" ? -1 : 1, shiftKey);
    return true;
  }
  if (key === "?" && !mod && !altKey && !isField(event.target)) {
    act.ui.dialog("help");
    return true;
  }
  return false;
}

/** To the room before or after the one in front, as in the sidebar. @param {State} state @param {Actions} act @param {1 | -1} step @param {boolean} unread */
function go(state, act, step, unread) {
  const all = inOrder(state);
  const at = all.findIndex((room) => room.name === state.front);
  for (let i = 1; i < all.length; i += 1) {
    const room = /** @type {typeof all[number]} */ (all.at((at + step * i) % all.length));
    if (unread && !state.wantedOf(room) && (!room.unread || state.isMuted(room))) continue;
    act.rooms.show(room.name);
    return;
  }
}

/** As the sidebar has them: rooms, then direct messages, each by name. @param {State} state @param {Set<unknown>} [without] */
export function inOrder(state, without = state.requests) {
  const listed = [...state.rooms.values()].filter((room) => !without.has(room) && state.lists(room));
  return listed.sort((a, b) => Number(a.direct) - Number(b.direct) || order.compare(a.title, b.title));
}

/** @param {EventTarget | null} target */
function isField(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}
