import { comparable } from "../state/people.js";
import { quick } from "./beginning.js";

/**
 * The part of a message in which searched words are, with those words marked: as the server finds them, whole words, and
 * parts of running text in scripts without spaces. See docs/protocol.md, "What a search finds".
 *
 * @typedef {{text: string, marked: boolean}} Piece
 */

const WORD = /[\p{L}\p{M}\p{N}\u200c\u200d]+/gu;
const NO_SPACES = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u;
/** Marks that may be left out: niqqud and cantillation, harakat, tatweel, soft hyphen. */
const OPTIONAL = /[\u0591-\u05c7\u064b-\u065f\u0670\u0640\u00ad]/g;
const BEFORE = 48;
const LENGTH = 180;
const STRETCHES = 48; // of other scripts

/** @param {string} text */
const fold = (text) => comparable(text).replace(OPTIONAL, "");

/** The words of a search, as they are compared. @param {string} q */
const wordsOf = (q) => [...new Set((q.match(WORD) ?? []).map(fold))];

/**
 * @param {string} content @param {string} q
 * @returns {Piece[]} one line, from shortly before the first hit
 */
export function excerpt(content, q) {
  const searched = wordsOf(q);
  const text = content.replace(/\s+/g, " ").trim();
  /** @type {[from: number, to: number][]} */ const hits = [];
  for (const match of text.matchAll(WORD)) {
    const word = fold(match[0]);
    if (searched.includes(word)) hits.push([match.index, match.index + match[0].length]);
    else if (NO_SPACES.test(word)) hits.push(...within(match[0], searched).map(([from, to]) => /** @type {[number, number]} */ ([match.index + from, match.index + to])));
  }
  const start = hits.length && hits[0][0] > BEFORE ? startOf(text, hits[0][0] - BEFORE) : 0;
  const end = start + quick(text.slice(start, Math.max(endOf(text, start + LENGTH), hits[0]?.[1] ?? 0)), STRETCHES).length;
  /** @type {Piece[]} */ const pieces = start ? [{ text: "…", marked: false }] : [];
  let at = start;
  for (const [from, to] of hits.filter((hit) => hit[1] <= end)) {
    if (from > at) pieces.push({ text: text.slice(at, from), marked: false });
    pieces.push({ text: text.slice(from, to), marked: true });
    at = to;
  }
  if (at < end) pieces.push({ text: text.slice(at, end), marked: false });
  if (end < text.length) pieces.push({ text: "…", marked: false });
  return pieces;
}

/** Where searched words are in running text, without overlaps. @param {string} run @param {string[]} searched @returns {[number, number][]} */
function within(run, searched) {
  const folded = run.toLowerCase();
  if (folded.length !== run.length) return []; // rare: the places would be wrong
  const found = searched
    .filter((word) => NO_SPACES.test(word))
    .flatMap((word) => [...folded.matchAll(new RegExp(word, "gu"))].map((match) => /** @type {[number, number]} */ ([match.index, match.index + word.length])))
    .sort((a, b) => a[0] - b[0]);
  return found.filter(([from], i) => i === 0 || from >= found[i - 1][1]);
}

/** The beginning of a word near a place. @param {string} text @param {number} near */
function startOf(text, near) {
  const space = text.indexOf(" ", near);
  return space >= 0 && space < near + BEFORE / 2 ? space + 1 : whole(text, near);
}

/** The end of a word near a place. @param {string} text @param {number} near */
function endOf(text, near) {
  if (near >= text.length) return text.length;
  const space = text.lastIndexOf(" ", near);
  return space > near - BEFORE ? space : whole(text, near);
}

/** Not within a surrogate pair, nor between a letter and its mark. @param {string} text @param {number} at */
function whole(text, at) {
  let index = at;
  while (index > 0 && /[\udc00-\udfff\p{M}\u200d]/u.test(text[index] ?? "")) index -= 1;
  return index;
}
