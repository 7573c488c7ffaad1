import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { emoji as words } from "../words/completion.js";
import { RECENT, USUAL, emojiGroups, findEmoji, loadEmoji, toned, used } from "./emoji.js";

/**
 * All emoji, a group at a time: 1,900 of them at once would cost more than the rest of the page. Arrow keys move within
 * the grid, Enter chooses: from the search field, which keeps the focus, and from the grid, which Tab reaches after the
 * groups.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("./emoji.js").Emoji} Emoji
 * @typedef {{pick: (emoji: string) => void, closed?: () => void}} Options `closed`: where the focus goes then; by default
 *   back to the button
 */

const COLUMNS = 8;
const MOST = 80; // results of a search
const SIGNS = /** @type {Record<string, string>} */ ({
  recent: "🕘",
  "smileys-emotion": "😀",
  "people-body": "👋",
  "animals-nature": "🐻",
  "food-drink": "🍎",
  "travel-places": "✈️",
  activities: "⚽",
  objects: "💡",
  symbols: "🔣",
  flags: "🏁",
});
const HAND = { emoji: "✋", label: "", codes: [], words: "", tones: true };

/** @type {Picker | null} */ let open = null;

/** @param {HTMLElement} anchor @param {State} state @param {any} act @param {Options} options */
export function openEmojiPicker(anchor, state, act, options) {
  const same = open?.anchor === anchor;
  open?.close();
  if (!same) open = new Picker(anchor, state, act, options);
}

class Picker {
  #box = document.createElement("div");
  #typed = "";
  #group = "recent";
  /** The emoji that the arrow keys have reached, -1 for none. */
  #active = -1;
  #failed = false;

