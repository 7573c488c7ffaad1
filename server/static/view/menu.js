import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { icon } from "./more-icons.js";
import { focusFirst, focusHome } from "./focus.js";

/**
 * A menu at a button or at the pointer, by the pattern of WAI-ARIA: arrow keys, Home, End, first letters, Escape.
 *
 * @typedef {Parameters<typeof icon>[0]} IconName
 * @typedef {{label: string, run: () => void, icon?: IconName, hint?: string, danger?: boolean, checked?: boolean,
 *   disabled?: boolean}} Choice `checked`: one of a group, or a switch
 * @typedef {Choice | {title: string} | {line: true} | null | false} Item
 */

const MARGIN = 8;

/** The open one. @type {{box: HTMLElement, close: (focus: boolean) => void} | null} */
let open = null;

/**
 * @param {Element} anchor gets the focus back, and is expanded meanwhile
 * @param {Item[]} items @param {{label?: string, at?: {x: number, y: number}}} [options] `at`: a place in the window
 * @returns {(items: Item[]) => void} changes the items while it is open
 */
export function openMenu(anchor, items, { label = anchor.getAttribute("aria-label") ?? "", at } = {}) {
  const same = open && anchor.getAttribute("aria-expanded") === "true";
  open?.close(true);
  if (same) return () => {}; // a second click closes it
  const box = document.createElement("div");
  box.className = "menu";
  box.popover = "manual";
  box.setAttribute("role", "menu");
  if (label) box.setAttribute("aria-label", label);
  const close = (/** @type {boolean} */ focus) => {
    if (open?.box !== box) return;
    open = null;
    removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", away);
    box.remove();
    anchor.setAttribute("aria-expanded", "false");
    if (focus && !focusFirst(anchor)) focusHome();
  };
  const outside = (/** @type {PointerEvent} */ event) => {
    const target = /** @type {Node} */ (event.target);
    if (!box.contains(target) && !anchor.contains(target)) close(false);
  };
  const away = () => close(true);
  box.addEventListener("keydown", (event) => onKey(event, box, close));
  box.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !box.contains(/** @type {Node} */ (event.relatedTarget))) close(false);
  });
  addEventListener("pointerdown", outside, true);
  addEventListener("resize", away);
  const show = (/** @type {Item[]} */ all) => render(all.map((item) => draw(item, close)), box);
  show(items);
  // In its landmark, for screen readers; and in a modal dialog, because everything outside of that is inert.
  (anchor.closest("dialog, nav, main, aside") ?? document.body).append(box);
  open = { box, close };
  anchor.setAttribute("aria-expanded", "true");
  box.showPopover();
  place(box, at ? new DOMRect(at.x, at.y, 0, 0) : anchor.getBoundingClientRect());
  focusFirst(...choices(box));
  return (changed) => open?.box === box && show(changed);
}

/** @param {Item} item @param {(focus: boolean) => void} close */
function draw(item, close) {
  if (!item) return nothing;
  if ("line" in item) return html`<div class="menu-line" role="separator"></div>`;
  if ("title" in item) return html`<div class="menu-title" role="presentation">${item.title}</div>`;
  const run = () => {
    if (item.disabled) return;
    close(true);
    item.run();
  };
  const role = item.checked === undefined ? "menuitem" : "menuitemradio";
  const mark = item.checked === undefined ? item.icon && icon(item.icon) : item.checked ? icon("check") : html`<span class="icon"></span>`;
  return html`<button type="button" tabindex="-1" role=${role} class="menu-item ${item.danger ? "danger" : ""}" @click=${run}
    aria-checked=${item.checked ?? nothing} aria-disabled=${item.disabled ? "true" : nothing}>
    ${mark ?? nothing}${menuWords(item)}
  </button>`;
}

/** @param {Choice} item */
export const menuWords = ({ label, hint }) =>
  html`<span class="menu-words">${label}${hint ? html`<span class="menu-hint">${hint}</span>` : nothing}</span>`;

/** @param {HTMLElement} box @returns {HTMLElement[]} */
const choices = (box) => [...box.querySelectorAll(/** @type {"button"} */ ("button"))];

/** @param {KeyboardEvent} event @param {HTMLElement} box @param {(focus: boolean) => void} close */
function onKey(event, box, close) {
  const all = choices(box);
  const at = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  const step = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Escape" || event.key === "Tab") close(true);
  else if (step !== undefined) all.at(step % all.length)?.focus();
  else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const letter = event.key.toLocaleLowerCase();
    const starts = [...all.slice(at + 1), ...all].find((each) => each.textContent?.trim().toLocaleLowerCase().startsWith(letter));
    starts?.focus();
  } else return;
  event.preventDefault();
  event.stopPropagation(); // Escape closes the menu, and not what is below it
}

/** Below the anchor, or above it where there is more space; always within the window. @param {HTMLElement} box @param {DOMRect} near */
function place(box, near) {
  const { width, height } = box.getBoundingClientRect();
  const rtl = getComputedStyle(box).direction === "rtl";
  const start = near.left + width + MARGIN <= innerWidth;
  const left = rtl ? near.right - width : start ? near.left : near.right - width;
  const below = near.bottom + 4;
  const top = below + height + MARGIN <= innerHeight ? below : near.top - height - 4;
  const within = (/** @type {number} */ value, /** @type {number} */ most) => `${Math.max(MARGIN, Math.min(value, most - MARGIN))}px`;
  box.style.setProperty("left", within(left, innerWidth - width));
  box.style.setProperty("top", within(top, innerHeight - height));
}
