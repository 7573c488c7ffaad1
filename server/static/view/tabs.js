import { html, nothing } from "../vendor/lit-html/lit-html.js";

/**
 * Tabs, by the pattern of WAI-ARIA: arrow keys choose, Tab goes on to what the tab shows.
 *
 * @template {string} T
 * @param {{label: string, tabs: [key: T, label: string][], chosen: T, choose: (key: T) => void, panel: string}} options `panel`: the id
 *   of the element that shows the chosen one
 */
export function tabs({ label, tabs: all, chosen, choose, panel }) {
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const at = all.findIndex(([key]) => key === chosen);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const [key] = /** @type {[T, string]} */ (all.at(next % all.length));
    choose(key);
    const list = /** @type {Element} */ (event.currentTarget);
    /** @type {HTMLElement | null} */ (list.querySelector(`[data-tab="${key}"]`))?.focus();
  };
  return html`<div class="segments" role="tablist" aria-label=${label} @keydown=${onKey}>
    ${all.map(
      ([key, text]) => html`<button type="button" role="tab" class="segment" data-tab=${key} aria-selected=${key === chosen} aria-controls=${key === chosen ? panel : nothing}
        tabindex=${key === chosen ? 0 : -1} @click=${() => choose(key)}>${text}</button>`,
    )}
  </div>`;
}
