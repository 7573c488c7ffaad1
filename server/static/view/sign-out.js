import { words } from "../words.js";

/**
 * Signing out, after asking: a guest is lost with it.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */

/** @param {State} state @param {Actions} act */
export function confirmSignOut(state, act) {
  const unsent = state.outbox.entries.length;
  const guest = !state.proven;
  act.ui.dialog("confirm", {
    title: guest ? words.rooms.signOutGuestTitle(state.name) : words.rooms.signOutTitle,
    text: [guest ? words.rooms.signOutGuestText : words.rooms.signOutText, unsent ? ` ${words.rooms.signOutUnsent(unsent)}` : ""],
    button: words.rooms.signOut,
    danger: guest || unsent > 0,
    run: () => act.account.signOut(),
  });
}

/** Sign out a guest that this browser knows. @param {Actions} act @param {string} name */
export function confirmForget(act, name) {
  act.ui.dialog("confirm", {
    title: words.rooms.signOutGuestTitle(name),
    text: words.rooms.signOutGuestText,
    button: words.rooms.signOut,
    danger: true,
    run: () => act.account.forgetGuest(name),
  });
}
