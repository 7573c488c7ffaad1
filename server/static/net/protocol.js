/** What the page needs to know of the connection. See docs/protocol.md. */

export const SUBPROTOCOL = "parley.v1";

/**
 * Address of the chat: next to the page, also where a proxy serves both below a path. Without a room: rooms are joined
 * after `hello`, under the earlier identity.
 * @param {string} base the address of the page
 * @param {string} name of a guest; "" for an account, which the cookie or a token proves
 */
export function socketUrl(base, name) {
  const url = new URL(name ? `chat?u=${encodeURIComponent(name)}` : "chat", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** Close codes 4100 to 4199 mean that the same would happen again, unless the page has a new token. @param {number} code */
export function mayReconnect(code) {
  return code < 4100 || code > 4199 || code === 4104;
}

/** Whether a connection ended because its access token is too old. @param {number} code */
export function outdatesToken(code) {
  return code === 4003 || code === 4104;
}
