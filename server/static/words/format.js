import { LOCALE, localized } from "./locale.js";

export { DIRECTION, LOCALE } from "./locale.js";

/**
 * What sentences are made of: templates with names in braces, one form for each plural, lists. A text is a whole
 * sentence or label; it is never glued from parts, because other languages order them differently.
 */

const rules = new Intl.PluralRules(LOCALE);
const numbers = new Intl.NumberFormat(LOCALE);
const lists = new Intl.ListFormat(LOCALE);

/** A subject's part of the table. @template {Record<string, any>} T @param {T} texts @returns {Readonly<T>} */
export function table(texts) {
  return Object.freeze(translated(texts));
}

/** @param {any} entry @returns {any} */
function translated(entry) {
  if (typeof entry === "string") return localized(entry);
  if (typeof entry === "function") return (/** @type {any[]} */ ...values) => translated(entry(...values));
  if (Array.isArray(entry)) return entry.map(translated);
  if (entry?.constructor !== Object) return entry;
  return Object.fromEntries(Object.entries(entry).map(([key, each]) => [key, translated(each)]));
}

/** @param {number} n */
export const number = (n) => numbers.format(n);

/** A time to wait or to have, in the largest unit of which it has more than one and a half. @param {number} seconds */
export function duration(seconds) {
  if (seconds > 1.5 * 86400) return plural(Math.ceil(seconds / 86400), { one: "{n} day", other: "{n} days" });
  if (seconds > 1.5 * 3600) return plural(Math.ceil(seconds / 3600), { one: "{n} hour", other: "{n} hours" });
  if (seconds > 90) return plural(Math.ceil(seconds / 60), { one: "{n} minute", other: "{n} minutes" });
  return plural(Math.max(1, Math.ceil(seconds)), { one: "{n} second", other: "{n} seconds" });
}

/** What a person has written, in a sentence of the page, which it can neither end nor continue. @param {string} text */
export const quoted = (text) => `“${text.replace(/\s+/g, " ").replace(/[“”]/g, '"')}”`;

/** @param {string[]} names @returns {string} "ann, bob, and cat" */
export const list = (names) => lists.format(names);

/**
 * The form for a number; `{n}` in it becomes the number.
 * @param {number} n @param {{zero?: string, one?: string, two?: string, few?: string, many?: string, other: string}} forms
 * @param {Record<string, string>} [values] for other names in braces
 */
export function plural(n, forms, values = {}) {
  return fill(forms[rules.select(n)] ?? forms.other, { n: number(n), ...values });
}

/** @param {string} template @param {Record<string, string>} values @returns {string} "{name} is here" with the name */
export function fill(template, values) {
  return localized(template).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/**
 * The same with templates or elements as values, for lit: `parts("{name} is here", { name: html`<bdi>…</bdi>` })`.
 * @param {string} template @param {Record<string, unknown>} values @returns {unknown[]}
 */
export function parts(template, values) {
  return localized(template).split(/\{(\w+)\}/).map((part, i) => (i % 2 ? (values[part] ?? "") : part));
}

/** A list with templates as its members: "ann, bob, and 3 others". @param {unknown[]} members @returns {unknown[]} */
export function listOf(members) {
  let next = 0;
  return lists.formatToParts(members.map(() => "x")).map(({ type, value }) => (type === "element" ? members[next++] : value));
}
