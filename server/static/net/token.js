/**
 * The user whom an application's token names, so that the page knows whose drafts and rooms to show before the server has
 * checked the token. See docs/protocol.md, "Accounts of your application".
 *
 * @param {string} token a JSON Web Token (RFC 7519) @returns {import("../state/types.js").User | null} null if it is none
 */
export function userOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const { userid, sub, username } = JSON.parse(new TextDecoder().decode(bytes));
    return { id: `u_${userid ?? sub}`, name: String(username) };
  } catch {
    return null; // not a token
  }
}
