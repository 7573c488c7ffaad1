import { cleanContent, countChars } from "../state/content.js";
import { kindOf, shownName } from "../state/people.js";
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { composer as words } from "../words/composer.js";
import { duration, parts } from "../words/format.js";
import { start } from "./beginning.js";
import { icon } from "./icons.js";
import { plain } from "./markdown/text.js";

const COUNT_FROM = 0.9; // the counter appears when this much of the limit is used

/**
 * How the composer looks: the box, what is answered or edited, why one cannot write, who is typing.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("./box.js").MessageBox} MessageBox
 * @typedef {{cancel: (box: MessageBox) => void, emoji: (box: MessageBox, anchor: HTMLElement) => void}} Does
 * @typedef {{text: string, until: number, sign: boolean} | null} Hindrance `until`: when it ends, in epoch milliseconds;
 *   `sign`: whether signing in helps
 */

/**
 * @param {State} state @param {any} act @param {Room} room @param {MessageBox} box @param {Hindrance} why
 * @param {number} now @param {Does} does
 */
export function composerView(state, act, room, box, why, now, does) {
  const max = state.limits.max_content_chars;
  const left = charsLeft(box.text, max);
  const counted = left <= max * (1 - COUNT_FROM);
  const { ended } = state;
  const closed = ended !== null || room.status === "closed";
  const writable = !closed && why === null;
  const slow = writable && box.editing === null && slowUntil(room) > now;
  const label = words.label(room.title);
  const byLine = state.settings.get("enter") === "line";
  const send = box.editing === null ? words.send : words.save;
  const hint = writable && !byLine && !slow && !counted && !state.settings.get("knowsEnter");
  if (box.input.placeholder !== label) box.input.placeholder = label;
  box.input.setAttribute("aria-invalid", String(left < 0));
  box.input.enterKeyHint = byLine ? "enter" : "send";
  return html`
    <div id="closed" class="composer-notice" role="alert" aria-label=${words.closedLabel} tabindex="-1" ?hidden=${!closed}>
      <span id="closed-reason" dir="auto">${ended?.text ?? (closed ? room.reason : "")}</span>
      ${closed && box.text ? html`<span class="countdown">${words.kept}</span>` : nothing}
      ${ended ? html`<button id="go-on" class="link" type="button" @click=${ended.run}>${words[ended.button]}</button>` : nothing}
      ${closed && !ended && room.code === "no_such_room" && !room.direct
        ? html`<button id="unlock" class="link" type="button" @click=${() => act.ui.dialog("password", { room: room.name })}>${words.unlock}</button>`
        : nothing}
      <button id="reenter" class="link" type="button" ?hidden=${ended || room.code === "deleted"} @click=${() => act.rooms.reenter(room.name)}>${words.reenter}</button>
      <button id="close-room" class="link" type="button" ?hidden=${ended} @click=${() => act.rooms.close(room.name)}>${words.closeRoom}</button>
    </div>
    <div id="hindrance" class="composer-notice" tabindex="-1" ?hidden=${closed || !why}>${notice(why, now, act)}</div>
    <div class="composer-body" ?hidden=${!writable}>
      ${bar(state, room, () => does.cancel(box))}
      <div id="composer-box" class="composer-box">
        <label class="sr" for="message">${label}</label>
        ${box.input}
        <button id="emoji" class="icon-button" type="button" aria-label=${words.emoji} title=${words.emoji} aria-haspopup="dialog"
          @click=${(/** @type {Event} */ event) => does.emoji(box, /** @type {HTMLElement} */ (event.currentTarget))}>${icon("smile")}</button>
        <button id="send" class="send" type="submit" aria-label=${send} title=${byLine ? words.sendKeysLine : words.sendKeys}
          ?disabled=${!box.text.trim() || left < 0 || box.busy || slow}>${icon(box.editing === null ? "send-horizontal" : "check")}</button>
      </div>
    </div>
    <p id="composer-error" class="composer-error" role="alert" dir="auto">${box.error}</p>
    <div class="composer-foot">
      <p id="typing" class="cut" dir="auto">${typists(state, room, now)}</p>
      <p id="slow" ?hidden=${!slow}>${slow ? words.slowLeft(waitText(slowUntil(room), now)) : ""}</p>
      <p id="counter" class=${left < 0 ? "over" : ""} role="status" ?hidden=${!counted}>${counted ? counter(left) : ""}</p>
      <p id="composer-hint" ?hidden=${!hint}>${words.hint}</p>
    </div>`;
}

