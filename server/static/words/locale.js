import { tabStore } from "../state/storage.js";
import { pseudo } from "./pseudo.js";

/**
 * The language of the page. `?locale=pseudo` shows every text of the table longer and with accents, `?locale=pseudo-rtl`
 * from right to left as well, for the rest of the tab's life: so one sees which text is not in the table, and which part
 * of the page has no room for a longer language. `?locale=en` ends it.
 */

const store = tabStore();
const asked = new URLSearchParams(location.search).get("locale");
if (asked) store.set("locale", asked);
const isPseudo = /^pseudo/.test(asked ?? store.get("locale") ?? "");

export const LOCALE = "en";
export const DIRECTION = isPseudo && (asked ?? store.get("locale")) === "pseudo-rtl" ? "rtl" : "ltr";

/** What becomes of each text. @type {(text: string) => string} */
export const localized = isPseudo ? pseudo : (text) => text;
