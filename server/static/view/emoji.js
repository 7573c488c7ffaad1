/**
 * The emoji that exist, read when they are first needed.
 *
 * @typedef {{emoji: string, label: string, codes: string[], words: string, tones: boolean}} Emoji
 * @typedef {{name: string, emoji: Emoji[]}} Group
 */

/** Offered until a person has used others. */
export const USUAL = ["👍", "❤️", "😂", "🎉", "👀", "🙏", "😮", "😢"];

/** How many used emoji are remembered. */
export const RECENT = 24;

const TONES = ["", "🏻", "🏼", "🏽", "🏾", "🏿"];

/** @type {Promise<Group[]> | null} */ let loading = null;
/** @type {Group[]} */ let groups = [];

/** @returns {Promise<Group[]>} rejects if the table cannot be read now; the next call tries again */
export function loadEmoji() {
  loading ??= read().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function read() {
  const answer = await fetch(new URL("../vendor/emoji/emoji.json", import.meta.url));
  if (!answer.ok) throw new TypeError(`emoji.json: ${answer.status}`); // as for a server that does not answer
  /** @type {[string, [string, string, string, string, 1?][]][]} */
  const table = await answer.json();
  groups = table.map(([name, rows]) => {
    const emoji = rows.map(([sign, label, codes, words, tones]) => {
      // As the server writes it, so that a reaction is the same from all devices.
      const emoji = sign.replace(/(?<=\p{Emoji_Presentation})\ufe0f/gu, "");
      return { emoji, label, codes: codes.split(" "), words: `${label} ${words}`, tones: tones === 1 };
    });
    return { name, emoji };
  });
  return groups;
}

/** What is loaded so far: [] before `loadEmoji`. */
export function emojiGroups() {
  return groups;
}

/**
 * The emoji that fit what was typed, the best first: the code itself, codes that begin so, words that begin so.
 * @param {string} typed
 * @param {number} limit
 * @param {string[]} [recent] these come first among those that fit equally well
 * @returns {Emoji[]}
 */
export function findEmoji(typed, limit, recent = []) {
  const words = typed.toLowerCase().split(/[\s_]+/).filter(Boolean);
  if (!words.length) return [];
  const code = words.join("_");
  const found = groups.flatMap((group) => group.emoji)
    .map((emoji) => ({ emoji, rank: rank(emoji, code, words) }))
    .filter(({ rank }) => rank < NOT);
  const weight = (/** @type {typeof found[number]} */ { emoji, rank }) => rank - (recent.includes(emoji.emoji) ? 0.5 : 0);
  found.sort((a, b) => weight(a) - weight(b)); // stable: equals keep the order of the table
  return found.slice(0, limit).map(({ emoji }) => emoji);
}

/** The emoji of this short code. @param {string} code @returns {Emoji | undefined} */
export function emojiOf(code) {
  const wanted = code.toLowerCase();
  return groups.flatMap((group) => group.emoji).find((emoji) => emoji.codes.includes(wanted));
}

/** @param {Emoji} emoji @param {number} tone from 0, none, to 5 */
export function toned({ emoji, tones }, tone) {
  if (!tones || !tone) return emoji;
  return emoji.replace(/(\p{Emoji_Modifier_Base})\ufe0f?/gu, `$1${TONES[tone]}`);
}

/** A used emoji before the others. @param {string[]} recent @param {string} emoji */
export function used(recent, emoji) {
  return [emoji, ...recent.filter((each) => each !== emoji)].slice(0, RECENT);
}

const NOT = 5;

/** @param {Emoji} emoji @param {string} code @param {string[]} words @returns {number} the less the better */
function rank(emoji, code, words) {
  if (emoji.codes.includes(code)) return 0;
  const begins = emoji.codes.filter((each) => each.startsWith(code)).map((each) => each.length);
  if (begins.length) return 1 + Math.min(...begins) / 100; // `:smi` is `:smile:` rather than `:smiling_face_with_tear:`
  const known = ` ${emoji.codes.join(" ").replaceAll("_", " ")} ${emoji.words}`;
  if (words.every((word) => known.includes(` ${word}`))) return 2;
  return emoji.codes.some((each) => each.includes(code)) ? 4 : NOT;
}
