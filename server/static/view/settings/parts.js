import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";

/** The controls of settings. */

/**
 * One of several values, as radio buttons.
 * @param {string} name @param {string} legend @param {[value: string, label: string][]} options
 * @param {string} value @param {(value: any) => void} choose @param {Record<string, string>} [hints] by value
 */
export function choices(name, legend, options, value, choose, hints = {}) {
  return html`<fieldset class="field settings-choices">
    <legend>${legend}</legend>
    ${options.map(([each, label]) => html`<label class="choice">
      <input type="radio" name="setting-${name}" value=${each} .checked=${live(each === value)} @change=${() => choose(each)}>
      <span>${label}${hints[each] ? html`<span class="field-hint">${hints[each]}</span>` : nothing}</span>
    </label>`)}
  </fieldset>`;
}

/**
 * On or off.
 * @param {string} name @param {string} label @param {boolean} on @param {(on: boolean) => void} choose
 * @param {unknown} [hint]
 */
export function toggle(name, label, on, choose, hint) {
  const id = `setting-${name}`;
  return html`<div class="field">
    <label class="choice"><input id=${id} type="checkbox" .checked=${live(on)} aria-describedby=${hint ? `${id}-hint` : nothing}
      @change=${(/** @type {any} */ event) => choose(event.target.checked)}><span>${label}</span></label>
    ${hint ? html`<p id="${id}-hint" class="field-hint">${hint}</p>` : nothing}
  </div>`;
}
