/**
 * The log by keyboard: the arrow keys go from message to message, Tab into a message's links and buttons, Escape out of them and
 * then to the message box. Enter leads to the toolbar.
 *
 * @param {import("./walk.js").Walk} walk @param {{end: () => void, leave: () => void}} actions `end`: the End key; `leave`: Escape
 */
export function walkByKeys(walk, { end, leave }) {
  walk.lines.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const message = /** @type {HTMLElement | null} */ (target.closest("[data-key]"));
    if (!message || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target !== message) {
      if (event.key === "Escape") go(event, message);
      return;
    }
    const { key } = event;
    if (key === "Tab" && !event.shiftKey) walk.open(message); // the browser goes on to the first of them
    else if (key === "ArrowUp") go(event, next(message, "previousElementSibling"));
    else if (key === "ArrowDown") go(event, next(message, "nextElementSibling"));
    else if (key === "Home") go(event, walk.messages()[0]);
    else if (key === "End" || key === "Escape") {
      event.preventDefault();
      if (key === "Escape") return leave();
      end();
      walk.messages().at(-1)?.focus({ preventScroll: true });
    }
  });
}

/** @param {Element} from @param {"previousElementSibling"|"nextElementSibling"} side @returns {HTMLElement | null} */
function next(from, side) {
  let at = from[side];
  while (at && !(/** @type {HTMLElement} */ (at).dataset.key)) at = at[side];
  return /** @type {HTMLElement | null} */ (at);
}

/** @param {Event} event @param {HTMLElement | null} [to] */
function go(event, to) {
  event.preventDefault();
  if (!to) return;
  to.focus({ preventScroll: true });
  to.scrollIntoView({ block: "nearest" });
}
