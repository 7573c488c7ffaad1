import { html } from "../../vendor/lit-html/lit-html.js";
import { settings as words } from "../../words/settings.js";
import { IS_MAC } from "../shortcuts.js";
import { choices } from "./parts.js";

/** @param {import("./dialog.js").Context} context @returns {() => unknown} */
export function writing({ state, act }) {
  const hints = IS_MAC ? { ...words.enterHints, line: words.enterHintMac } : words.enterHints;
  return () => html`
    ${choices("enter", words.enter, Object.entries(words.enters), state.settings.get("enter"), (value) => act.settings.set("enter", value), hints)}
    <p><button type="button" class="link" @click=${() => act.ui.dialog("help")}>${words.shortcuts}</button></p>`;
}
