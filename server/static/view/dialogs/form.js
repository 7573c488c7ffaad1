import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { ref } from "../../vendor/lit-html/directives/ref.js";
import { Refused } from "../../net/api.js";
import { words } from "../../words.js";

/**
 * A form in a dialog: every field has a label and a place for what is wrong with it; what concerns the whole form is said
 * above its buttons.
 *
 * @typedef {{name: string, label: string, hint?: string, type?: string, value?: string, autocomplete?: string,
 *   maxlength?: number, options?: [value: string, label: string][], rows?: number, optional?: boolean, focus?: boolean,
 *   when?: (values: Record<string, string>) => boolean}} Field `when`: whether it is shown; a checkbox has the value "on" or ""
 */

let made = 0;

export class DialogForm {
  busy = false;
  /** @type {Record<string, string>} */ values = {};
  /** What is wrong, by field; "" is the form. @type {Record<string, string>} */ errors = {};
  /** @type {HTMLFormElement | null} */ #element = null;
  #id = (made += 1);

  /**
   * @param {{fields: Field[], button: string, danger?: boolean, text?: unknown, redraw: () => void, close: () => void,
   *   submit: (values: Record<string, string>) => Promise<void>}} options `submit` may throw `Refused`; after it, the dialog is closed
   */
  constructor(options) {
    this.options = options;
    for (const field of options.fields) this.values[field.name] = field.value ?? "";
  }

  /** Focus the first field, or the first that is wrong. */
  focus() {
    const wrong = this.#element?.querySelector("[aria-invalid=true]");
    const first = this.#element?.querySelector("[data-focus], input, select, textarea, [type=submit]");
    /** @type {HTMLElement | null | undefined} */ (wrong ?? first)?.focus();
  }

  /** @param {string} [other] the label of one more button @param {() => void} [choose] what that does */
  draw(other, choose) {
    const { fields, button, danger, text, close } = this.options;
    return html`<form class="form" novalidate @submit=${this.#send} ${ref((element) => (this.#element = /** @type {HTMLFormElement | null} */ (element ?? null)))}>
      ${text ? html`<p class="dialog-text">${text}</p>` : nothing}
      ${fields.map((field) => (field.when?.(this.values) === false ? nothing : this.#field(field)))}
      <p class="field-error" role="alert">${this.errors[""] ?? ""}</p>
      <div class="dialog-buttons">
        ${other ? html`<button type="button" class="link other" @click=${choose}>${other}</button>` : nothing}
        <button type="button" class="button" @click=${close}>${words.common.cancel}</button>
        <button type="submit" class="primary ${danger ? "danger" : ""}" aria-disabled=${this.busy ? "true" : nothing}>${button}</button>
      </div>
    </form>`;
  }

  /** @param {Field} field */
  #field(field) {
    const { name, label, hint } = field;
    const id = `dialog-${this.#id}-${name}`;
    const error = this.errors[name] ?? "";
    const about = hint ? `${id}-hint ${id}-error` : `${id}-error`;
    const below = html`${hint ? html`<p id="${id}-hint" class="field-hint">${hint}</p>` : nothing}<p id="${id}-error" class="field-error" role="alert">${error}</p>`;
    if (field.type === "checkbox") {
      return html`<div class="field">
        <label class="choice"><input id=${id} type="checkbox" .checked=${this.values[name] === "on"} aria-describedby=${about}
          @change=${(/** @type {any} */ event) => this.#set(name, event.target.checked ? "on" : "")}><span>${label}</span></label>
        ${below}
      </div>`;
    }
    return html`<div class="field"><label for=${id}>${label}</label>${this.#control(field, id, about, error)}${below}</div>`;
  }

  /** @param {Field} field @param {string} id @param {string} about @param {string} error */
  #control({ name, type = "text", options, rows, autocomplete = "off", maxlength = 1024, optional, focus }, id, about, error) {
    const value = this.values[name];
    const invalid = error ? "true" : nothing;
    const input = (/** @type {any} */ event) => this.#set(name, event.target.value);
    if (options) {
      return html`<select id=${id} aria-describedby=${about} aria-invalid=${invalid} @change=${input}>
        ${options.map(([key, label]) => html`<option value=${key} ?selected=${key === value}>${label}</option>`)}
      </select>`;
    }
    if (rows) {
      return html`<textarea id=${id} rows=${rows} maxlength=${maxlength} dir="auto" aria-describedby=${about} aria-invalid=${invalid}
        .value=${value} @input=${input}></textarea>`;
    }
    return html`<input id=${id} name=${name} type=${type} maxlength=${maxlength} autocomplete=${autocomplete} autocapitalize="none" spellcheck="false" dir="auto"
      ?data-focus=${focus ?? false} aria-required=${optional ? nothing : "true"} aria-describedby=${about} aria-invalid=${invalid} .value=${value} @input=${input}>`;
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
    /** @type {Record<string, string>} */ const values = {};
    this.errors = {};
    for (const { name, label, type, optional, options, when } of this.options.fields) {
      if (when?.(this.values) === false) continue;
      const value = type === "password" ? this.values[name] : this.values[name].normalize("NFC").trim();
      if (!value && !optional && !options && type !== "checkbox") this.errors[name] = words.common.missing(label);
      values[name] = value;
    }
    if (Object.keys(this.errors).length) return this.#show();
    this.busy = true;
    this.options.redraw();
    try {
      await this.options.submit(values);
      this.options.close();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const known = Object.entries(error.fields).filter(([name]) => name in values);
      this.errors = known.length ? Object.fromEntries(known) : { "": error.message };
      this.#show();
    } finally {
      this.busy = false;
      this.options.redraw();
    }
  };

  #show() {
    this.options.redraw();
    this.focus();
  }
}
