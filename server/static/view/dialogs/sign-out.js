import { dialogs as words } from "../../words/dialogs.js";
import { open as confirm } from "./confirm.js";

/**
 * Signing out, after asking: a guest is lost with it. `act.ui.dialog("signOut")`, or with `guest`: the name of one that the
 * browser knows.
 *
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part}
 */
export function open(context) {
  const { state, act, data } = context;
  const name = data.guest ?? (state.proven ? undefined : state.name);
  const unsent = state.unsent(data.guest && `guest:${data.guest}`);
  Object.assign(data, {
    title: name === undefined ? words.signOutTitle : words.signOutGuestTitle(name),
    text: [name === undefined ? words.signOutText : words.signOutGuestText, unsent ? ` ${words.signOutUnsent(unsent)}` : ""],
    button: words.signOut,
    danger: name !== undefined || unsent > 0,
    run: () => (data.guest ? act.account.forgetGuest(data.guest) : act.account.signOut()),
  });
  return confirm(context);
}
