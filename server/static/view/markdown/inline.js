import { ADDRESS, isAllowed, trimmed, whereTo } from "./links.js";

/**
 * The marks within a paragraph: emphasis, code, links, mentions. One pass over the text with a stack of what is open,
 * so the time grows with the length of the text, whatever it holds.
 *
 * @typedef {{kind: "em"|"strong"|"del", depth: number, children: Inline[]}} Emphasis
 * @typedef {{kind: "code", text: string}} Code
 * @typedef {{kind: "link", href: string, host: string, depth: number, children: Inline[]}} Link `host`: to be shown after
 *   the text, which does not show it; "" if the text is the address
 * @typedef {{kind: "mention"|"room", name: string, text: string}} Named
 * @typedef {string | Emphasis | Code | Link | Named} Inline
 * @typedef {{mark: string, at: number, count: number, length: number, both: boolean}} Open what may be closed later: `at` is
 *   its place in the output, `count` what is left of its `length`; `both`: it could close, too
 */

const DEEPEST = 6; // deeper marks stay as typed: nobody sees the difference, and elements do not nest without end
const NAME = "[\\p{L}\\p{N}\\p{M}_]+(?:[.-]+[\\p{L}\\p{N}\\p{M}_]+)*";
// Each character in one way only: what two ways can take costs a time that doubles with each of them.
const QUOTED = "\\[(?:\\\\[\\\\\\]]|\\\\(?![\\\\\\]])|[^\\]\\\\\\n]){1,140}\\]";
// What notifies everybody elsewhere, and nobody here.
const NOBODY = "(?!(?:everyone|here|all)(?![.-]*[\\p{L}\\p{N}\\p{M}_]))";
// In the order of precedence. An @ or # within a word or an address starts nothing.
const TOKEN = new RegExp(
  "¯\\\\_\\(ツ\\)_\\/¯" + // as everybody types it
    "|(?<escape>\\\\[\\\\`*_~\\[\\]@#>.+)-])" +
    "|(?<ticks>`+)" +
    `|(?<address>${ADDRESS})` +
    `|(?<![a-z0-9._%+-])(?<mention>@(?:${QUOTED}|${NOBODY}${NAME}))` +
    `|(?<![\\p{L}\\p{N}_/#&])(?<room>#(?:${QUOTED}|(?=[\\p{N}_.-]*\\p{L})${NAME}))` +
    "|(?<run>\\*+|_+|~+)" +
    "|(?<open>!?\\[)|(?<close>\\])",
  "giu",
);
const TARGET = /\(<?((?:https?:\/\/|mailto:|tel:|xmpp:)[^\s<>()]{1,1000}(?:\([^\s<>()]{0,200}\)[^\s<>()]{0,200}){0,4})>?\)/iy;
const WORD = /[\p{L}\p{N}]/u;

/** @param {string} text one paragraph @returns {Inline[]} */
export function inline(text) {
  return new Parser(text).parse();
}

class Parser {
  /** @type {Inline[]} */ #out = [];
  /** @type {Open[]} */ #open = [];
  /** How many of the open ones are known not to match, by mark. @type {Map<string, number>} */ #bottom = new Map();
  /** Where runs of backticks are, by length; built when the first is met. @type {Map<number, number[]> | null} */ #ticks = null;

  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  parse() {
    const token = new RegExp(TOKEN);
    let from = 0;
    for (let match = token.exec(this.text); match; match = token.exec(this.text)) {
      this.#say(this.text.slice(from, match.index));
      const taken = this.#take(match);
      from = token.lastIndex = match.index + taken;
    }
    this.#say(this.text.slice(from));
    return join(this.#out);
  }

  /** @param {RegExpExecArray} match @returns {number} how many characters are done */
  #take(match) {
    const all = match[0];
    const { escape, ticks, address, mention, room, run, open } = /** @type {Record<string, string>} */ (match.groups);
    if (all[0] === "¯") this.#say(all);
    else if (escape) this.#say(all[1]);
    else if (ticks) return this.#code(match.index, all.length);
    else if (address) return this.#address(all);
    else if (mention) this.#out.push({ kind: "mention", name: nameOf(all), text: all });
    else if (room) this.#out.push({ kind: "room", name: nameOf(all), text: all });
    else if (run) this.#run(all, match.index);
    else if (all === "[") this.#push("[", 1, 1, false);
    else if (open) this.#say(all); // an image: shown as typed
    else return this.#bracket(match.index);
    return all.length;
  }

