/** The server refuses other names, too: long ones, and those that turn the words around them. */
const NAME = /^[^\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]{1,64}$/u;

/**
 * The user whom an application's token names, so that the page knows whose drafts and rooms to show before the server has
 * checked the token. Anybody can write one: what cannot be the name or the id of a user makes it none. See docs/protocol.md,
 * "Accounts of your application".
 *
 * @param {string} token a JSON Web Token (RFC 7519) @returns {import("../state/types.js").User | null} null if it is none
 */
export function userOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const { userid, sub, username } = JSON.parse(new TextDecoder().decode(bytes));
    const [id, name] = [String(userid ?? sub ?? ""), String(username ?? "").trim()];
    return NAME.test(id) && NAME.test(name) ? { id: `u_${id}`, name } : null;
  } catch {
    return null; // not a token
  }
}
