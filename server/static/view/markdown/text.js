import { words } from "../../words.js";
import { copy } from "../links.js";
import { blocks, plainBlocks } from "./blocks.js";
import { plainInline } from "./inline.js";

/**
 * A message's text as nodes, made by hand: a log of many messages has fewer of them than with templates, whose markers
 * would be most of the page. Data from the wire becomes text and attributes of elements that are named here.
 *
 * @typedef {import("./inline.js").Inline} Inline
 * @typedef {import("./blocks.js").Block} Block
 * @typedef {{isMe?: (name: string) => boolean, roomAddress?: (name: string) => string,
 *   openRoom?: (name: string, event: MouseEvent) => void, openLink?: (event: MouseEvent) => void, tab?: boolean}} Options `isMe`: whether a mention is of me; with the
 *   next two, names of rooms become links; `openLink`: a link was clicked; `tab`: whether links are tab stops
 * @typedef {Options & {left: number}} Pen `left`: how many elements may still be made
 */

const SAID = 2500; // ms to read "Copied"
const EMOJI = "\\p{Extended_Pictographic}(?:\\uFE0F|\\p{Emoji_Modifier}|\\u200D\\p{Extended_Pictographic})*";
const ONLY_EMOJI = onlyEmoji();

/** One to six emoji. All that are one sign (flags, keycaps) where the browser knows the list of them. */
function onlyEmoji() {
  try {
    return new RegExp(`^(?:(?:\\p{RGI_Emoji}|${EMOJI})\\s*){1,6}$`, "v");
  } catch {
    return new RegExp(`^(?:${EMOJI}\\s*){1,6}$`, "u"); // a browser without the flag `v`, before 2024
  }
}

/** @param {string} content */
export function isOnlyEmoji(content) {
  return content.length <= 120 && ONLY_EMOJI.test(content);
}

/**
 * @param {string} content @param {Options} [options]
 * @param {number} [most] about how many elements are made: what follows is drawn without its marks, so that a text of
 *   nothing but marks does not cost a thousand times as much as others
 * @returns {string | DocumentFragment} for an element with `dir="auto"`; a single paragraph is without an element of its
 *   own. New nodes each time: in a template, within `guard`
 */
export function text(content, options = {}, most = Infinity) {
  const parts = blocks(content);
  const [first] = parts;
  if (!first) return "";
  const pen = { ...options, left: most };
  if (parts.length > 1 || first.kind !== "p") return fragment(drawBlocks(parts, pen));
  if (first.children.length === 1 && typeof first.children[0] === "string") return first.children[0];
  return fragment(drawInlines(first.children, pen));
}

/** The text of a message without its marks, for where nothing can be drawn. @param {string} content */
export const plain = (content) => plainBlocks(blocks(content));

/** @param {(Node|string)[]} nodes */
function fragment(nodes) {
  const all = document.createDocumentFragment();
  all.append(...nodes);
  return all;
}

/** @param {string} tag @param {Record<string, string>} attributes @param {(Node|string)[]} children */
function make(tag, attributes, children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Draw one after the other, as long as there are elements left.
 * @template T
 * @param {T[]} parts @param {Pen} pen @param {(part: T) => Node|string} draw @param {(rest: T[]) => Node|string} plainly
 */
function drawAll(parts, pen, draw, plainly) {
  const nodes = [];
  for (const [i, part] of parts.entries()) {
    if (pen.left <= 0) return [...nodes, plainly(parts.slice(i))];
    nodes.push(draw(part));
  }
  return nodes;
}

/** @param {Block[]} parts @param {Pen} pen */
const drawBlocks = (parts, pen) => drawAll(parts, pen, (part) => drawBlock(part, pen), plainBlocks);

/** @param {Inline[]} parts @param {Pen} pen @param {boolean} [linked] */
const drawInlines = (parts, pen, linked) => drawAll(parts, pen, (part) => drawInline(part, pen, linked), plainInline);

/** @param {Block} part @param {Pen} pen @returns {HTMLElement} */
function drawBlock(part, pen) {
  pen.left -= part.kind === "pre" ? 4 : 1;
  if (part.kind === "p") return make("p", { dir: "auto" }, drawInlines(part.children, pen));
  if (part.kind === "quote") return make("blockquote", { dir: "auto" }, drawBlocks(part.blocks, pen));
  if (part.kind === "pre") return drawCode(part.text, pen);
  const item = (/** @type {(Node|string)[]} */ inner) => make("li", { dir: "auto" }, inner);
  const items = drawAll(part.items, pen, (each) => ((pen.left -= 1), item(drawBlocks(each, pen))), (rest) => item([plainBlocks(rest.flat())]));
  if (part.start === null) return make("ul", { dir: "auto" }, items);
  return make("ol", { dir: "auto", start: String(part.start) }, items);
}

/** @param {string} code @param {Options} options */
function drawCode(code, options) {
  const button = make("button", { type: "button", class: "copy-code", tabindex: tabOf(options) }, [words.log.copyCode]);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(code)) ? words.log.copied : words.log.notCopied;
    setTimeout(() => (button.textContent = words.log.copyCode), SAID);
  });
  // Code is written from left to right, whatever is written around it.
  return make("div", { class: "code-block" }, [button, make("pre", { dir: "ltr" }, [make("code", {}, [code])])]);
}

/** @param {Inline} part @param {Pen} pen @param {boolean} [linked] whether it is within a link @returns {Node|string} */
function drawInline(part, pen, linked = false) {
  if (typeof part === "string") return part;
  pen.left -= 1;
  if (part.kind === "code") return make("code", {}, [part.text]);
  if (part.kind === "mention") return make("bdi", { class: pen.isMe?.(part.name) ? "at-name at-me" : "at-name" }, [`@${part.name}`]);
  if (!("children" in part)) return linked ? part.text : drawRoom(part.name, part.text, pen);
  const children = drawInlines(part.children, pen, linked || part.kind === "link");
  if (part.kind !== "link") return make(part.kind, {}, children);
  // With a direction of its own, so that no character before it or in it can turn the address round.
  const dir = part.host ? "auto" : "ltr";
  const link = make("a", { href: part.href, target: "_blank", rel: "noopener noreferrer nofollow", tabindex: tabOf(pen), dir }, children);
  if (pen.openLink) link.addEventListener("click", pen.openLink);
  return part.host ? fragment([link, " ", make("bdi", { class: "host", dir: "ltr" }, [`(${part.host})`])]) : link;
}

/** @param {string} name @param {string} typed @param {Options} options */
function drawRoom(name, typed, options) {
  const { roomAddress, openRoom } = options;
  if (!roomAddress || !openRoom) return typed;
  const link = make("a", { class: "room-name", href: roomAddress(name), tabindex: tabOf(options), dir: "auto" }, [`#${name}`]);
  link.addEventListener("click", (event) => openRoom(name, event));
  return link;
}

/** @param {Options} options */
const tabOf = ({ tab }) => (tab ? "0" : "-1");
