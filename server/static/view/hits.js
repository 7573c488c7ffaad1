import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { avatar } from "./avatar.js";
import { mark, nameOf, namesakes } from "./names.js";
import { exactText } from "./time.js";
import { when } from "./when.js";

/**
 * Messages in a list in the panel: found, pinned or deleted ones. A press shows one in its room; the arrow keys go from
 * one to the next.
 *
 * @typedef {import("../state/types.js").Message} Message
 */

/** Who wrote a message: the account, if a guest has become one. @param {Message} message */
export const authorOf = ({ sender, sender_id, alias_of }) => ({ id: alias_of ?? sender_id, name: sender });

/** Those who share their name with somebody in the list or the room. @param {Message[]} messages @param {import("../state/room.js").Room | null} room */
export function alikeIn(messages, room) {
  const known = room ? [...room.presence.members.values(), ...room.members.values()] : [];
  return namesakes([...messages.map(authorOf), ...known]);
}

/**
 * @param {Message} message
 * @param {{open: () => void, text: unknown, room?: unknown, below?: unknown, current?: boolean, alike?: Map<string, string>}} options
 *   `text`: the message, or a part of it; `room`: its title; `below`: what follows the button; `current`: it was opened last
 */
export function hit(message, { open, text, room, below, current = false, alike }) {
  const at = Date.parse(message.timestamp);
  const author = authorOf(message);
  return html`<li class="hit">
    <button type="button" class="hit-button" aria-current=${current ? "true" : nothing} @click=${open}>
      ${room ? html`<span class="hit-room cut">${room}</span>` : nothing}
      <span class="hit-head">${avatar(author)}<span class="hit-name cut">${nameOf(author, alike)}</span>${mark(author.id)}
        <time class="hit-time" datetime=${message.timestamp} title=${exactText(at)}>${when(at)}</time></span>
      <span class="hit-text" dir="auto">${text}</span>
    </button>
    ${below ?? nothing}
  </li>`;
}

/** Go from hit to hit by arrow keys; up from the first one, to the field. @param {KeyboardEvent} event */
export function onArrow(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const box = /** @type {HTMLElement} */ (event.currentTarget);
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  const all = [...box.querySelectorAll(/** @type {"button"} */ (".hit-button"))];
  const at = all.findIndex((each) => each === document.activeElement);
  const field = /** @type {HTMLElement | null} */ (box.querySelector("input[type=search]"));
  const fromField = at < 0 && document.activeElement === field;
  if (at < 0 && !(fromField && step > 0)) return;
  event.preventDefault();
  const next = at + step < 0 ? field : all[at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