  /** @param {string} text */
  #say(text) {
    if (text) this.#out.push(text);
  }

  /** @param {string} mark @param {number} count @param {number} length @param {boolean} both */
  #push(mark, count, length, both) {
    this.#open.push({ mark, at: this.#out.length, count, length, both });
    this.#out.push(mark.repeat(count)); // shown as typed unless it is closed
  }

  /** A span of code ends with as many backticks as it begins with. @param {number} at @param {number} length */
  #code(at, length) {
    if (!this.#ticks) {
      this.#ticks = new Map();
      for (const { index, 0: run } of this.text.matchAll(/`+/g)) {
        const places = this.#ticks.get(run.length);
        if (places) places.push(index);
        else this.#ticks.set(run.length, [index]);
      }
      for (const places of this.#ticks.values()) places.reverse(); // the next one is taken from the end
    }
    const places = this.#ticks.get(length) ?? [];
    while (places.length && places[places.length - 1] <= at) places.pop();
    const end = places.at(-1);
    if (end === undefined) {
      this.#say("`".repeat(length));
      return length;
    }
    const text = this.text.slice(at + length, end);
    // One space on each side lets code begin with a backtick.
    const padded = text.startsWith(" ") && text.endsWith(" ") && /[^ ]/.test(text);
    this.#out.push({ kind: "code", text: padded ? text.slice(1, -1) : text });
    return end + length - at;
  }

  /** @param {string} found */
  #address(found) {
    const text = trimmed(found);
    const target = whereTo(text);
    if (target) this.#out.push({ kind: "link", href: target.href, host: "", depth: 1, children: [target.shown] });
    else this.#say(text);
    return text.length || found.length;
  }

  /** `*`, `_` or `~`, once or more. @param {string} run @param {number} at */
  #run(run, at) {
    const mark = run[0];
    const before = this.text.slice(Math.max(0, at - 2), at);
    const after = this.text.slice(at + run.length, at + run.length + 2);
    const within = mark === "_" && WORD.test(before.slice(-1)) && WORD.test(after); // snake_case
    const opens = !within && /^\S/.test(after) && !(mark === "_" && /[\p{L}\p{N}]$/u.test(before));
    const closes = !within && /\S$/.test(before) && !(mark === "_" && /^[\p{L}\p{N}]/u.test(after));
    let count = run.length;
    if (count > 3 || (mark === "~" && count !== 2)) return this.#say(run);
    const both = opens && closes;
    while (closes && count) {
      const used = this.#close(mark, count, run.length, both);
      if (!used) break;
      count -= used;
    }
    if (!count) return undefined;
    if (opens) this.#push(mark, count, run.length, both);
    else this.#say(mark.repeat(count));
    return undefined;
  }

  /**
   * The index of the innermost open `mark` that a run of this length closes, -1 if there is none. By CommonMark's "rule
   * of three" `**a*b*c**` holds an emphasis within a strong one, not the other way round.
   * @param {string} mark @param {number} length @param {boolean} both whether the run could open, too
   */
  #find(mark, length, both) {
    const key = `${mark}${length}${both}`;
    const bottom = Math.min(this.#bottom.get(key) ?? 0, this.#open.length);
    for (let i = this.#open.length - 1; i >= bottom; i -= 1) {
      const open = this.#open[i];
      if (open.mark !== mark) continue;
      const odd = (open.length + length) % 3 === 0 && (open.length % 3 || length % 3);
      if (!odd || !(both || open.both)) return i;
    }
    this.#bottom.set(key, this.#open.length);
    return -1;
  }

  /** @param {string} mark @param {number} count @param {number} length @param {boolean} both @returns {number} how
   * many of its characters have closed something */
  #close(mark, count, length, both) {
    const index = this.#find(mark, length, both);
    if (index < 0) return 0;
    const open = this.#open[index];
    const used = mark === "~" ? 2 : Math.min(2, count, open.count);
    const children = join(this.#cut(index, open.at + 1));
    open.count -= used;
    if (open.count) {
      this.#out[open.at] = mark.repeat(open.count);
      this.#open.push(open);
    } else this.#out.pop();
    const depth = 1 + deepest(children);
    const sign = mark.repeat(used);
    if (depth > DEEPEST || !children.length) this.#out.push(sign, ...children, sign);
    else this.#out.push({ kind: mark === "~" ? "del" : used === 2 ? "strong" : "em", depth, children });
    return used;
  }

  /** `]`: the end of `[text](address)`, or just a bracket. @param {number} at */
  #bracket(at) {
    const index = this.#find("[", 1, false);
    TARGET.lastIndex = at + 1;
    const target = index < 0 ? null : TARGET.exec(this.text);
    const where = target && isAllowed(target[1]) ? whereTo(target[1]) : null;
    if (index >= 0 && !where) this.#open.splice(index, 1);
    if (!target || !where) {
      this.#say("]");
      return 1;
    }
    const children = join(this.#cut(index, this.#open[index].at + 1));
    this.#out.pop();
    const told = plainInline(children);
    const depth = 1 + deepest(children);
    // An address in the text, or a deep one: shown as typed, with the address itself as a link.
    if (depth > DEEPEST || !told.trim() || children.some(holdsLink)) {
      this.#out.push("[", ...children, "](", { kind: "link", href: where.href, host: "", depth: 1, children: [where.shown] }, ")");
    } else {
      const host = where.host && told.toLowerCase() !== where.host ? where.host : where.host ? "" : where.shown;
      this.#out.push({ kind: "link", href: where.href, host, depth, children });
    }
    return 1 + target[0].length;
  }

  /** Forget what is open from `index` on, and take the output from `at` on. @param {number} index @param {number} at */
  #cut(index, at) {
    this.#open.length = index;
    return this.#out.splice(at);
  }
}

