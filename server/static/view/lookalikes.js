import { looks as names } from "./names.js";

/**
 * What names look like, as `model/lookalikes.py` has it: the skeleton of Unicode TS 39 without case and width, in which i,
 * l, I and 1 are the same. Its table is read when a name needs it first.
 */

const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Script=Inherited}\p{Me}\u2800\ufffc\u{1d159}\u{16fe4}\u{13441}\u{13442}]+/gu;
// In these scripts, marks compose with their letter, or are easily overlooked.
const COMPOSING = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Common}\p{M}]*$/u;
const LONGEST = 96; // characters of a name that are compared
const ASCII = /^[\0-\x7f]*$/;
const AGAIN = 30_000; // ms until the table is asked for again
const MOST = 10_000; // names that are remembered

// What the table of TS 39 has for ASCII, and what it lacks: letters in circles and squares, and small capitals.
const OF_ASCII = new Map(Object.entries({ '"': "''", "%": "º/₀", "0": "O", "1": "l", I: "l", "`": "'", m: "rn", "|": "l" }));
const ALSO = new Map([...zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")]);
for (const start of [0x1f150, 0x1f170, 0x1f1e6]) {
  for (let i = 0; i < 26; i += 1) ALSO.set(String.fromCodePoint(start + i), String.fromCharCode(97 + i));
}

/** @param {string} from @param {string} to @returns {[string, string][]} */
function zip(from, to) {
  return [...from].map((char, i) => [char, to[i]]);
}

/** A name with the numbers of its letters that are not in ASCII: "gener(U+0430)l". @param {string} name */
const spelled = (name) => name.toLowerCase().replace(/[^ -~]/gu, (char) => `(U+${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")})`);

/** From now on, names are compared by what they look like. @param {() => void} onChange called now, and when the table is there */
export function compareLooks(onChange) {
  let asked = false;

  const use = (/** @type {(name: string) => string} */ look) => {
    names.of = look;
    onChange();
  };

  async function load() {
    asked = true;
    try {
      use(skeletons(await table()));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      setTimeout(() => (asked = false), AGAIN); // no server answers
    }
  }

  names.spelled = spelled;
  const plain = skeletons(OF_ASCII);
  use((name) => {
    if (!asked && !ASCII.test(name)) load();
    return plain(name);
  });
}

/** What each character looks like. @returns {Promise<Map<string, string>>} */
export async function table() {
  const answer = await fetch(new URL("../lookalikes.json", import.meta.url));
  if (!answer.ok) throw new TypeError(`lookalikes.json: ${answer.status}`); // as for a server that does not answer
  /** @type {{alike: Record<string, string>}} */ const { alike } = await answer.json();
  return new Map(Object.entries(alike).flatMap(([looks, chars]) => [...chars].map((char) => /** @type {const} */ ([char, looks]))));
}

/** @param {Map<string, string>} prototypes @returns {(name: string) => string} */
export function skeletons(prototypes) {
  /** @type {Map<string, string>} */ const known = new Map();

  /** @param {string} text @param {Map<string, string>} by */
  const replaced = (text, by) => [...text].map((char) => by.get(char) ?? char).join("");
  /** @param {string} text */
  const looks = (text) => replaced(replaced(text.normalize("NFD"), ALSO), prototypes).normalize("NFD");
  /** @param {string} text */
  const folded = (text) => text.replaceAll("ẞ", "ß").toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");

  /** @param {string} name */
  function skeleton(name) {
    let text = [...name.normalize("NFKC").replace(UNSEEN, "")].slice(0, LONGEST).join("");
    if (COMPOSING.test(text)) text = text.replace(/\p{M}+/gu, "");
    return looks(folded(looks(text))).replaceAll("i", "l");
  }

  return (name) => {
    let look = known.get(name);
    if (look === undefined) {
      if (known.size > MOST) known.clear();
      look = skeleton(name);
      known.set(name, look);
    }
    return look;
  };
}
