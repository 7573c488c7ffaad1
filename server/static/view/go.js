import { Refused } from "../net/api.js";

/** @typedef {import("../actions/index.js").Actions} Actions */

/**
 * Go to a room whose name was typed or found. One that does not exist is not created before the user agrees.
 *
 * @param {import("../state/state.js").State} state @param {Actions} act @param {string} name
 * @param {(text: string) => void} [refused] says why it is not possible
 */
export async function goTo(state, act, name, refused = (text) => act.ui.toast(text, { error: true })) {
  if (state.rooms.has(name)) return act.rooms.show(name);
  try {
    await act.rooms.open(name);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === "no_such_room") act.ui.dialog("missing", { room: name });
    else refused(error.message);
  }
}

/** Do what the server may refuse, where there is no better place for the reason. @param {Actions} act @param {() => unknown} work */
export async function attempt(act, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    act.ui.toast(error.message, { error: true });
  }
}
