import { newId } from "../state/content.js";

/**
 * A tab's own id, held by one open page. Duplicating a tab (or `window.open`) copies `sessionStorage`, and two pages
 * with one outbox would send each other's messages. So a page claims the id it finds: by a Web Lock,
 * which the browser frees when the page is closed, or, without locks (on plain http beyond localhost), by asking
 * the other tabs.
 */

const ASK_WAIT = 250; // other tabs answer within a task; without locks, only silence shows that there is no other
const LOCK_WAIT = 3000; // a page that is just being unloaded still holds the lock for a moment, and does not answer
const CHANNEL = "parley.tab";

/**
 * @typedef {import("../state/storage.js").Store} Store
 */

/**
 * Claim an id for as long as the page lives: the one that the tab had before it was reloaded, unless it is a copy.
 * @param {Store} store the tab's @returns {Promise<string>}
 */
export async function claimTab(store) {
  const id = store.get("tab");
  if (typeof id === "string" && (await claim(id, LOCK_WAIT))) return id;
  const fresh = newId("t-");
  store.set("tab", fresh);
  claim(fresh, LOCK_WAIT); // a new id cannot be in use: no need to wait
  return fresh;
}

/** Claim the id of a tab that may be closed. @param {string} id @returns {Promise<boolean>} whether it is ours now */
export const claimClosed = (id) => claim(id, 0);

/**
 * @param {string} id @param {number} patience milliseconds in which a page that is being closed may give up its lock
 * @returns {Promise<boolean>} whether it is ours
 */
async function claim(id, patience) {
  const given = new AbortController();
  const channel = openChannel();
  const nonce = newId("");
  let settled = false;
  const taken = new Promise((resolve) => {
    channel?.addEventListener("message", ({ data }) => {
      if (data?.id !== id || data.nonce === nonce) return;
      // Of two that ask at the same time, the lock decides; without locks the smaller nonce wins.
      const first = settled || (!navigator.locks && nonce < data.nonce);
      if (data.type === "claim" && first) channel.postMessage({ type: "taken", id, nonce });
      if (data.type === "taken" && !settled) resolve(false);
    });
  });
  const free = navigator.locks ? lock(id, patience, given.signal) : wait(ASK_WAIT, true);
  channel?.postMessage({ type: "claim", id, nonce });
  const late = wait(Math.max(patience, 2 * ASK_WAIT), !navigator.locks);
  const mine = await Promise.race([free, taken, late]);
  settled = mine;
  const release = () => {
    channel?.close();
    given.abort();
  };
  if (!mine) release();
  else addEventListener("pagehide", release, { once: true });
  return mine;
}

/**
 * @param {string} id @param {number} patience 0: do not wait for another page
 * @param {AbortSignal} signal releases the lock, or stops waiting for it
 * @returns {Promise<boolean>} resolved when the lock is ours, or is another page's
 */
function lock(id, patience, signal) {
  return new Promise((resolve) => {
    const held = (/** @type {Lock | null} */ granted) => {
      resolve(granted !== null);
      return granted && new Promise((free) => signal.addEventListener("abort", free));
    };
    const options = patience ? { signal } : { ifAvailable: true }; // not both, by the standard
    // Rejected by `signal`, when the result is no longer awaited, or because the user has disabled storage.
    navigator.locks.request(`parley.tab.${id}`, options, held).catch(() => resolve(true));
  });
}

/** @returns {BroadcastChannel | null} */
function openChannel() {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null; // missing, or storage is disabled
  }
}

/** @param {number} ms @param {boolean} value @returns {Promise<boolean>} */
function wait(ms, value) {
  return new Promise((resolve) => setTimeout(() => resolve(value), ms));
}
