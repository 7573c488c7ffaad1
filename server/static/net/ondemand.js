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
