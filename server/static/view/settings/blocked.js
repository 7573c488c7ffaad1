import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { Refused } from "../../net/api.js";
import { settings as words } from "../../words/settings.js";
import { words as common } from "../../words.js";
import { avatar } from "../avatar.js";
import { mark } from "../names.js";

/** The users whom I block. @param {import("./dialog.js").Context} context @returns {() => unknown} */
export function blockedUsers({ state, act, redraw }) {
  let error = "";
  let asked = false;

  /** @param {() => Promise<unknown>} work */
  async function attempt(work) {
    try {
      error = "";
      await work();
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      error = problem.message;
    }
    redraw();
  }

  return () => {
    if (!state.account) return html`<p>${words.blockedGuest}</p>`;
    if (!asked) {
      asked = true;
      attempt(() => act.people.blocked()); // another device may have changed them
    }
    const users = [...state.blocked].map((id) => ({ id, name: state.names.get(id) ?? id }));
    return html`
      <p>${words.blockedHint}</p>
      <p class="field-hint" role="status">${users.length ? words.blockedCount(users.length) : words.blockedNone}</p>
      <ul class="settings-list">${repeat(users, ({ id }) => id, (user) => html`<li>
        ${avatar(user)}<span class="cut"><bdi>${user.name}</bdi> ${mark(user.id)}</span>
        <button type="button" class="button small" aria-label=${words.unblockOf(user.name)} @click=${() => attempt(() => act.people.unblock(user.id))}>${words.unblock}</button>
      </li>`)}</ul>
      ${error ? html`<p class="field-error" role="alert">${error}
        <button type="button" class="link" @click=${() => attempt(() => act.people.blocked())}>${common.common.retry}</button></p>` : nothing}`;
  };
}