/** @param {Inline} part @returns {boolean} */
function holdsLink(part) {
  return typeof part === "object" && (part.kind === "link" || ("children" in part && part.children.some(holdsLink)));
}

/** @param {Inline[]} parts */
function deepest(parts) {
  let depth = 0;
  for (const part of parts) if (typeof part === "object" && "depth" in part) depth = Math.max(depth, part.depth);
  return depth;
}

/** Neighbouring texts as one. @param {Inline[]} parts @returns {Inline[]} */
function join(parts) {
  /** @type {Inline[]} */ const joined = [];
  for (const part of parts) {
    const last = joined.length - 1;
    if (typeof part === "string" && typeof joined[last] === "string") joined[last] += part;
    else joined.push(part);
  }
  return joined;
}

/** @param {string} text `@name`, `@[name]`, `#name` or `#[name]` */
function nameOf(text) {
  return text[1] === "[" ? text.slice(2, -1).replace(/\\([\\\]])/g, "$1").trim() : text.slice(1);
}

/** The text without its marks. @param {Inline[]} parts @returns {string} */
export function plainInline(parts) {
  return parts.map((part) => {
    if (typeof part === "string") return part;
    if ("children" in part) return plainInline(part.children);
    return part.kind === "code" ? part.text : part.kind === "mention" ? `@${part.name}` : `#${part.name}`;
  }).join("");
}
