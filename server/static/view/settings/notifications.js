import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { settings as words } from "../../words/settings.js";
import { askPermission, chime, permission } from "../notify.js";
import { choices, toggle } from "./parts.js";

/**
 * @typedef {import("../../state/types.js").Level} Level
 */

/** @param {import("./dialog.js").Context} context @returns {() => unknown} */
export function notifications({ state, act, redraw }) {
  const { settings } = state;

  /** @param {boolean} on */
  async function setDesktop(on) {
    const allowed = on && (await askPermission()) === "granted"; // a click has led here, or the browser would not ask
    act.settings.set("desktop", allowed);
    redraw();
  }

  /** @param {boolean} on */
  function setSound(on) {
    act.settings.set("sound", on);
    if (on) chime({ now: true });
  }

  /** @param {string} text */
  function setKeywords(text) {
    const words = text.normalize("NFC").split(",").map((each) => each.trim()).filter(Boolean);
    act.settings.set("keywords", [...new Set(words)].slice(0, 50));
  }

  return () => {
    const allowed = permission();
    return html`
      ${toggle("desktop", words.desktop, settings.get("desktop") && allowed === "granted", setDesktop, words.desktopHints[allowed])}
      ${toggle("sound", words.sound, settings.get("sound"), setSound)}
      ${settings.get("sound") ? html`<p><button type="button" class="link" @click=${() => chime({ now: true })}>${words.tryOut}</button></p>` : nothing}
      ${choices("notify", words.notify, Object.entries(words.levels), settings.get("notify"), (value) => act.settings.set("notify", value))}
      <p class="field-hint">${words.notifyHint}</p>
      <div class="field">
        <label for="setting-keywords">${words.keywords}</label>
        <input id="setting-keywords" type="text" autocomplete="off" autocapitalize="none" maxlength="1000" dir="auto" aria-describedby="setting-keywords-hint"
          .value=${settings.get("keywords").join(", ")} @change=${(/** @type {any} */ event) => setKeywords(event.target.value)}>
        <p id="setting-keywords-hint" class="field-hint">${words.keywordsHint}</p>
      </div>
      ${exceptions()}`;
  };

  function exceptions() {
    const differing = [...state.rooms.values()].filter((room) => Object.hasOwn(settings.get("levels"), room.name));
    return html`<div class="field">
      <h4 class="label">${words.exceptions}</h4>
      ${differing.length ? nothing : html`<p class="field-hint">${words.noExceptions}</p>`}
      <ul class="settings-list">${repeat(differing, (room) => room.name, exception)}</ul>
    </div>`;
  }

  /** @param {import("../../state/room.js").Room} room */
  function exception(room) {
    const levels = /** @type {[Level, string][]} */ (Object.entries(words.levels)).filter(([level]) => level !== "mentions" || !room.direct);
    return html`<li>
      <span class="cut"><bdi>${room.title}</bdi></span>
      <select class="input" aria-label=${words.levelOf(room.title)} @change=${(/** @type {any} */ event) => act.rooms.setLevel(room.name, event.target.value)}>
        ${levels.map(([level, label]) => html`<option value=${level} ?selected=${state.levelOf(room) === level}>${label}</option>`)}
      </select>
      <button type="button" class="link" aria-label=${words.resetOf(room.title)} @click=${() => act.rooms.setLevel(room.name, null)}>${words.reset}</button>
    </li>`;
  }
}
