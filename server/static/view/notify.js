import { blocks, plainBlocks } from "./markdown/blocks.js";

/**
 * The browser's notifications, and a sound. Loaded when the user has asked for one of them.
 *
 * @typedef {import("./attention.js").Notice} Notice
 */

const LONGEST = 200; // characters; a notification shows fewer

const ICON = new URL("../icon-192.png", import.meta.url).href;

/** What is shown by this page, by key. @type {Map<string, Notification>} */
const shown = new Map();

/** Whether notifications may be shown: "unsupported" where the browser has none, or only on pages with https.
 * @returns {NotificationPermission | "unsupported"} */
export function permission() {
  return "Notification" in globalThis && isSecureContext ? Notification.permission : "unsupported";
}

/** Ask for the permission. Browsers show the question only after a click. @returns {Promise<NotificationPermission | "unsupported">} */
export async function askPermission() {
  if (permission() === "default") await Notification.requestPermission();
  return permission();
}

/** A message's text in one line, without its marks. @param {string} content */
export function plain(content) {
  const text = plainBlocks(blocks(content)).replace(/\s+/g, " ").trim();
  const signs = [...text];
  return signs.length > LONGEST ? `${signs.slice(0, LONGEST).join("")}…` : text;
}

/**
 * Show a notification in place of an earlier one with the same tag.
 * @param {Notice} notice @param {string} tag @param {() => void} onClick
 */
export async function show(notice, tag, onClick) {
  if (permission() !== "granted") return;
  const { key, title, text, room, seq, again = false } = notice;
  const options = { body: text, icon: ICON, tag, renotify: !again, dir: /** @type {const} */ ("auto"), data: { room, seq } };
  try {
    const made = new Notification(title, options);
    shown.set(key, made);
    made.onclick = () => {
      made.close();
      onClick();
    };
    made.onclose = () => shown.get(key) === made && shown.delete(key);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Chrome on Android shows them only for a service worker, which tells the page of the click.
    await (await worker())?.showNotification(title, options);
    tags.set(key, tag);
  }
}

/** The tags of what the service worker shows, by key. @type {Map<string, string>} */
const tags = new Map();

/** It was read. @param {string} key */
export async function hide(key) {
  shown.get(key)?.close();
  shown.delete(key);
  const tag = tags.get(key);
  if (tag === undefined) return;
  tags.delete(key);
  for (const each of (await (await worker())?.getNotifications({ tag })) ?? []) each.close();
}

function worker() {
  return navigator.serviceWorker?.getRegistration();
}

// --- the sound -------------------------------------------------------------------------------------------------------

const SILENT = 1500; // ms after a sound without another one
const TONES = [[880, 0], [1174.66, 0.11]]; // hertz, and when it begins, in seconds

/** @type {AudioContext | null} */ let audio = null;
let last = -Infinity;

/** Get ready to play: browsers let a page make a sound only after the user has done something in it. */
export function unlock() {
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume();
}

/** Play two short tones, unless the browser does not let the page do so yet. @param {{now?: boolean}} [options] `now`: it was asked for */
export function chime({ now = false } = {}) {
  if (now) unlock();
  if (!audio || (!now && (audio.state !== "running" || performance.now() - last < SILENT))) return;
  last = performance.now();
  for (const [pitch, delay] of TONES) {
    const at = audio.currentTime + delay;
    const tone = new OscillatorNode(audio, { type: "sine", frequency: pitch });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.16, at + 0.015);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.32);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.35);
  }
}
