/**
 * The text box of one room. Each room has an element of its own: what was typed for one room, what an input method is
 * composing and what Ctrl+Z brings back can never get into the box of another.
 */
export class MessageBox {
  /** The draft as this box last read or wrote it. */
  saved = "";
  /** What was typed here, "" if another tab has written what the box shows. */
  own = "";
  /** What is edited in this box; its draft is put aside meanwhile. @type {import("../state/types.js").Edit | null} */
  editing = null;
  /** What is wrong with what was typed, as a sentence. */
  error = "";
  /** Whether a change is on its way to the server. */
  busy = false;
  composing = false;

  /** Of the room, whose name the server may spell in another way. */ #room;

  /** @param {import("../state/room.js").Room} room */
  constructor(room) {
    this.#room = room;
    this.input = document.createElement("textarea");
    Object.assign(this.input, { id: "message", rows: 1, dir: "auto", autocomplete: "off" });
    this.input.setAttribute("aria-describedby", "composer-error counter composer-hint");
    this.input.addEventListener("compositionstart", () => { this.composing = true; });
    this.input.addEventListener("compositionend", () => { this.composing = false; });
    // A dialog that closes gives the focus back, but leaves the caret elsewhere: keys would do nothing.
    this.input.addEventListener("focus", () => {
      const { selectionStart, selectionEnd, selectionDirection } = this.input;
      this.input.setSelectionRange(selectionStart, selectionEnd, selectionDirection);
    });
    if (!CSS.supports("field-sizing", "content")) this.#measureAlways();
  }

  get room() {
    return this.#room.name;
  }

  get text() {
    return this.input.value;
  }

  /** Show another text; the caret goes to its end. @param {string} text */
  show(text) {
    if (this.input.value === text) return;
    this.input.value = text;
    this.input.setSelectionRange(text.length, text.length);
    this.#measure();
  }

  /**
   * Write text as if it had been typed: Ctrl+Z takes it back, and `input` is told. Without the focus, which a box out of sight
   * cannot have, the browser would write into what has it.
   * @param {string} text @param {number} [start] @param {number} [end] what it replaces; by default the selection
   */
  insert(text, start = this.input.selectionStart, end = this.input.selectionEnd) {
    if (this.composing) this.input.blur(); // the input method must finish first
    this.input.focus({ preventScroll: true });
    this.input.setSelectionRange(start, end);
    if (document.activeElement === this.input && document.execCommand("insertText", false, text)) return;
    this.input.setRangeText(text, start, end, "end");
    this.input.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }

  /** Where the browser does not fit the height to the text, this does, whenever text, width or type change. */
  #measureAlways() {
    this.input.classList.add("measured");
    this.input.addEventListener("input", () => this.#measure());
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) return; // only the height has changed, by this
      width = contentRect.width;
      this.#measure();
    }).observe(this.input);
  }

  #measure() {
    if (!this.input.classList.contains("measured")) return;
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight}px`;
  }
}
