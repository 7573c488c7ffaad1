import { cleanContent, countChars } from "../protocol.js";
import { byId, setText } from "./dom.js";

const COUNT_FROM = 0.9; // the counter appears when this much of the limit is used

/**
 * The message box: Enter sends, Shift+Enter starts a new line, and a draft is kept for each room.
 *
 * @typedef {{post: (content: string) => boolean, draft: (text: string) => void, page: (direction: number) => void,
 *   reenter: () => void, close: () => void}} Actions
 */
export class Composer {
  #form = byId("composer");
  #input = byId("message");
  #send = byId("send");
  #counter = byId("counter");
  #error = byId("composer-error");
  #box = byId("composer-box");
  #closed = byId("closed");
  #max = 4000;
  /** @type {string | null} */ #room = null;

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.#form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#onKey(event));
    this.#input.addEventListener("input", () => this.#onInput());
    document.addEventListener("keydown", (event) => this.#onKeyElsewhere(event));
    byId("reenter").addEventListener("click", () => actions.reenter());
    byId("close-room").addEventListener("click", () => actions.close());
  }

  /** Replace the message box by the reason why it is closed; the draft is kept. @param {string} reason "" reopens it */
  close(reason) {
    const had = this.#box.contains(document.activeElement);
    setText(byId("closed-reason"), reason);
    this.#closed.hidden = !reason;
    this.#box.hidden = byId("composer-hint").hidden = Boolean(reason);
    if (reason && had) this.#closed.focus(); // not a button: typing must not press it
  }

  /** @param {string} room @param {string} draft @param {number} max characters of a message */
  render(room, draft, max) {
    if (room !== this.#room) {
      this.#room = room;
      this.#input.value = draft;
      this.#input.placeholder = `Message ${room}`;
      setText(byId("message-label"), `Message ${room}`);
      this.#max = max;
      this.#measure();
    } else if (max !== this.#max) {
      this.#max = max;
      this.#measure();
    }
  }

  focus() {
    if (!this.#box.hidden) this.#input.focus({ preventScroll: true });
  }

  /** Focus the message box, except where that would raise an on-screen keyboard. */
  focusIfFine() {
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.focus();
  }

  #submit() {
    const content = cleanContent(this.#input.value);
    const over = countChars(content) - this.#max;
    if (!content.trim()) return this.focus();
    if (over > 0) {
      setText(this.#error, `This message is ${over} character${over === 1 ? "" : "s"} too long; the limit is ${this.#max}.`);
      return this.focus();
    }
    if (this.actions.post(content)) {
      this.#input.value = "";
      this.#onInput();
    }
    this.focus();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    // While an input method composes, Enter chooses a word; Safari reveals that only in the key code.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      this.actions.page(event.key === "PageUp" ? -1 : 1);
    }
  }

  /** Type into the message box if no other control has the focus. @param {KeyboardEvent} event */
  #onKeyElsewhere(event) {
    const on = /** @type {HTMLElement} */ (event.target);
    const idle = on === document.body || on.id === "log";
    const types = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (idle && types && this.#box.offsetParent !== null) this.focus();
  }

  #onInput() {
    this.#measure();
    this.actions.draft(this.#input.value);
  }

  #measure() {
    setText(this.#error, "");
    const text = this.#input.value;
    // The length in UTF-16 units is never less than the count, so counting is rarely needed.
    const close = text.length > this.#max * COUNT_FROM;
    const left = close ? this.#max - countChars(cleanContent(text)) : this.#max;
    this.#counter.hidden = !close || left > this.#max * (1 - COUNT_FROM);
    setText(this.#counter, this.#counter.hidden ? "" : left >= 0 ? `${left} left` : `${-left} too many`);
    this.#counter.classList.toggle("over", left < 0);
    this.#input.setAttribute("aria-invalid", String(left < 0));
    this.#send.disabled = !text.trim() || left < 0;
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight + 2}px`;
  }
}
