/**
 * The log by keyboard: one tab stop, the arrow keys go from message to message, Tab into a message's links and buttons,
 * Escape out of them and then to the message box. Enter leads to the toolbar.
 */

/** The toolbar has its own tab stop: see view/toolbar.js. */
const CONTROLS = ":is(a[href], button):not(.tools *)";

export class Walk {
  /** The message that is the tab stop. @type {HTMLElement | null} */ #stop = null;
  /** The message whose controls are tab stops now. @type {HTMLElement | null} */ #inside = null;

  /** @param {HTMLElement} lines @param {{end: () => void, leave: () => void}} actions `end`: the End key; `leave`: Escape */
  constructor(lines, { end, leave }) {
    this.lines = lines;
    this.end = end;
    this.leave = leave;
    lines.addEventListener("keydown", (event) => this.#onKey(event));
    lines.addEventListener("focusin", (event) => this.#onFocus(/** @type {HTMLElement} */ (event.target)));
    lines.addEventListener("focusout", (event) => this.#onBlur(/** @type {Node | null} */ (event.relatedTarget)));
  }

  /** What has the focus, to be found again after a drawing. */
  get focused() {
    const at = document.activeElement;
    const message = this.lines.contains(at) ? /** @type {HTMLElement | null} */ (at?.closest("[data-key]")) : null;
    if (!message) return null;
    const { key, seq } = message.dataset;
    return { at: /** @type {HTMLElement} */ (at), message, key, seq: Number(seq ?? Infinity) };
  }

  /**
   * After a drawing: the tab stop exists, and the focus is not lost.
   * @param {Walk["focused"]} before @param {boolean} following whether the end is in sight: then it is the newest message
   */
  settle(before, following) {
    if (before && document.activeElement !== before.at) {
      const all = this.#messages();
      const same = all.find((each) => each.dataset.key === before.key || Number(each.dataset.seq) === before.seq);
      const next = same ?? all.find((each) => Number(each.dataset.seq) > before.seq) ?? all.at(-1);
      (before.at.isConnected ? before.at : next)?.focus({ preventScroll: true });
    }
    if (!this.#stop?.isConnected || (following && !this.lines.contains(document.activeElement))) this.#setStop(this.#messages().at(-1) ?? null);
  }

  /** @param {HTMLElement | null} message */
  #setStop(message) {
    if (message === this.#stop) return;
    if (this.#stop) this.#stop.tabIndex = -1;
    this.#stop = message;
    if (message) message.tabIndex = 0;
  }

  #messages() {
    return /** @type {HTMLElement[]} */ ([...this.lines.querySelectorAll(":scope > [data-key]")]);
  }

  /** @param {HTMLElement} target */
  #onFocus(target) {
    const message = /** @type {HTMLElement | null} */ (target.closest("[data-key]"));
    this.#setStop(message);
    if (message !== target && message) this.#open(message);
  }

  /** @param {Node | null} to */
  #onBlur(to) {
    if (this.#inside && !this.#inside.contains(to)) this.#close();
  }

  /** Make the controls of a message tab stops. @param {HTMLElement} message */
  #open(message) {
    if (this.#inside !== message) this.#close();
    const controls = /** @type {HTMLElement[]} */ ([...message.querySelectorAll(CONTROLS)]);
    for (const control of controls) control.tabIndex = 0;
    this.#inside = controls.length ? message : null;
  }

  #close() {
    for (const control of this.#inside?.querySelectorAll(CONTROLS) ?? []) /** @type {HTMLElement} */ (control).tabIndex = -1;
    this.#inside = null;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const message = /** @type {HTMLElement | null} */ (target.closest("[data-key]"));
    if (!message || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target !== message) {
      if (event.key === "Escape") this.#go(event, message);
      return;
    }
    const { key } = event;
    if (key === "Tab" && !event.shiftKey) this.#open(message); // the browser goes on to the first of them
    else if (key === "ArrowUp") this.#go(event, this.#next(message, "previousElementSibling"));
    else if (key === "ArrowDown") this.#go(event, this.#next(message, "nextElementSibling"));
    else if (key === "Home") this.#go(event, this.#messages()[0]);
    else if (key === "End" || key === "Escape") {
      event.preventDefault();
      if (key === "Escape") return this.leave();
      this.end();
      this.#messages().at(-1)?.focus({ preventScroll: true });
    }
  }

  /** @param {Element} from @param {"previousElementSibling"|"nextElementSibling"} side @returns {HTMLElement | null} */
  #next(from, side) {
    let at = from[side];
    while (at && !(/** @type {HTMLElement} */ (at).dataset.key)) at = at[side];
    return /** @type {HTMLElement | null} */ (at);
  }

  /** @param {Event} event @param {HTMLElement | null} [to] */
  #go(event, to) {
    event.preventDefault();
    if (!to) return;
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
  }
}
