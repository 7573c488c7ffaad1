import { el } from "./dom.js";

// Only http and https: nothing else may become a link. Full-width brackets and punctuation end an address, as do
// characters that turn the direction of writing; ASCII ones may be part of it, but at its end belong to the sentence.
const LINK = /https?:\/\/[^\s<>"'`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u3001\u3002\u3008-\u3011\u3014-\u301b\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\uff3b\uff3d\uff5b\uff5d\uff61-\uff64]+/gi;
const TAIL = /[.,:;!?…)\]}*_~]+$/;
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic})*\s*){1,3}$/u;

/** @param {string} text @returns {(Node | string)[]} the text, with its web addresses as links */
export function withLinks(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const href = trimmed(match[0]);
    const shown = whereTo(href);
    if (!shown) continue;
    parts.push(text.slice(from, match.index));
    parts.push(el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, shown));
    from = match.index + href.length;
  }
  return [...parts, text.slice(from)];
}

/**
 * The text of a link: as written if that shows the host plainly, else as the browser parses it (look-alike letters in
 * Punycode, nothing before an @ that looks like a host).
 * @param {string} text @returns {string} "" if it is not an address
 */
function whereTo(text) {
  try {
    const url = new URL(text);
    const written = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1].toLowerCase();
    const plain = written === url.host || written === `${url.host}:${url.protocol === "https:" ? 443 : 80}`;
    return url.host && (plain ? text : url.href);
  } catch {
    return "";
  }
}

/** @param {string} address */
function trimmed(address) {
  const tail = TAIL.exec(address)?.[0] ?? "";
  let end = address.length - tail.length;
  // A closing bracket with its opening one inside is part of the address, as in Wikipedia's.
  const pairs = /** @type {const} */ ([["(", ")"], ["[", "]"]]);
  for (const [open, close] of pairs) {
    if (address[end] === close && address.slice(0, end).includes(open)) end += 1;
  }
  return address.slice(0, end);
}

/** @param {string} text */
export function isOnlyEmoji(text) {
  return text.length <= 40 && ONLY_EMOJI.test(text);
}
