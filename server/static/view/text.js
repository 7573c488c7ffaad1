import { el } from "./dom.js";

// Only http and https: nothing else may become a link. Brackets and punctuation at the end belong to the sentence.
const LINK = /https?:\/\/[^\s<>"'`]+/gi;
const TAIL = /[.,:;!?…)\]}*_~]+$/;
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic})*\s*){1,3}$/u;

/** @param {string} text @returns {(Node | string)[]} the text, with its web addresses as links */
export function withLinks(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const href = trimmed(match[0]);
    if (!isAddress(href)) continue;
    parts.push(text.slice(from, match.index));
    parts.push(el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, href));
    from = match.index + href.length;
  }
  return [...parts, text.slice(from)];
}

/** @param {string} text */
function isAddress(text) {
  try {
    return Boolean(new URL(text).host);
  } catch {
    return false;
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
