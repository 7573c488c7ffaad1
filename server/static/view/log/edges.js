import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { words } from "../../words.js";
import { parts } from "../../words/format.js";
import { icon } from "../icons.js";

/**
 * What is above and below the lines: the beginning of the room, placeholders for what is being loaded, and buttons that
 * lead to other places.
 *
 * @typedef {import("../../state/room.js").Room} Room
 */

/** The server counts no further. */
const MANY = 100;
/** Words of the placeholders, in rem: lines that look like a conversation. */
const SHAPES = [[7, 22], [5, 31], [6, 14], [8, 27], [5, 19], [7, 34], [6, 24], [5, 12]];

/** @param {number} count */
function skeleton(count) {
  return html`<div class="skeleton" aria-hidden="true">${Array.from({ length: count }, (_, i) => {
    const [name, text] = SHAPES[i % SHAPES.length];
    return html`<div class="bone"><span .style=${`width:${name}rem`}></span><span .style=${`width:${text}rem`}></span></div>`;
  })}</div>`;
}

/** @param {string} said @param {() => void} again */
function failed(said, again) {
  return html`<p class="edge-error"><span>${said}</span> <button type="button" class="link" @click=${again}>${words.log.again}</button></p>`;
}

/** @param {string} text @param {() => void} load */
function asked(text, load) {
  return html`<p class="edge"><button type="button" class="link" @click=${load}>${text}</button></p>`;
}

/**
 * @param {Room} room
 * @param {{above: boolean, hidden: boolean, empty: boolean, act: any}} now `above`: whether loaded lines are not drawn; `hidden`:
 *   most of what is loaded is not shown, so that more is loaded only when it is asked for
 */
export function top(room, { above, hidden, empty, act }) {
  if (!room.loaded) return room.status === "closed" || room.trouble ? nothing : skeleton(room.preview.length ? 2 : SHAPES.length);
  if (above || room.older === "loading") return skeleton(2);
  if (room.older) return failed(words.log.olderFailed(room.older), () => act.reading.older(room.name));
  if (!room.hasOlder) return beginning(room, empty);
  return hidden ? asked(words.log.loadOlder, () => act.reading.older(room.name, true)) : skeleton(2);
}

/** @param {Room} room @param {boolean} empty */
function beginning(room, empty) {
  const title = { room: html`<bdi class="beginning-room">${room.title}</bdi>` };
  if (!empty) return html`<p class="beginning">${parts(room.direct ? words.log.beginningDirect : words.log.beginning, title)}</p>`;
  return html`<div class="beginning empty"><p class="beginning-title">${parts(room.direct ? words.log.emptyDirectTitle : words.log.empty, title)}</p>
    <p>${room.direct ? words.log.emptyDirect : words.log.emptyHint}</p></div>`;
}

/** @param {Room} room @param {{below: boolean, hidden: boolean, act: any}} now */
export function bottom(room, { below, hidden, act }) {
  if (!room.loaded || !(below || room.hasNewer)) return nothing;
  if (room.newer && room.newer !== "loading") return failed(words.log.newerFailed(room.newer), () => act.reading.newer(room.name));
  return hidden && !room.newer ? asked(words.log.loadNewer, () => act.reading.newer(room.name, true)) : skeleton(2);
}

/** @param {Room} room @param {{following: boolean, unreadAbove: boolean, act: any, toEnd: () => void}} now */
export function jumps(room, { following, unreadAbove, act, toEnd }) {
  const count = room.unread;
  const text = count >= MANY ? words.log.newMany : count ? words.log.newMessages(count) : room.hasNewer ? words.log.present : words.log.latest;
  return html`<button id="to-unread" class="jump up" type="button" ?hidden=${!unreadAbove}
      @click=${() => act.reading.toUnread(room.name)}>${icon("arrow-down")}<span>${words.log.toUnread}</span></button>
    <button id="jump" class=${count ? "jump has-new" : "jump"} type="button" ?hidden=${following || !room.loaded}
      @click=${toEnd}>${icon("arrow-down")}<span class="jump-text">${text}</span></button>`;
}
