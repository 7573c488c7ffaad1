import { html } from "../../vendor/lit-html/lit-html.js";
import { settings as words } from "../../words/settings.js";
import { about } from "./about.js";
import { appearance } from "./appearance.js";
import { blockedUsers } from "./blocked.js";
import { notifications } from "./notifications.js";
import { writing } from "./writing.js";

/**
 * The settings, a section at a time. Each is used and kept as soon as it is changed, in all tabs of this browser.
 *
 * @typedef {import("../host.js").Context} Context
 * @typedef {{title: string, draw: () => unknown}} Section
 */

export const style = "settings";

/** @param {Context} context perhaps with `section`, the one to begin with @returns {import("../host.js").Part} */
export function open(context) {
  /** @type {Record<string, Section>} */
  const sections = {
    appearance: { title: words.appearance, draw: appearance(context) },
    notifications: { title: words.notifications, draw: notifications(context) },
    writing: { title: words.writing, draw: writing(context) },
    account: { title: words.account, draw: about(context) },
    blocked: { title: words.blocked, draw: blockedUsers(context) },
  };
  let front = context.data.section in sections ? context.data.section : "appearance";
  const show = (/** @type {string} */ name) => {
    front = name;
    context.redraw();
    document.querySelector(".settings-nav [aria-current='true']")?.scrollIntoView({ block: "nearest", inline: "center" });
  };
  return {
    title: () => words.title,
    kind: "settings tall",
    focus: () => /** @type {HTMLElement | null} */ (document.querySelector(".settings-nav [aria-current]"))?.focus(),
    draw: () => html`<div class="settings-frame">
      <nav class="settings-nav" aria-label=${words.sections}>
        ${Object.entries(sections).map(([name, { title }]) => html`<button type="button" class="settings-section"
          aria-current=${name === front ? "true" : "false"} @click=${() => show(name)}>${title}</button>`)}
      </nav>
      <section class="settings-body" aria-labelledby="settings-heading" tabindex="-1">
        <h3 id="settings-heading" class="settings-heading">${sections[front].title}</h3>
        ${sections[front].draw()}
      </section>
    </div>`,
  };
}
