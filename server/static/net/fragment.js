/**
 * The one-use secret of a link by mail or by a user, or the token of an application, in the part of the address that
 * browsers do not send. It is removed from the address bar at once, so that it is neither shared nor in the history. The
 * secret of a link is used only after a click: programs that look at links in mails must not use it up. Of a link that was
 * cut, `token` is "".
 *
 * @typedef {"reset"|"email"|"admin"|"invite"|"token"} Kind
 * @typedef {{kind: Kind, token: string}} Link
 */

const FORM = /^#(reset|email|admin|invite|token)=(.*)$/s;
const SECRET = /^[A-Za-z0-9_-]{43}$/; // 32 bytes in base64url
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/; // RFC 7519, 3

/** @returns {Link | null} the link in the address bar, once */
export function takeLink() {
  const found = FORM.exec(location.hash);
  if (!found) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  const kind = /** @type {Kind} */ (found[1]);
  return { kind, token: (kind === "token" ? JWT : SECRET).test(found[2]) ? found[2] : "" };
}
