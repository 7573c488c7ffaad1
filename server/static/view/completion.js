import { Refused } from "../net/api.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { completion as words } from "../words/completion.js";
import { emojiOf, loadEmoji, toned, used } from "./emoji.js";
import { mark } from "./names.js";
import { suggest, suggestMore } from "./suggest.js";
import { shortCodeAt, tokenAt } from "./token.js";

/** So long nobody types on: the server is asked. */
const PAUSE = 200;

/** Short codes, but not in times and addresses. */
const CODES = /(?<![\p{L}\p{N}:/]):([a-z0-9_+-]+):(?![\p{L}\p{N}:/])/giu;
const CODE = /(```[^]*?(?:```|$)|(?<!`)(?:``[^\n]+?``|`[^`\n]+`)(?!`))/;

/**
 * The list above the message box that completes what is typed, by the pattern of WAI-ARIA: the focus stays in the box.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("./box.js").MessageBox} MessageBox
 * @typedef {import("./suggest.js").Suggestion} Suggestion
 */
export class Completion {
  #list = document.createElement("ul");
  /** @type {MessageBox | null} */ #box = null;
  /** @type {import("./token.js").Token | null} */ #token = null;
  /** @type {Suggestion[]} */ #found = [];
  #active = 0;
  /** Whether a person has chosen one, rather than the first being offered. */
  #moved = false;
  /** Where the token begins that was dismissed with Escape: it is not completed again. */
  #dismissed = -1;
  #timer = 0;
  /** The short codes that became emoji while they were typed. @type {Set<string>} */ #replaced = new Set();
  /** Where the caret was at the last update. */
  #caret = 0;

  /** @param {State} state @param {any} act @param {HTMLElement} root */
  constructor(state, act, root) {
    this.state = state;
    this.act = act;
    Object.assign(this.#list, { id: "completion", className: "completion", hidden: true });
    this.#list.setAttribute("role", "listbox");
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
    root.append(this.#list);
    // The caret was moved without typing: what is before it now is something else.
    document.addEventListener("selectionchange", () => {
      if (this.#box && this.#box.input.selectionEnd !== this.#caret) this.close();
    });
  }

  /** What is in the box has changed. @param {MessageBox} box @param {boolean} typed rather than pasted, or undone */
  update(box, typed) {
    clearTimeout(this.#timer);
    const { selectionStart: caret, selectionEnd: end, value } = box.input;
    if (value.search(CODES) >= 0) loadEmoji().catch(() => []);
    const code = typed ? shortCodeAt(value, caret) : null;
    if (code) this.#replaceCode(box, code);
    const token = caret === end ? tokenAt(value, caret) : null;
    const room = this.state.rooms.get(box.room);
    if (token?.start !== this.#dismissed) this.#dismissed = -1;
    if (!token || !room || this.#dismissed >= 0) return this.close();
    if (token.start !== this.#token?.start || token.kind !== this.#token?.kind) this.#moved = false;
    [this.#box, this.#token, this.#caret] = [box, token, caret];
    this.#show(suggest(token, this.state, room));
    const more = async () => {
      const found = await suggestMore(token, this.state, this.act, room)?.catch((/** @type {unknown} */ error) => {
        if (!(error instanceof Refused || error instanceof TypeError)) throw error;
        return null; // there is no connection: what is known is shown
      });
      if (found && this.#token === token) this.#show(found);
    };
    this.#timer = setTimeout(more, token.kind === "emoji" ? 0 : PAUSE);
  }

  /** A message as it is sent: short codes that were pasted, or typed too fast, are emoji; not in code, nor if that was undone.
   * @param {string} text */
  sent(text) {
    const undone = this.#replaced;
    this.#replaced = new Set();
    const emoji = (/** @type {string} */ all, /** @type {string} */ code) => {
      const found = undone.has(code) ? undefined : emojiOf(code);
      return found ? toned(found, this.state.settings.get("tone")) : all;
    };
    return text.split(CODE).map((part, i) => (i % 2 ? part : part.replaceAll(CODES, emoji))).join("");
  }

  close() {
    clearTimeout(this.#timer);
    this.#token = null;
    this.#show([]);
    this.#box = null;
  }

  /** A key in the box. @param {KeyboardEvent} event @returns {boolean} whether it was meant for the list */
  onKey(event) {
    if (this.#list.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "Escape") {
      const start = this.#token?.start ?? -1;
      this.close();
      this.#dismissed = start;
      return true;
    }
    if (event.shiftKey) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.#moved = true;
      const count = this.#found.length;
      this.#activate((this.#active + (event.key === "ArrowDown" ? 1 : count - 1)) % count);
      return true;
    }
    if (event.key === "Tab") return this.#accept(this.#active);
    // What is complete already is sent: nobody has to press Enter twice.
    return event.key === "Enter" && (this.#moved || !this.#complete) && this.#accept(this.#active);
  }

  /** Whether the box has what would be written. */
  get #complete() {
    const { input } = /** @type {MessageBox} */ (this.#box);
    const typed = input.value.slice(this.#token?.start, input.selectionStart);
    return this.#found.some(({ text }) => text.trim() === typed);
  }

  /** @param {number} index */
  #accept(index) {
    const [box, token, { text, sign }] = [this.#box, this.#token, this.#found[index]];
    if (!box || !token) return false;
    const { selectionStart: caret, value } = box.input;
    if (token.kind === "emoji") this.act.settings.set("emoji", used(this.state.settings.get("emoji"), sign));
    this.close();
    box.insert(/^\s/.test(value.slice(caret)) ? text.trimEnd() : text, token.start, caret);
    return true;
  }

  /** `:tada:` becomes the emoji as soon as it is whole. @param {MessageBox} box @param {import("./token.js").Token} code */
  async #replaceCode(box, code) {
    const typed = box.text;
    await loadEmoji().catch(() => []); // not loaded: it stays as it is typed
    const emoji = emojiOf(code.typed);
    const end = code.start + code.typed.length + 2;
    if (!emoji || box.text !== typed) return;
    this.#replaced.add(code.typed);
    box.insert(toned(emoji, this.state.settings.get("tone")), code.start, end);
  }

  /** @param {Suggestion[]} found */
  #show(found) {
    const kept = this.#moved ? found.findIndex(({ text }) => text === this.#found[this.#active]?.text) : 0;
    this.#found = found;
    this.#active = Math.max(0, kept);
    this.#list.hidden = !found.length;
    if (this.#token) this.#list.setAttribute("aria-label", words.label[this.#token.kind]);
    render(found.map((each, index) => this.#option(each, index)), this.#list);
    this.#activate(this.#active);
  }

  /** @param {Suggestion} suggestion @param {number} index */
  #option({ name, hint, sign, id, here }, index) {
    return html`<li role="option" id="completion-${index}" class="completion-option" @click=${() => this.#accept(index)}
        @pointermove=${() => index !== this.#active && this.#activate(index)}>
      ${sign ? html`<span class="completion-sign" aria-hidden="true">${sign}</span>` : nothing}
      <span class="cut completion-name" dir="auto">${name}</span>${id ? mark(id) : nothing}
      ${hint ? html`<span class="cut completion-hint" dir="auto">${hint}</span>` : nothing}
      ${here ? html`<span class="completion-hint">${words.here}</span>` : nothing}
    </li>`;
  }

  /** @param {number} index */
  #activate(index) {
    this.#active = index;
    [...this.#list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    const input = this.#box?.input;
    if (!input) return;
    if (this.#list.hidden) for (const name of ["aria-controls", "aria-activedescendant"]) input.removeAttribute(name);
    else {
      input.setAttribute("aria-controls", "completion");
      input.setAttribute("aria-activedescendant", `completion-${index}`);
      this.#list.children[index]?.scrollIntoView({ block: "nearest" });
    }
  }
}
