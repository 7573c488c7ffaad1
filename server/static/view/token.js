/**
 * What is being typed before the caret, if it can be completed: `@ann`, `#plans`, `:smile`, `/kick`.
 *
 * @typedef {{kind: "user"|"room"|"emoji"|"command", typed: string, start: number}} Token
 *   `typed`: without the sign; `start`: where the sign is. It ends at the caret.
 */

// Where the server sees a mention: an @ not as in a mail address. Rooms and emoji begin where a word may.
const RULES = /** @type {const} */ ([
  ["command", /^\/(\p{L}*)$/u],
  ["user", /(?<![A-Za-z0-9._%+-])@\[((?:[^\]\\\n]|\\.){0,64})$/u],
  ["user", /(?<![A-Za-z0-9._%+-])@([\p{L}\p{M}\p{N}_.-]{0,64})$/u],
  ["room", /(?<![^\s([{"'])#\[((?:[^\]\\\n]|\\.){0,64})$/u],
  ["room", /(?<![^\s([{"'])#([^\s#[\]:,;!?()]{0,64})$/u],
  ["emoji", /(?<![\p{L}\p{N}:/])[:：]([a-z0-9_+-]{2,40})$/iu],
]);

/** No name, room or emoji is longer, with its brackets and backslashes. */
const LONGEST = 140;

/**
 * @param {string} text
 * @param {number} caret
 * @returns {Token | null}
 */
export function tokenAt(text, caret) {
  const from = Math.max(0, caret - LONGEST);
  const before = text.slice(from, caret);
  for (const [kind, rule] of RULES) {
    const found = (kind === "command" ? text.slice(0, caret) : before).match(rule);
    if (!found || (kind !== "command" && inCode(text.slice(0, caret)))) continue;
    return { kind, typed: unescaped(found[1]), start: caret - found[0].length };
  }
  return null;
}

/** A whole short code that ends at the caret, as `:tada:`. @param {string} text @param {number} caret
 * @returns {Token | null} */
export function shortCodeAt(text, caret) {
  const found = text.slice(Math.max(0, caret - LONGEST), caret).match(/(?<![\p{L}\p{N}:/])[:：]([a-z0-9_+-]{2,40})[:：]$/iu);
  if (!found || inCode(text.slice(0, caret))) return null;
  return { kind: "emoji", typed: found[1], start: caret - found[0].length };
}

/** How a message mentions a user, or names a room. @param {"@"|"#"} sign @param {string} name */
export function mention(sign, name) {
  const simple = sign === "@" ? /^[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_]|[.-](?=[\p{L}\p{N}_]))*$/u : /^[\p{L}\p{M}\p{N}_.-]+$/u;
  return simple.test(name) ? sign + name : `${sign}[${name.replace(/[\]\\]/g, "\\$&")}]`;
}

/** The name that was meant by `@ann`, `@[Ann B]` or `ann`. @param {string} text */
export function named(text) {
  const found = text.match(/^[@#]?\[((?:[^\]\\]|\\.)*)\]$/u);
  return found ? unescaped(found[1]) : text.replace(/^[@#]/, "");
}

/** @param {string} text */
function unescaped(text) {
  return text.replace(/\\(.)/gu, "$1");
}

/** Whether text ends inside a block or a piece of code, where signs mean themselves. @param {string} text */
function inCode(text) {
  if ((text.match(/^\s*```/gm)?.length ?? 0) % 2) return true;
  const line = text.slice(text.lastIndexOf("\n") + 1).replace(/```/g, "");
  return (line.match(/`/g)?.length ?? 0) % 2 === 1;
}