/** When slow mode lets me write again, in epoch milliseconds. @param {Room} room */
export function slowUntil(room) {
  return room.info.slow_mode && !room.mayModerate ? room.slowUntil : 0;
}

/** How many characters may still be typed. @param {string} text @param {number} max */
function charsLeft(text, max) {
  // The length in UTF-16 units is never less than the count, so counting is rarely needed.
  return text.length > max * COUNT_FROM ? max - countChars(cleanContent(text)) : max;
}

/** @param {number} left */
const counter = (left) => (left < 0 ? words.over(-left) : words.left(left));

/** When a countdown or a typing notice changes, in epoch milliseconds. @param {Room} room @param {Hindrance} why
 * @param {number} now */
export function nextChange(room, why, now) {
  const ends = [...room.typing.values()].map(({ until }) => until).filter((end) => end > now);
  const counting = [slowUntil(room), why?.until ?? 0].filter((end) => end > now && Number.isFinite(end));
  return Math.min(...ends, ...counting.map((end) => now + ((end - now) % 1000 || 1000)));
}

/** @param {number} until epoch milliseconds @param {number} now @returns {string} "" if it has no end */
export function waitText(until, now) {
  return Number.isFinite(until) ? duration((until - now) / 1000) : "";
}

/** Above the box: the message that is edited, or the one that is answered. @param {State} state @param {Room} room
 * @param {() => void} cancel */
function bar(state, room, cancel) {
  if (state.ui.editing.has(room.name)) {
    return html`<div class="composer-bar" id="edit-bar">
      ${icon("pencil")}<span class="cut">${words.editing} <span class="bar-keys">${words.editingKeys}</span></span>
      ${cross(words.cancelEdit, cancel)}
    </div>`;
  }
  const message = state.ui.replyTo.get(room.name);
  if (!message) return nothing;
  const now = room.message(message.seq) ?? message;
  const { alias_of, sender_id = "" } = /** @type {Partial<import("../state/types.js").Message>} */ (now);
  const text = "deleted_at" in now ? words.replyDeleted : start(plain(now.content ?? "").slice(0, 200));
  return html`<div class="composer-bar" id="reply-bar">
    ${icon("reply")}<span class="cut">${parts(words.replyingTo, { name: html`<b dir="auto">${shownName({ id: alias_of ?? sender_id, name: now.sender })}</b>`, text: html`<bdi>${text}</bdi>` })}</span>
    ${cross(words.cancelReply, cancel)}
  </div>`;
}

/** @param {string} label @param {() => void} run */
function cross(label, run) {
  return html`<button class="icon-button small" type="button" aria-label=${label} title=${label} @click=${run}>${icon("x")}</button>`;
}

/**
 * Why one may not write in a room, though one is in it.
 * @param {State} state @param {Room} room @param {number} now
 * @returns {Hindrance} null also in a closed room, which says more
 */
export function hindrance(state, room, now) {
  if (room.status === "closed") return null;
  if (room.deserted) return { text: words.deserted, until: Infinity, sign: false };
  if (room.mute && room.mute.until > now) {
    return { text: room.mute.reason ? words.mutedFor(room.mute.reason) : words.muted, until: room.mute.until, sign: false };
  }
  if (room.status !== "joined" || room.mayModerate) return null;
  const guest = ["guest", "claimed"].includes(kindOf(state.me?.id ?? ""));
  if (guest && room.guests === "read") return { text: words.guestsRead, until: Infinity, sign: true };
  return room.mayWrite ? null : { text: words.readOnly, until: Infinity, sign: false };
}

/** In place of the box: why it is not there. @param {Hindrance} why @param {number} now @param {any} act */
function notice(why, now, act) {
  if (!why) return nothing;
  return html`<span dir="auto" role="status">${why.text}</span>
    ${Number.isFinite(why.until) ? html`<span class="countdown">${words.mutedLeft(waitText(why.until, now))}</span>` : nothing}
    ${why.sign ? html`<button class="link" type="button" @click=${() => act.account.open("signIn")}>${words.signIn}</button>` : nothing}`;
}

/** Who is typing in a room. @param {State} state @param {Room} room @param {number} now */
function typists(state, room, now) {
  const names = [...room.typing.values()].filter(({ user, until }) => until > now && !state.isMine(user.id)).map(({ user }) => shownName(user));
  if (!names.length) return nothing;
  if (names.length > 2) return words.typingMany;
  const [name, other] = names.map((each) => html`<bdi>${each}</bdi>`);
  return parts(other ? words.typingTwo : words.typing, { name, other });
}
