import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { words as page } from "../../words.js";
import { members as words } from "../../words/manage.js";
import { copy } from "../links.js";
import { when } from "../when.js";
import { Attempts } from "./rows.js";

/**
 * Invite links: make one, which is shown once; revoke those that are in use.
 *
 * @typedef {import("../../state/types.js").Invite} Invite
 */

/** @param {import("../host.js").Context} context @returns {() => unknown} */
export function links({ state, act, data, redraw }) {
  const { room: name } = data;
  const attempts = new Attempts(redraw);
  /** @type {Invite[]} */ let all = [];
  let [uses, seconds] = ["10", "604800"];
  let [made, copied] = ["", ""];
  const ask = () =>
    attempts.run("list", async () => {
      all = await act.moderation.links(name);
    });
  ask();

  const make = (/** @type {Event} */ event) => {
    event.preventDefault();
    return attempts.run("make", async () => {
      const link = await act.moderation.makeLink(name, { uses: Number(uses), seconds: Number(seconds) });
      all = [link, ...all];
      copied = "";
      // An operator who has set PUBLIC_URL knows better than this page where others find it.
      made = link.url ?? new URL(`#invite=${link.token}`, location.origin + location.pathname).href;
    });
  };

  async function copyLink() {
    copied = (await copy(made)) ? words.copied : words.notCopied;
    redraw();
  }

  const revoke = (/** @type {Invite} */ { id }) =>
    attempts.run(id, async () => {
      await act.moderation.revokeLink(id);
      all = all.filter((link) => link.id !== id);
    });

  /** @param {Invite} link */
  const row = (link) => html`<li class="found">
    <span class="found-words">
      <span class="found-title">${words.left(link.uses_left, link.uses)}</span>
      <span class="found-facts wraps"><span>${words.linkUntil(state.names.get(link.maker) ?? link.maker, when(link.until))}</span></span>
      ${attempts.said(link.id)}
    </span>
    <button type="button" class="button small" aria-disabled=${attempts.busy(link.id) ? "true" : nothing} @click=${() => revoke(link)}>${words.revoke}</button>
  </li>`;

  return () => html`
    <form class="form link-form" @submit=${make}>
      <p class="dialog-text">${words.linkLead}</p>
      <div class="field"><label for="link-uses">${words.uses}</label>
        <select id="link-uses" @change=${(/** @type {any} */ event) => (uses = event.target.value)}>
          ${words.usesChoices.map((n) => html`<option value=${n} ?selected=${String(n) === uses}>${words.times(n)}</option>`)}
        </select></div>
      <div class="field"><label for="link-valid">${words.valid}</label>
        <select id="link-valid" @change=${(/** @type {any} */ event) => (seconds = event.target.value)}>
          ${Object.entries(words.validChoices).map(([value, label]) => html`<option value=${value} ?selected=${value === seconds}>${label}</option>`)}
        </select></div>
      <button type="submit" class="primary" aria-disabled=${attempts.busy("make") ? "true" : nothing}>${words.makeLink}</button>
      ${attempts.said("make")}
    </form>
    ${made
      ? html`<div class="new-link">
          <label class="label" for="new-link">${words.newLink}</label>
          <div class="new-link-row"><input id="new-link" class="input" type="text" readonly dir="ltr" .value=${made} @focus=${(/** @type {any} */ event) => event.target.select()}>
            <button type="button" class="button" @click=${copyLink}>${words.copy}</button></div>
          <p class="field-hint" role="status">${copied || words.newLinkHint}</p>
        </div>`
      : nothing}
    <h3 class="dialog-heading">${words.links}</h3>
    ${attempts.said("list")}
    <ul class="dialog-list">
      ${repeat(all, (link) => link.id, row)}
    </ul>
    <p class="dialog-note" role="status" ?hidden=${all.length > 0}>${all.length || attempts.errors.has("list") ? "" : attempts.busy("list") ? page.common.loading : words.noLinks}</p>`;
}
