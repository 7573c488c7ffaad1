import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { parts } from "../words/format.js";
import { words } from "../words.js";
import { canFocus } from "./focus.js";

/**
 * The page where one comes in: a name and a room, or the ways to an account.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {"name" | "room"} Field
 */

const LOGO = new URL("../icon.svg", import.meta.url).href;

export class EntryView {
  #box = /** @type {HTMLElement} */ (document.getElementById("entry-view"));
  /** What is wrong with a field, as far as this page can tell. @type {{field: Field, text: string} | null} */ #wrong = null;
  /** The refusal that was shown last: it goes when something is typed. @type {State["entryError"]} */ #shown = null;
  #open = false;

  /** @param {State} state @param {Actions} act @param {(name: string, room: string) => void} start */
  constructor(state, act, start) {
    this.state = state;
    this.act = act;
    this.start = start;
  }

  /** @param {boolean} open whether it is in front */
  draw(open) {
    const opening = open && !this.#open;
    this.#open = open;
    if (!open) return;
    const { entryError } = this.state;
    const refused = entryError !== this.#shown ? entryError : null;
    this.#shown = entryError;
    if (refused) this.#wrong = { field: refused.field === "room" || this.state.account ? "room" : "name", text: refused.text };
    const asked = new URLSearchParams(location.search);
    render(this.#template(this.state.name || (asked.get("u") ?? ""), asked.get("r") ?? ""), this.#box);
    if (refused) this.#focusWrong();
    else if (opening) this.#focus();
  }

  /** @param {string} name @param {string} room what is suggested: what was typed stays */
  #template(name, room) {
    const { account, server } = this.state;
    const closed = !server.guests && !account;
    return html`<form id="entry" class="entry" novalidate @submit=${this.#submit} @input=${this.#clear}>
      <img class="logo" src=${LOGO} alt="" width="56" height="56">
      <h1>${words.common.product}</h1>
      <p id="lead" class="lead">${closed ? words.entry.leadAccount : account ? words.entry.leadSignedIn : words.entry.lead}</p>
      ${account
        ? html`<p id="entry-as" class="entry-as"><span>${parts(words.entry.signedInAs, { name: html`<bdi id="entry-me" class="me-name">${name}</bdi>` })}</span>
            <button id="entry-account" class="link" type="button" @click=${() => this.act.account.open("profile")}>${words.entry.account}</button></p>`
        : nothing}
      ${account || closed ? nothing : this.#field("name", words.entry.name, name, "nickname", "words")}
      ${closed ? nothing : this.#field("room", words.entry.room, room || words.entry.general, "off", "none", words.entry.roomHint)}
      ${closed ? nothing : html`<button id="join" class="primary" type="submit">${words.entry.enter}</button>`}
      ${account
        ? nothing
        : html`<div id="entry-guest" class="links">
            <button id="entry-sign-in" class="link" type="button" @click=${() => this.act.account.open("signIn")}>${words.entry.signIn}</button>
            ${server.registration === "closed" ? nothing : html`<button id="entry-register" class="link" type="button" @click=${() => this.act.account.open("register")}>${words.entry.register}</button>`}
          </div>`}
    </form>`;
  }

  /** @param {Field} id @param {string} label @param {string} value @param {string} complete @param {string} capitals @param {string} [hint] */
  #field(id, label, value, complete, capitals, hint) {
    const wrong = this.#wrong?.field === id ? this.#wrong.text : "";
    return html`<div id="entry-${id}" class="field">
      <label for=${id}>${label}</label>
      <input id=${id} name=${id} value=${value} autocomplete=${/** @type {any} */ (complete)} autocapitalize=${capitals} spellcheck="false" maxlength="128"
        aria-invalid=${wrong ? "true" : nothing} aria-describedby="${id}-hint ${id}-error" dir="auto">
      <p id="${id}-hint" class="field-hint">${hint ?? nothing}</p>
      <p id="${id}-error" class="field-error" role="alert">${wrong}</p>
    </div>`;
  }

  #submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const value = (/** @type {Field} */ id) => (this.#input(id)?.value ?? "").normalize("NFC").trim();
    const name = value("name");
    this.#wrong = !name && !this.state.account ? { field: "name", text: words.entry.nameMissing } : null;
    if (!this.#wrong) this.start(name, value("room") || words.entry.general);
    this.state.changed();
    this.#focusWrong();
  };

  #clear = () => {
    if (!this.#wrong) return;
    this.#wrong = null;
    this.state.changed();
  };

  /** @param {Field} id */
  #input(id) {
    return /** @type {HTMLInputElement | null} */ (this.#box.querySelector(`#${id}`));
  }

  #focus() {
    const name = this.#input("name");
    const first = name && !name.value ? name : this.#box.querySelector("#join, #entry-sign-in");
    if (canFocus(first)) first.focus();
  }

  #focusWrong() {
    const input = this.#wrong && this.#input(this.#wrong.field);
    input?.focus();
    input?.select();
  }
}
