/**
 * Where the keyboard is. When a drawing removes the focused element, the focus falls to <body>, and a person who uses
 * the keyboard starts again at the top of the page: `settle` puts it where one goes on.
 */

/** @type {Element | null} */ let last = null;
document.addEventListener("focusin", (event) => {
  last = /** @type {Element} */ (event.target);
});

/** Whether an element can take the focus now. @param {Element | null | undefined} element @returns {element is HTMLElement} */
export function canFocus(element) {
  if (!(element instanceof HTMLElement) || element === document.body || !element.isConnected) return false;
  return element.getClientRects().length > 0 && !element.closest("[inert]") && !element.matches(":disabled");
}

/** Whether the message box may get the focus by itself: on a touch screen that would raise the keyboard. */
export const hasKeyboard = () => matchMedia("(hover: hover) and (pointer: fine)").matches;

/** Focus the first of these that can be focused. @param {...(Element | null | undefined)} elements */
export function focusFirst(...elements) {
  const found = elements.find(canFocus);
  found?.focus({ preventScroll: true });
  return found !== undefined;
}

/** Focus what one goes on with in the view in front. */
export function focusHome() {
  const at = (/** @type {string} */ selector) => document.querySelector(selector);
  const modal = document.querySelector("dialog[open]");
  if (modal) return focusFirst(modal.querySelector("[autofocus]"), modal.querySelector("button, input"));
  return focusFirst(hasKeyboard() ? at("#message") : null, at("#closed"), at("#log"), at("#menu"), at("#join"), at("#account-close"));
}

/** After each drawing. Somebody who clicked beside everything is left alone. */
export function settle() {
  if (!last || document.activeElement !== document.body || canFocus(last)) return;
  last = null;
  focusHome();
}
