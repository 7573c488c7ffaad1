/** The log as one tab stop, within which the focus is never lost. How keys move it is in walk-keys.js. */

/** The toolbar has its own tab stop: see view/toolbar.js. */
const CONTROLS = ":is(a[href], button):not(.tools *)";

export class Walk {
  /** The message that is the tab stop. @type {HTMLElement | null} */ #stop = null;
  /** The message whose controls are tab stops now. @type {HTMLElement | null} */ #inside = null;

  /** @param {HTMLElement} lines */
  constructor(lines) {
    this.lines = lines;
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
      const all = this.messages();
      const same = all.find((each) => each.dataset.key === before.key || Number(each.dataset.seq) === before.seq);
      const next = same ?? all.find((each) => Number(each.dataset.seq) > before.seq) ?? all.at(-1);
      (before.at.isConnected ? before.at : next)?.focus({ preventScroll: true });
    }
    if (!this.#stop?.isConnected || (following && !this.lines.contains(document.activeElement))) this.#setStop(this.messages().at(-1) ?? null);
  }

  /** @param {HTMLElement | null} message */
  #setStop(message) {
    if (message === this.#stop) return;
    if (this.#stop) this.#stop.tabIndex = -1;
    this.#stop = message;
    if (message) message.tabIndex = 0;
  }

  messages() {
    return /** @type {HTMLElement[]} */ ([...this.lines.querySelectorAll(":scope > [data-key]")]);
  }

  /** @param {HTMLElement} target */
  #onFocus(target) {
    const message = /** @type {HTMLElement | null} */ (target.closest("[data-key]"));
    this.#setStop(message);
    if (message !== target && message) this.open(message);
  }

  /** @param {Node | null} to */
  #onBlur(to) {
    if (this.#inside && !this.#inside.contains(to)) this.#close();
  }

  /** Make the controls of a message tab stops. @param {HTMLElement} message */
  open(message) {
    if (this.#inside !== message) this.#close();
    const controls = /** @type {HTMLElement[]} */ ([...message.querySelectorAll(CONTROLS)]);
    for (const control of controls) control.tabIndex = 0;
    this.#inside = controls.length ? message : null;
  }

  #close() {
    for (const control of this.#inside?.querySelectorAll(CONTROLS) ?? []) /** @type {HTMLElement} */ (control).tabIndex = -1;
    this.#inside = null;
  }
}
