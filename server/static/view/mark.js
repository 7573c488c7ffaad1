import { kindOf } from "../state/people.js";
import { el } from "./dom.js";

/**
 * The marks of users whose name proves nothing. Accounts have none.
 */

const MEANINGS = {
  guest: "A guest: anyone may use a name that looks like this one",
  claimed: "Claimed: the server has not checked who this is",
  bot: "A bot",
};

/** @param {string} id of a user @returns {HTMLElement | string} "" for an account */
export function mark(id) {
  const kind = kindOf(id);
  if (!kind) return "";
  return el("span", { class: "mark", title: MEANINGS[/** @type {keyof typeof MEANINGS} */ (kind)] }, kind);
}
