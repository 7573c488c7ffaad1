/**
 * The beginning of a text of somebody else, as far as it is quick to draw. What is slow is a change of script: where the
 * page's own font has no letters, the browser looks for another font at each change, some 0.15 ms, so that a thousand of
 * them in each message of a room would stop the page for seconds. Letters of one script, spaces, signs and digits among
 * them cost nothing: a text in Chinese or Hindi, also with some English in it, is whole.
 */

/** Scripts in use today; Japanese and Chinese are one, since one font has them. */
const SCRIPTS = ("Hani Hira Kana Bopo,Hang,Arab,Hebr,Deva,Beng,Thai,Taml,Telu,Knda,Mlym,Gujr,Guru,Orya,Sinh,Mymr,Khmr,Laoo,Tibt,Ethi,Geor,Armn," +
  "Thaa,Nkoo,Tfng,Adlm").split(",");
const of = (/** @type {string} */ names) => names.split(" ").map((name) => `\\p{scx=${name}}`).join("");
const EMOJI = "\\p{Emoji_Presentation}|\\p{Emoji}\\ufe0f|[\\u{e0020}-\\u{e007f}]"; // which come with a font of their own
const WITHIN = `(?!${EMOJI}|[\\u{10000}-\\u{10ffff}])[\\p{sc=Zyyy}\\p{sc=Zinh}]`;
/** A stretch of one script, or one letter of another one. */
const STRETCH = new RegExp(`${SCRIPTS.map((names) => `[${of(names)}](?:[${of(names)}]|${WITHIN})*`).join("|")}|` +
  `(?!${EMOJI}|${WITHIN}|[\\p{sc=Latn}\\p{sc=Grek}\\p{sc=Cyrl}\\p{sc=Zinh}]).`, "gsu");

const WESTERN = /^[\0-\u036f\u2000-\u22ff]*$/; // has none

/** Longer messages are folded at first: more than 20 lines, or more characters than fit into 20 lines on any screen. */
const LINES = 20;
const CHARS = 2500;
export const STRETCHES = 120;
/** Of texts that were looked at. @type {Map<string, string>} */ const known = new Map();
const MOST = 1000;

/** @param {string} text @param {number} most stretches of other scripts than the page's own @returns {string} the text, if it has no more */
export function quick(text, most) {
  if (text.length <= most || WESTERN.test(text)) return text;
  let count = 0;
  for (const { index } of text.matchAll(STRETCH)) {
    count += 1;
    if (count > most) return text.slice(0, index);
  }
  return text;
}

/** What is drawn of a message before it is unfolded. @param {string} content @returns {string} all of it, unless it is long or slow */
export function beginning(content) {
  let found = known.get(content);
  if (found !== undefined) return found;
  const lines = content.split("\n", 2 * LINES); // twice as many, because empty ones are lower
  const long = content.length > CHARS || lines.length > LINES + 1;
  found = quick(long ? lines.join("\n").slice(0, CHARS).replace(/[\ud800-\udbff]$/, "") : content, STRETCHES);
  if (known.size > MOST) known.clear();
  known.set(content, found);
  return found;
}

/** The beginning of a text for a few lines, with a sign if it goes on. @param {string} text @param {number} [most] stretches */
export function start(text, most = 24) {
  const cut = quick(text.slice(0, 600), most);
  return cut === text ? text : `${cut}…`;
}
