/**
 * Which parts of a text are addresses, where one ends, and how it is shown.
 */

/** They turn the direction of writing: the browser writes them as %E2%80%AE. */
const TURNING = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
const TURNED = new RegExp(`[${TURNING}]`);
// Full-width brackets and punctuation end an address, as do characters that turn the direction of writing. ASCII
// punctuation may be part of it, but at its end belongs to the sentence. "](" ends the text of a link.
const REST = "(?:(?!\\]\\()[^\\s<>\"'`" + TURNING + "\\u3001\\u3002\\u3008-\\u3011\\u3014-\\u301b" +
  "\\uff01\\uff08\\uff09\\uff0c\\uff1a\\uff1b\\uff1f\\uff3b\\uff3d\\uff5b\\uff5d\\uff61-\\uff64])";
const MAIL = "[a-z0-9._%+-]{1,64}@(?:[a-z0-9-]{1,63}\\.){1,8}[a-z]{2,24}(?![a-z0-9-])";

/** The source of a regular expression (flags `giu`) that finds addresses; {@link trimmed} says where they end. */
export const ADDRESS = "(?<![a-z0-9])https?:\\/\\/" + REST + "{1,2000}" +
  "|(?<![a-z0-9@./_-])www\\.[a-z0-9]" + REST + "{1,2000}" +
  "|(?<![a-z0-9])tel:\\+?[0-9][0-9().-]{2,30}" +
  "|(?<![a-z0-9])(?:mailto|xmpp):[a-z0-9._%+-]{1,64}@" + REST + "{1,500}" +
  "|(?<![a-z0-9._%+-])" + MAIL;

const TAIL = /[.,:;!?…)\]}*_~]+$/;
const ALLOWED = /^(?:https?:\/\/|mailto:|tel:|xmpp:)/i;

/** @param {string} address as found in a text @returns {string} without what belongs to the sentence around it */
export function trimmed(address) {
  const tail = TAIL.exec(address)?.[0] ?? "";
  let end = address.length - tail.length;
  // A closing bracket with its opening one inside is part of the address, as in Wikipedia's.
  const pairs = /** @type {const} */ ([["(", ")"], ["[", "]"]]);
  for (const [open, close] of pairs) {
    if (address[end] === close && address.slice(0, end).includes(open)) end += 1;
  }
  return address.slice(0, end);
}

/**
 * Where an address leads, and the text that shows it: as written if that shows the host plainly, else as the browser
 * parses it (look-alike letters in Punycode, nothing before an @ that looks like a host).
 * @param {string} text @returns {{href: string, shown: string, host: string} | null} null if it is no address;
 *   `host`: "" for one that is not of the web
 */
export function whereTo(text) {
  const href = ALLOWED.test(text) ? text : /^www\./i.test(text) ? `https://${text}` : `mailto:${text}`;
  if (!URL.canParse(href)) return null; // "http://["; an exception instead would cost 50 times as much
  const url = new URL(href);
  const turned = TURNED.test(text);
  if (!url.protocol.startsWith("http")) return { href, shown: turned ? url.href : text, host: "" };
  const written = /^https?:\/\/([^/?#]*)/i.exec(href)?.[1].toLowerCase();
  const plain = written === url.host || written === `${url.host}:${url.protocol === "https:" ? 443 : 80}`;
  if (!url.host) return null;
  url.username = url.password = ""; // what is before an @ looks like the host
  return { href, shown: plain && !turned ? text : url.href, host: url.host };
}

/** @param {string} address of `[text](address)` @returns {boolean} whether it may be a link */
export const isAllowed = (address) => ALLOWED.test(address);
