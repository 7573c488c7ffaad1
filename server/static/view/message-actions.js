import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { actions as words } from "../words/actions.js";
import { USUAL } from "./emoji.js";
import { icon } from "./more-icons.js";
import { menuWords, openMenu } from "./menu.js";
import { isLate, offers } from "./offers.js";

/**
 * What is offered on a message: as a toolbar, as its menu, and as a sheet on touch screens.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("./offers.js").Action} Action
 */

const QUICK = 3; // reactions in the toolbar, those used last
const QUICK_SHEET = 6;

/** @param {State} state @param {number} count */
function quick(state, count) {
  return [...new Set([...state.settings.get("emoji"), ...USUAL])].slice(0, count);
}

/** Whether I have reacted so. @param {Message} message @param {string} emoji @param {State} state */
function reacted(message, emoji, state) {
  return message.reactions?.[emoji]?.some((id) => state.isMine(id)) ?? false;
}

/**
 * The toolbar of a message.
 * @param {Message} message @param {State} state @param {any} act
 * @param {(action: Action, anchor: HTMLElement) => void} run
 */
export function messageActions(message, state, act, run) {
  const room = state.rooms.get(message.room);
  if (!room) return nothing;
  const may = offers(message, state, room, Date.now());
  const button = (/** @type {Action} */ action, /** @type {Parameters<typeof icon>[0]} */ sign, /** @type {string} */ label) =>
    may.has(action)
      ? html`<button type="button" class="icon-button small" tabindex="-1" aria-label=${label} title=${label} data-action=${action}
          @click=${(/** @type {Event} */ event) => run(action, /** @type {HTMLElement} */ (event.currentTarget))}>${icon(sign)}</button>`
      : nothing;
  return html`
    ${may.has("react") ? quick(state, QUICK).map((emoji) => reaction(message, emoji, state, act)) : nothing}
    ${button("react", "smile-plus", words.react)}
    ${button("reply", "reply", words.reply)}
    ${button("edit", "pencil", words.edit)}
    <button type="button" class="icon-button small" tabindex="-1" aria-label=${words.more} title=${words.more} aria-haspopup="menu"
      data-action="more" @click=${(/** @type {Event} */ event) => {
        const anchor = /** @type {HTMLElement} */ (event.currentTarget);
        openMenu(anchor, menu(may, message, state, (action) => run(action, anchor)));
      }}>${icon("ellipsis")}</button>`;
}

/** @param {Message} message @param {string} emoji @param {State} state @param {any} act @param {() => void} [after] */
function reaction(message, emoji, state, act, after = () => {}) {
  const on = reacted(message, emoji, state);
  const label = words.reactWith(emoji);
  return html`<button type="button" class="icon-button small emoji-button" tabindex="-1" aria-label=${label} title=${label}
    aria-pressed=${on} @click=${() => {
      after();
      act.messages.react(message.room, message.seq, emoji, !on);
    }}>${emoji}</button>`;
}

/**
 * What is done rarely.
 * @param {Set<Action>} may @param {Message} message @param {State} state @param {(action: Action) => void} run
 * @returns {import("./menu.js").Item[]}
 */
function menu(may, message, state, run) {
  const item = (/** @type {Action} */ action, /** @type {Parameters<typeof icon>[0]} */ sign, /** @type {string} */ label, more = {}) =>
    may.has(action) && { label, icon: sign, run: () => run(action), ...more };
  return [
    isLate(may, message, state) && { label: words.edit, icon: "pencil", hint: words.editEnded(state.limits.edit_window), disabled: true, run() {} },
    item("copyText", "copy", words.copyText),
    item("copyLink", "link", words.copyLink),
    item("markUnread", "mail", words.markUnread),
    item("pin", message.pinned_at ? "pin-off" : "pin", message.pinned_at ? words.unpin : words.pin),
    item("seenBy", "eye", words.seenBy),
    (may.has("report") || may.has("remove")) && { line: true },
    item("report", "flag", words.report),
    item("remove", "trash-2", words.remove, { danger: true }),
  ];
}

/**
 * The same from the lower edge of a touch screen.
 * @param {HTMLElement} element gets the focus back @param {Message} message @param {State} state @param {any} act
 * @param {(action: Action, anchor: HTMLElement) => void} run
 */
export function openSheet(element, message, state, act, run) {
  const room = state.rooms.get(message.room);
  if (!room) return;
  const may = offers(message, state, room, Date.now());
  const sheet = document.createElement("dialog");
  sheet.className = "sheet";
  sheet.tabIndex = -1;
  sheet.setAttribute("aria-label", words.label(message.sender));
  const close = () => sheet.close();
  sheet.addEventListener("close", () => sheet.remove());
  // The finger that opened it is still down: lifting it chooses nothing. A press beside the sheet closes it.
  let pressed = false;
  sheet.addEventListener("pointerdown", (event) => {
    pressed = true;
    if (event.target === sheet && event.clientY < sheet.getBoundingClientRect().top) close();
  });
  sheet.addEventListener("click", (event) => !pressed && event.detail > 0 && event.stopPropagation(), { capture: true });
  const then = (/** @type {Action} */ action) => {
    close();
    run(action, element);
  };
  const main = /** @type {const} */ ([["reply", "reply", words.reply], ["edit", "pencil", words.edit]])
    .map(([action, sign, label]) => may.has(action) && { label, icon: sign, run: () => then(action) });
  render(html`
    ${may.has("react")
      ? html`<div class="sheet-reactions">
          ${quick(state, QUICK_SHEET).map((emoji) => reaction(message, emoji, state, act, close))}
          <button type="button" class="icon-button" aria-label=${words.react} @click=${() => then("react")}>${icon("smile-plus")}</button>
        </div>`
      : nothing}
    ${[...main, ...menu(may, message, state, then)].map((item) => sheetItem(item))}`, sheet);
  document.body.append(sheet);
  sheet.showModal();
  sheet.focus();
}

/** @param {import("./menu.js").Item} item */
function sheetItem(item) {
  if (!item || "title" in item) return nothing;
  if ("line" in item) return html`<div class="menu-line" role="separator"></div>`;
  return html`<button type="button" class="menu-item ${item.danger ? "danger" : ""}" @click=${item.run}
    aria-disabled=${item.disabled ? "true" : nothing}>${item.icon ? icon(item.icon) : nothing}${menuWords(item)}</button>`;
}