  /** @param {HTMLElement} anchor @param {State} state @param {any} act @param {Options} options */
  constructor(anchor, state, act, options) {
    this.anchor = anchor;
    this.state = state;
    this.act = act;
    this.options = options;
    Object.assign(this.#box, { id: "emoji-picker", className: "emoji-picker", popover: "auto" });
    this.#box.setAttribute("role", "dialog");
    this.#box.setAttribute("aria-label", words.label);
    this.#box.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === "closed") this.#onClosed();
    });
    (anchor.closest("dialog") ?? document.body).append(this.#box);
    this.#draw();
    this.#box.showPopover();
    this.#place();
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.#field.focus();
    else this.#box.focus();
    loadEmoji()
      .catch(() => { this.#failed = true; }) // says so in the grid
      .finally(() => this.#draw());
  }

  close() {
    if (this.#box.isConnected) this.#box.hidePopover();
  }

  #onClosed() {
    const focused = document.activeElement;
    const had = this.#box.contains(focused) || focused === document.body || focused === this.anchor;
    this.#box.remove();
    if (open === this) open = null;
    if (!had) return;
    if (this.options.closed) this.options.closed();
    else this.anchor.focus({ preventScroll: true });
  }

  /** @returns {HTMLInputElement} */
  get #field() {
    return /** @type {HTMLInputElement} */ (this.#box.querySelector("input"));
  }

  /** @returns {HTMLElement} */
  get #grid() {
    return /** @type {HTMLElement} */ (this.#box.querySelector("#emoji-grid"));
  }

  /** What is in the grid: a group, or what a search has found. @returns {Emoji[]} */
  get #shown() {
    const recent = this.state.settings.get("emoji");
    if (this.#typed.trim()) return findEmoji(this.#typed, MOST, recent);
    const groups = emojiGroups();
    if (this.#group !== "recent") return groups.find(({ name }) => name === this.#group)?.emoji ?? [];
    const all = groups.flatMap(({ emoji }) => emoji);
    const known = [...new Set([...recent, ...USUAL])];
    const used = known.slice(0, Math.min(RECENT, known.length - (known.length % COLUMNS)));
    // Whole rows of them, then the first group, so that there is something to choose from.
    return [...used.map((sign) => all.find(({ emoji }) => emoji === sign) ?? { ...HAND, emoji: sign, label: sign, tones: false }), ...(groups[0]?.emoji ?? [])];
  }

  /** What Enter takes. */
  get #chosen() {
    const shown = this.#shown;
    return shown[this.#active] ?? (this.#typed.trim() ? shown[0] : undefined);
  }

  /** @param {Emoji} emoji */
  #pick(emoji) {
    const sign = toned(emoji, this.state.settings.get("tone"));
    this.act.settings.set("emoji", used(this.state.settings.get("emoji"), sign));
    this.close();
    this.options.pick(sign);
  }

  // --- drawing -------------------------------------------------------------------------------------------------------

  #draw() {
    if (!this.#box.isConnected) return;
    const shown = this.#shown;
    const tone = this.state.settings.get("tone");
    const groups = emojiGroups();
    const names = Object.keys(SIGNS);
    const title = this.#typed.trim() ? words.results : this.#title(this.#group);
    const active = this.#chosen;
    const rows = Array.from({ length: Math.ceil(shown.length / COLUMNS) }, (_, row) => shown.slice(row * COLUMNS, (row + 1) * COLUMNS));
    render(html`
      <div class="emoji-head">
        <input class="input" type="search" role="combobox" aria-label=${words.search} placeholder=${words.search} autocomplete="off"
               autocapitalize="none" spellcheck="false" enterkeyhint="done" aria-autocomplete="list" aria-haspopup="grid"
               aria-expanded="true" aria-controls="emoji-grid"
               aria-activedescendant=${this.#active >= 0 ? `emoji-${this.#active}` : nothing}
               @input=${() => this.#onInput()} @keydown=${(/** @type {KeyboardEvent} */ event) => this.#onKey(event)}>
        <select class="emoji-tone" aria-label=${words.tone} title=${words.tone} @change=${(/** @type {Event} */ event) => this.#onTone(event)}>
          ${words.tones.map((name, index) => html`<option value=${index} ?selected=${index === tone} aria-label=${name}>${toned(HAND, index)}</option>`)}
        </select>
      </div>
      <div class="emoji-tabs" role="tablist" aria-label=${words.label} @keydown=${(/** @type {KeyboardEvent} */ event) => this.#onTabKey(event, names)}>
        ${names.map((name) => {
          const chosen = name === this.#group && !this.#typed.trim();
          return html`<button type="button" role="tab" class="emoji-tab" aria-label=${this.#title(name)} title=${this.#title(name)}
            aria-selected=${chosen} tabindex=${chosen || (this.#typed.trim() && name === names[0]) ? 0 : -1} data-group=${name}
            @click=${() => this.#choose(name)}>${SIGNS[name]}</button>`;
        })}
      </div>
      <div class="emoji-scroll" role="tabpanel" aria-label=${title}>
        <div id="emoji-grid" role="grid" aria-label=${title} tabindex=${shown.length ? 0 : -1}
             aria-activedescendant=${this.#active >= 0 ? `emoji-${this.#active}` : nothing} @focus=${() => this.#onGridFocus()}
             @keydown=${(/** @type {KeyboardEvent} */ event) => this.#onKey(event)} @click=${(/** @type {Event} */ event) => this.#onClick(event, shown)}>
          ${rows.map((row, y) => html`<div class="emoji-row" role="row">${row.map((emoji, x) => {
            const index = y * COLUMNS + x;
            return html`<span class="emoji-cell" role="gridcell" id="emoji-${index}" data-index=${index} aria-label=${emoji.label}
              title=${`:${emoji.codes[0] ?? emoji.label}:`} aria-selected=${index === this.#active}>${toned(emoji, tone)}</span>`;
          })}</div>`)}
        </div>
        ${shown.length ? nothing : html`<p class="emoji-none" role="status">${this.#failed ? words.failed : groups.length ? words.none : words.loading}</p>`}
      </div>
      <p class="emoji-name cut" aria-hidden="true">${active ? html`${toned(active, tone)} ${active.label}` : title}</p>`, this.#box);
    this.#box.querySelector(`#emoji-${this.#active}`)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} name */
  #title(name) {
    return name === "recent" ? words.recent : words.groups[/** @type {keyof typeof words.groups} */ (name)];
  }

  /** Above the button if there is space, within the window; a narrow page shows it at its lower edge (CSS). */
  #place() {
    const { width, height } = this.#box.getBoundingClientRect();
    const near = this.anchor.getBoundingClientRect();
    const top = near.top - height - 6 > 8 ? near.top - height - 6 : Math.min(near.bottom + 6, innerHeight - height - 8);
    const left = Math.max(8, Math.min(near.right - width, innerWidth - width - 8));
    this.#box.style.setProperty("--top", `${Math.max(8, top)}px`);
    this.#box.style.setProperty("--left", `${left}px`);
  }

  // --- what a person does --------------------------------------------------------------------------------------------

  #onInput() {
    this.#typed = this.#field.value;
    this.#active = -1;
    this.#draw();
  }

  /** @param {string} group */
  #choose(group) {
    this.#group = group;
    this.#field.value = this.#typed = "";
    this.#active = -1;
    this.#draw();
    this.#box.querySelector(".emoji-scroll")?.scrollTo(0, 0);
  }

  /** @param {Event} event @param {Emoji[]} shown */
  #onClick(event, shown) {
    const cell = /** @type {HTMLElement} */ (event.target).closest("[data-index]");
    if (cell instanceof HTMLElement) this.#pick(shown[Number(cell.dataset.index)]);
  }

  /** @param {Event} event */
  #onTone(event) {
    this.act.settings.set("tone", Number(/** @type {HTMLSelectElement} */ (event.target).value));
    this.#draw();
  }

  /** Who tabs to the grid sees where the arrow keys begin. A click must not scroll what it is meant for away. */
  #onGridFocus() {
    if (this.#active >= 0 || !this.#grid.matches(":focus-visible")) return;
    this.#active = 0;
    this.#draw();
  }

  /** Of the search field and of the grid. @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.isComposing || event.keyCode === 229 || event.altKey) return;
    const shown = this.#shown;
    if (event.key === "Escape") return this.close(); // by itself it would only empty the field
    const fromGrid = event.currentTarget === this.#grid;
    if (event.key === "Enter" || (event.key === " " && fromGrid)) {
      event.preventDefault();
      // Whoever types faster than the table arrives gets what was meant.
      const pick = () => this.#box.isConnected && this.#chosen && this.#pick(this.#chosen);
      if (emojiGroups().length) pick();
      else loadEmoji().then(pick, () => {}); // that it failed is said in the grid
      return;
    }
    const inGrid = this.#active >= 0;
    const step = { ArrowDown: inGrid ? COLUMNS : 1, ArrowUp: -COLUMNS, ArrowRight: inGrid ? 1 : 0, ArrowLeft: inGrid ? -1 : 0 }[event.key];
    if (!step || !shown.length) return;
    event.preventDefault();
    const next = this.#active + (getComputedStyle(this.#box).direction === "rtl" && Math.abs(step) === 1 && inGrid ? -step : step);
    if (next < 0) {
      this.#active = -1; // back to the text
      this.#field.focus();
    } else if (next < shown.length) this.#active = next;
    else if (event.key === "ArrowDown") this.#active = shown.length - 1;
    this.#draw();
  }

  /** @param {KeyboardEvent} event @param {string[]} names */
  #onTabKey(event, names) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = names.indexOf(this.#group);
    const name = names[(at + step + names.length) % names.length];
    this.#choose(name);
    /** @type {HTMLElement | null} */ (this.#box.querySelector(`[data-group="${name}"]`))?.focus();
  }
}
