import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { keyed } from "../vendor/lit-html/directives/keyed.js";
import { ref } from "../vendor/lit-html/directives/ref.js";
import { Refused } from "../net/api.js";
import { words } from "../words.js";

/**
 * A form: every field has a label and a place for what is wrong with it; what concerns the whole form is said above its
 * buttons.
 *
 * @typedef {Record<string, string>} Values
 * @typedef {{name: string, label: string, missing?: string, hint?: string, type?: string, value?: string, autocomplete?: string, inputmode?: string,
 *   maxlength?: number, options?: [value: string, label: string][], rows?: number, optional?: boolean, focus?: boolean,
 *   when?: (values: Values) => boolean}} Field `missing`: what is said if it is empty; `focus`: it gets the focus, and not the first field; `when`: whether it is
 *   shown, and sent; a checkbox has the value "on" or ""
 */

let made = 0;

export class Form {
  busy = false;
  /** @type {Values} */ values = {};
  /** What is wrong, by field; "" is the form. @type {Values} */ errors = {};
  #said = "";
  /** @type {HTMLFormElement | null} */ #element = null;
  #id = (made += 1);

  /**
   * @param {{fields: Field[], button: string, danger?: boolean, text?: unknown, username?: string, redraw: () => void, close?: () => void,
   *   cancel?: string, submit: (values: Values, form: Form) => Promise<unknown>}} options `username`: for password managers, where the form does
   *   not ask for it; `close`: what it stands in has a way out, and is closed after `submit`, which may throw `Refused`
   */
  constructor(options) {
    this.options = options;
    for (const field of options.fields) this.values[field.name] = field.value ?? "";
  }

  /** Focus the first field, or the first that is wrong. */
  focus() {
    const first = this.#element?.querySelector("[data-focus], input:not([hidden]), select, textarea, [type=submit]");
    if (!this.#focusWrong()) /** @type {HTMLElement | null | undefined} */ (first)?.focus();
  }

  /** Say what has happened. @param {string} text */
  say(text) {
    this.#said = text;
  }

  /** Empty it, as far as it holds secrets. */
  clear() {
    for (const { name, type } of this.options.fields) if (type === "password") this.values[name] = "";
  }

  /** @returns {Field[]} */
  shown() {
    return this.options.fields.filter(({ when }) => when?.(this.values) !== false);
  }

  /** @param {string} [other] the label of one more button @param {() => void} [choose] what that does */
  draw(other, choose) {
    const { button, danger, text, username, close } = this.options;
    // Another form in its place gets fields of its own, never those in which something was typed for this one.
    return keyed(this, html`<form class="form" novalidate @submit=${this.#send} ${ref((element) => (this.#element = /** @type {HTMLFormElement | null} */ (element ?? null)))}>
      ${text ? html`<p class="dialog-text">${text}</p>` : nothing}
      ${username ? html`<input type="text" autocomplete="username" .value=${username} readonly hidden>` : nothing}
      ${this.shown().map((field) => this.#field(field))}
      <p class="field-error" role="alert">${this.errors[""] ?? ""}</p>
      <div class=${close ? "dialog-buttons" : "buttons"}>
        ${other ? html`<button type="button" class="button other" @click=${choose}>${other}</button>` : nothing}
        ${close ? html`<button type="button" class="button" @click=${close}>${this.options.cancel ?? words.common.cancel}</button>` : nothing}
        <button type="submit" class="primary ${danger ? "danger" : ""}" aria-disabled=${this.busy ? "true" : nothing}>${button}</button>
      </div>
      ${close ? nothing : html`<p class="said" role="status">${this.#said}</p>`}
    </form>`);
  }

  /** @param {Field} field */
  #field(field) {
    const { name, label, hint } = field;
    const id = `form-${this.#id}-${name}`;
    const error = this.errors[name] ?? "";
    const about = hint ? `${id}-hint ${id}-error` : `${id}-error`;
    const below = html`${hint ? html`<p id="${id}-hint" class="field-hint">${hint}</p>` : nothing}<p id="${id}-error" class="field-error" role="alert">${error}</p>`;
    if (field.type === "checkbox") {
      return html`<div class="field">
        <label class="choice"><input id=${id} name=${name} type="checkbox" .checked=${this.values[name] === "on"} aria-describedby=${about}
          @change=${(/** @type {any} */ event) => this.#set(name, event.target.checked ? "on" : "")}><span>${label}</span></label>
        ${below}
      </div>`;
    }
    return html`<div class="field"><label for=${id}>${label}</label>${this.#control(field, id, about, error)}${below}</div>`;
  }

  /** @param {Field} field @param {string} id @param {string} about @param {string} error */
  #control({ name, type = "text", options, rows, autocomplete = "off", inputmode, maxlength = 1024, optional, focus }, id, about, error) {
    const value = this.values[name];
    const invalid = error ? "true" : nothing;
    const input = (/** @type {any} */ event) => this.#set(name, event.target.value);
    if (options) {
      return html`<select id=${id} name=${name} aria-describedby=${about} aria-invalid=${invalid} @change=${input}>
        ${options.map(([key, label]) => html`<option value=${key} ?selected=${key === value}>${label}</option>`)}
      </select>`;
    }
    if (rows) {
      return html`<textarea id=${id} name=${name} rows=${rows} maxlength=${maxlength} dir="auto" aria-describedby=${about} aria-invalid=${invalid}
        .value=${value} @input=${input}></textarea>`;
    }
    return html`<input id=${id} name=${name} type=${type} maxlength=${maxlength} autocomplete=${autocomplete} inputmode=${inputmode ?? nothing} autocapitalize="none"
      spellcheck="false" dir="auto" ?data-focus=${focus ?? false} aria-required=${optional ? nothing : "true"} aria-describedby=${about} aria-invalid=${invalid}
      .value=${value} @input=${input}>`;
  }

  /** @param {string} name @param {string} value */
  #set(name, value) {
    this.values[name] = value;
    this.errors = {};
    this.options.redraw();
  }

  #send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (this.busy) return;
    this.errors = {};
    this.#said = "";
    /** @type {Values} */ const values = {};
    for (const { name, label, missing, type, optional, options } of this.shown()) {
      // What a password manager has filled in counts as well, and some of them do not tell.
      if (type !== "checkbox") this.values[name] = /** @type {any} */ (this.#element?.elements.namedItem(name)).value;
      const value = type === "password" ? this.values[name] : this.values[name].normalize("NFC").trim();
      if (!value && !optional && !options && type !== "checkbox") this.errors[name] = missing ?? words.common.missing(label);
      values[name] = value;
    }
    if (Object.keys(this.errors).length) return this.#show();
    this.busy = true; // and not `disabled`, which would lose the focus
    this.options.redraw();
    try {
      await this.options.submit(values, this);
      this.options.close?.();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const shown = new Set(this.shown().map(({ name }) => name));
      const known = Object.entries(error.fields).filter(([name]) => shown.has(name));
      this.errors = known.length ? Object.fromEntries(known) : { "": error.message };
      this.#show();
    } finally {
      this.busy = false;
      this.options.redraw();
    }
  };

  /** Go on at a field that is shown now. @param {string} name */
  ask(name) {
    this.options.redraw();
    /** @type {any} */ (this.#element?.elements.namedItem(name))?.focus();
  }

  #show() {
    this.options.redraw();
    this.#focusWrong();
  }

  #focusWrong() {
    const wrong = /** @type {HTMLElement | null | undefined} */ (this.#element?.querySelector("[aria-invalid=true]"));
    wrong?.focus();
    return wrong;
  }
}
