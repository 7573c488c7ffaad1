import { html } from "../../vendor/lit-html/lit-html.js";
import { parts } from "../../words/format.js";
import { settings as words } from "../../words/settings.js";
import { icon } from "../more-icons.js";

/** The account: its own pages have the forms. @param {import("./dialog.js").Context} context @returns {() => unknown} */
export function about({ state, act, data, close }) {
  act.account.askServer(); // whether it sends mails: the page may have had no reason to ask
  /** @param {string} page @param {object} [options] */
  function go(page, options) {
    close();
    act.account.open(page, { ...options, from: { ...data, section: "account" } });
  }

  return () => {
    const { account, server } = state;
    if (!account) {
      return html`<p>${words.guest}</p>
        <div class="dialog-buttons settings-start">
          <button type="button" class="primary" @click=${() => go("signIn")}>${words.signIn}</button>
          ${server.registration === "closed" ? "" : html`<button type="button" class="button" @click=${() => go("register")}>${words.register}</button>`}
        </div>`;
    }
    /** @type {Record<string, boolean>} */ const has = { mail: server.mail, guests: state.guests.list().length > 0 };
    const pages = Object.entries(words.parts).filter(([part]) => has[part] ?? true);
    return html`<p>${parts(words.signedInAs, { name: html`<bdi class="label">${account.username}</bdi>` })}</p>
      <ul class="settings-links">${pages.map(([part, label]) => html`<li>
        <button type="button" class="settings-section" @click=${() => go("profile", { part })}>${label}${icon("chevron-right")}</button>
      </li>`)}</ul>`;
  };
}
