/**
 * The one-use secret of a link by mail or by a user, in the part of the address that browsers do not send. It is removed
 * from the address bar at once, so that it is neither shared nor in the history, and used only after a click: programs
 * that look at links in mails must not use it up. Of a link that was cut, `token` is "".
 *
 * @typedef {"reset"|"email"|"admin"|"invite"} Kind
 * @typedef {{kind: Kind, token: string}} Link
 */

const FORM = /^#(reset|email|admin|invite)=(.*)$/s;
const TOKEN = /^[A-Za-z0-9_-]{43}$/; // 32 bytes in base64url

/** @returns {Link | null} the link in the address bar, once */
export function takeLink() {
  const found = FORM.exec(location.hash);
  if (!found) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return { kind: /** @type {Kind} */ (found[1]), token: TOKEN.test(found[2]) ? found[2] : "" };
}
