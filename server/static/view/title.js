import { words } from "../words.js";
import { cut } from "./room-parts.js";

/**
 * What the window's title and its icon tell while another one is in front.
 *
 * @typedef {import("../state/state.js").State} State
 */

/** @param {State} state @param {string} view @returns {string} "(3) plans · Parley", "(@1) …" if somebody wants me */
export function titleOf(state, view) {
  const { unread, mentions } = state.totals();
  const title = state.room && view === "chat" ? words.common.windowTitle(state.room.title) : words.common.product;
  const n = mentions ? `@${cut(mentions)}` : unread ? cut(unread) : "";
  return n ? words.common.countedTitle(`(${n})`, title) : title;
}

let drawn = "";

/** @param {State} state @param {string} view */
export function drawTitle(state, view) {
  const title = titleOf(state, view);
  if (document.title !== title) document.title = title;
  const { unread, mentions } = state.totals();
  const name = mentions ? "icon-mention.svg" : unread ? "icon-unread.svg" : "icon.svg";
  if (name === drawn) return;
  drawn = name;
  /** @type {HTMLLinkElement | null} */ (document.getElementById("favicon"))?.setAttribute("href", new URL(`../${name}`, import.meta.url).href);
}
