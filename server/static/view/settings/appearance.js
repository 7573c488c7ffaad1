import { html } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { number } from "../../words/format.js";
import { settings as words } from "../../words/settings.js";
import { timeText } from "../time.js";
import { choices } from "./parts.js";

const [SMALLEST, LARGEST, STEP] = [80, 150, 10];

/** @param {import("./dialog.js").Context} context @returns {() => unknown} */
export function appearance({ state, act }) {
  const { settings } = state;
  const clocks = /** @type {[string, string][]} */ ([["auto", words.clocks.auto], ["12", words.clocks.h12], ["24", words.clocks.h24]]);
  return () => {
    const size = words.percent(number(settings.get("fontSize")));
    return html`
      ${choices("theme", words.theme, Object.entries(words.themes), settings.get("theme"), (value) => act.settings.set("theme", value))}
      ${choices("density", words.density, Object.entries(words.densities), settings.get("density"), (value) => act.settings.set("density", value))}
      <div class="field">
        <label for="setting-font-size">${words.fontSize}</label>
        <div class="settings-range">
          <input id="setting-font-size" type="range" min=${SMALLEST} max=${LARGEST} step=${STEP} aria-valuetext=${size}
            .value=${live(String(settings.get("fontSize")))}
            @change=${(/** @type {any} */ event) => act.settings.set("fontSize", Number(event.target.value))}>
          <output for="setting-font-size">${size}</output>
        </div>
      </div>
      ${choices("clock", words.clock, clocks, settings.get("clock"), (value) => act.settings.set("clock", value))}
      <p class="field-hint">${words.clockNow(timeText(Date.now()))}</p>`;
  };
}
