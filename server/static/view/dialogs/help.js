import { html } from "../../vendor/lit-html/lit-html.js";
import { dialogs as words } from "../../words/dialogs.js";
import { IS_MAC } from "../shortcuts.js";

/** The list of keyboard shortcuts. @returns {import("../host.js").Part} */
export function open() {
  const name = (/** @type {string} */ key) => (key === "Mod" ? (IS_MAC ? "⌘" : "Ctrl") : key === "Alt" && IS_MAC ? "⌥" : key);
  // "Page up" is one key, "Mod K" are two.
  const keys = (/** @type {string} */ text) => (text.startsWith("Page") ? [text] : text.split(" ")).map((key) => html`<kbd>${name(key)}</kbd>`);
  return {
    title: () => words.helpTitle,
    // It can have the focus, so that the keyboard scrolls it.
    draw: () => html`<div class="help" role="group" aria-label=${words.helpTitle} tabindex="0">${words.helpGroups.map(
      (group) => html`<section class="help-group">
        <h3>${group.title}</h3>
        <dl class="help-keys">${Object.entries(group.keys).map(([key, what]) => html`<div><dt>${keys(key)}</dt><dd>${what}</dd></div>`)}</dl>
      </section>`,
    )}</div>`,
  };
}
