/**
 * The one-use secret of a link by mail or by a user, in the part of the address that browsers do not send. It is removed
 * from the address bar at once, so that it is neither shared nor in the history, and used only after a click: programs
 * that look at links in mails must not use it up.
 *
 * @typedef {"reset"|"email"|"admin"|"invite"} Kind
 * @typedef {{kind: Kind, token: string}} Link
 */

const FORM = /^#(reset|email|admin|invite)=([A-Za-z0-9_-]{16,128})$/;

/** @returns {Link | null} the link that this page was opened with, once */
export function takeLink() {
  const found = FORM.exec(location.hash);
  if (!found) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return { kind: /** @type {Kind} */ (found[1]), token: found[2] };
}
