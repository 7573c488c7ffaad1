import { inline, plainInline } from "./inline.js";

/**
 * The blocks of a message: paragraphs, code, quotes, lists. A line break is a line break, as people expect in a chat;
 * headings, tables, images and HTML stay as typed.
 *
 * @typedef {import("./inline.js").Inline} Inline
 * @typedef {{kind: "p", children: Inline[]}
 *   | {kind: "pre", text: string, lang: string}
 *   | {kind: "quote", blocks: Block[]}
 *   | {kind: "list", start: number|null, items: Block[][]}} Block `start`: the first number, null for bullets
 */

const DEEPEST = 5; // quotes and lists in each other; deeper ones stay as typed
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`\n]*)$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)(?:[-*+]|(\d{1,9})[.)]) +(?=\S)/;
const BLANK = /^\s*$/;

/** @param {string} text @returns {Block[]} */
export function blocks(text) {
  return parse(text.split("\n"), 0);
}

/** @param {string[]} lines @param {number} depth @returns {Block[]} */
function parse(lines, depth) {
  /** @type {Block[]} */ const found = [];
  /** @type {string[]} */ let said = [];
  const paragraph = () => {
    if (said.length) found.push({ kind: "p", children: inline(said.join("\n")) });
    said = [];
  };
  const open = new Map();
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const end = fence ? closing(lines, at, fence[1], open) : 0; // one that is never closed stays as typed
    if (fence && end > at) {
      paragraph();
      found.push({ kind: "pre", text: lines.slice(at + 1, end).join("\n"), lang: fence[2].trim() });
      at = end + 1;
    } else if (depth < DEEPEST && QUOTE.test(line)) {
      paragraph();
      const from = at;
      while (at < lines.length && QUOTE.test(lines[at])) at += 1;
      found.push({ kind: "quote", blocks: parse(lines.slice(from, at).map((each) => each.replace(QUOTE, "")), depth + 1) });
    } else if (depth < DEEPEST && ITEM.test(line)) {
      paragraph();
      at = list(lines, at, depth, found);
    } else {
      if (BLANK.test(line)) paragraph();
      else said.push(line);
      at += 1;
    }
  }
  paragraph();
  return found;
}

/**
 * The line that closes the fence at `at`: with at least as many of its character and nothing else.
 * @param {string[]} lines @param {number} at @param {string} fence
 * @param {Map<string, number>} open by character, the shortest fence that is not closed, nor any longer one after it
 * @returns {number} 0 if there is none
 */
function closing(lines, at, fence, open) {
  if (fence.length >= (open.get(fence[0]) ?? Infinity)) return 0;
  for (let i = at + 1; i < lines.length; i += 1) {
    const found = FENCE.exec(lines[i]);
    if (found && !found[2].trim() && found[1].startsWith(fence)) return i;
  }
  open.set(fence[0], fence.length);
  return 0;
}

/**
 * The list that begins at `at`. What is indented below an item belongs to it.
 * @param {string[]} lines @param {number} at @param {number} depth @param {Block[]} found
 * @returns {number} the line after it
 */
function list(lines, at, depth, found) {
  const [, { length: indent }, number] = /** @type {RegExpExecArray} */ (ITEM.exec(lines[at]));
  const numbered = number !== undefined;
  /** @type {Block[][]} */ const items = [];
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || item[1].length > indent + 1 || item[1].length < indent || (item[2] !== undefined) !== numbered) break;
    const own = [lines[at].slice(item[0].length)];
    at += 1;
    // An indented line, also after a blank one.
    while (at < lines.length) {
      const next = BLANK.test(lines[at]) ? at + 1 : at;
      if (next >= lines.length || !lines[next].startsWith(" ".repeat(indent + 2))) break;
      if (next > at) own.push("");
      const { length } = /** @type {RegExpExecArray} */ (/^ */.exec(lines[next]))[0];
      own.push(lines[next].slice(Math.min(length, Math.max(indent + 2, item[0].length))));
      at = next + 1;
    }
    items.push(parse(own, depth + 1));
    // A blank line between two items does not end the list.
    if (at + 1 < lines.length && BLANK.test(lines[at]) && ITEM.test(lines[at + 1])) at += 1;
  }
  found.push({ kind: "list", start: numbered ? Number(number) : null, items });
  return at;
}

/** The text without its marks, for where there is no place for them. @param {Block[]} parts @returns {string} */
export function plainBlocks(parts) {
  return parts.map((part) => {
    if (part.kind === "p") return plainInline(part.children);
    if (part.kind === "pre") return part.text;
    if (part.kind === "quote") return plainBlocks(part.blocks);
    return part.items.map(plainBlocks).join("\n");
  }).join("\n");
}
