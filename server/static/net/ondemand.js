import { words } from "../words.js";

/** A part of the page could not be loaded; the message is a sentence for people. */
export class NotLoaded extends Error {
  /** @param {boolean} outdated whether the server has another version of the page, so that a reload is needed */
  constructor(outdated) {
    super(outdated ? words.trouble.outdated : words.trouble.notReached);
    this.name = "NotLoaded";
    this.outdated = outdated;
  }
}

/** What is loaded, or being loaded. @type {Map<string, Promise<any>>} */ const parts = new Map();

/**
 * What the server writes for `import()` (server/web/bundle.py). A browser never asks again for a module that it could not
 * get (the module map of the HTML standard), so until the page is loaded again, nothing of that part would work. Asked for
 * with `fetch()` first, it comes from the browser's cache.
 * @param {string} path @param {...string} others what it imports; all in the folder of the page's modules
 */
export function importPart(path, ...others) {
  const known = parts.get(path);
  if (known) return known;
  const part = Promise.all([path, ...others].map(get)).then(([address]) => import(address));
  parts.set(path, part);
  part.catch(() => parts.delete(path));
  return part;
}

/** @param {string} path @returns {Promise<string>} its address, once the browser has it */
async function get(path) {
  const address = new URL(`../${path}`, import.meta.url).href;
  const answer = await fetch(address);
  if (!answer.ok) throw new TypeError(`${address}: ${answer.status}`); // as `import()` does
  await answer.arrayBuffer();
  return address;
}

/**
 * Load a module that the first view does not need.
 * @template T @param {() => Promise<T>} load such as `() => import("../view/search.js")`
 * @returns {Promise<T>} rejects with `NotLoaded`
 */
export async function onDemand(load) {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the module's own
    throw new NotLoaded(await isOutdated());
  }
}

/** Whether the server no longer has this version, whose folder has a name of its own. */
async function isOutdated() {
  try {
    return (await fetch(import.meta.url, { method: "HEAD", cache: "no-store" })).status === 404;
  } catch {
    return false; // no server answers
  }
}
