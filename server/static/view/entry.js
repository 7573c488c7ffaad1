import { live } from "../vendor/lit-html/directives/live.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { Refused } from "../net/api.js";
import { parts } from "../words/format.js";
import { words } from "../words.js";
import { entry as texts } from "../words/entry.js";
import { EntryRooms, guestChips } from "./entry-rooms.js";
import { canFocus } from "./focus.js";
import { icon } from "./more-icons.js";

/**
 * The page where one comes in: a name and a room, or the ways to an account.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {"name"|"room"|"password"|""} Field "" is the form as a whole
 */

const LOGO = new URL("../icon.svg", import.meta.url).href;

export class EntryView {
  #box = /** @type {HTMLElement} */ (document.getElementById("entry-view"));
  /** What was typed, null for what is proposed. @type {{name: string | null, room: string | null, password: string}} */
  #typed = { name: null, room: null, password: "" };
  /** What is wrong with a field. @type {{field: Field, text: string} | null} */ #wrong = null;
  /** The refusal that was shown last: it goes when something is typed. @type {State["entryError"]} */ #shown = null;
  /** The room that there is not, until one is created or the name changed: by typing errors rooms are not made. */ #missing = "";
  /** Whether the password of that room is asked for. */ #locked = false;
  /** Counts what was begun: an answer to what was given up changes nothing. */ #attempt = 0;
  #busy = false;
  #open = false;
  /** The public room that a link proposes. @type {import("./entry-rooms.js").Listed | undefined} */ #listed;

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    this.rooms = new EntryRooms(state, act, (room) => this.#choose(room));
  }

  draw() {
    const open = this.state.ui.view === "entry";
    const opening = open && !this.#open;
    this.#open = open;
    if (!open) return;
    if (opening) this.#begin();
    const { entryError } = this.state;
    const refused = entryError !== this.#shown ? entryError : null;
    this.#shown = entryError;
    if (refused) this.#wrong = { field: this.state.proven && refused.field === "name" ? "" : refused.field, text: refused.text };
    render(this.#template(), this.#box);
    if (refused) this.#focusWrong();
    else if (opening) this.#focus();
  }

  async #begin() {
    this.#busy = false;
    this.#unask();
    this.#typed = { name: null, room: null, password: "" };
    this.#listed = undefined;
    await this.act.account.askServer();
    if (!this.state.server.guests && !this.state.proven) return; // others may not read the list
    this.#describe(this.state.ui.proposed);
    await this.rooms.load();
  }

  /** Say what a link leads to. @param {string} proposed a room */
  async #describe(proposed) {
    if (!proposed) return;
    try {
      const { rooms } = await this.act.rooms.published(proposed);
      this.#listed = rooms.find(({ room }) => room === proposed);
      this.state.changed();
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // it can be entered nevertheless
    }
  }

  get #name() {
    return this.#typed.name ?? (this.state.ui.stranger || this.state.name);
  }

  get #room() {
    const [recent] = this.act.rooms.recent();
    return this.#typed.room ?? (this.state.ui.proposed || recent || texts.general);
  }

  #template() {
    const { account, proven, server, me } = this.state;
    const closed = !server.guests && !proven;
    const lead = closed ? texts.leadAccount : proven ? texts.leadSignedIn : texts.lead;
    return html`<div class="entry">
      <form id="entry" class="entry-form" novalidate @submit=${this.#submit} @input=${this.#onInput}>
        <img class="logo" src=${LOGO} alt="" width="56" height="56">
        <h1 tabindex="-1">${words.common.product}</h1>
        <p id="lead" class="lead">${lead}</p>
        <p id="entry-error" class="field-error entry-error" role="alert">${this.#textOf("") === lead ? "" : this.#textOf("")}</p>
        ${me && proven
          ? html`<p id="entry-as" class="entry-as"><span>${parts(texts.signedInAs, { name: html`<bdi id="entry-me" class="me-name">${me.name}</bdi>` })}</span>
              ${account ? html`<button id="entry-account" class="link" type="button" @click=${() => this.act.account.open("profile")}>${texts.account}</button>` : nothing}</p>`
          : nothing}
        ${proven || closed ? nothing : this.#nameField()}
        ${closed ? nothing : this.#field({ id: "room", label: texts.room, value: this.#room, hint: this.#hint() })}
        ${closed ? nothing : this.#missing ? this.#question() : this.#button()}
        ${proven
          ? nothing
          : html`<div id="entry-guest" class="links">
              <button id="entry-sign-in" class=${closed ? "primary" : "link"} type="button" @click=${() => this.act.account.open("signIn")}>${texts.signIn}</button>
              ${server.registration === "closed" ? nothing : html`<button id="entry-register" class="link" type="button" @click=${() => this.act.account.open("register")}>${texts.register}</button>`}
            </div>`}
      </form>
      ${closed ? nothing : this.rooms.template()}
    </div>`;
  }

  /** What the proposed room is, and the way back to one's own. */
  #hint() {
    const { room, title, topic, members = 0 } = this.#listed ?? { room: "" };
    const about = room === this.#room ? [title, topic, texts.members(members)].filter(Boolean) : [];
    if (this.#room !== this.state.ui.proposed) return nothing;
    return [about.map((text) => html`<bdi class="cut">${text}</bdi> `), html`<span class="cut">${texts.linked}</span>`];
  }

  /** A room of mine, if the page is connected. */
  get #mine() {
    const { rooms } = this.state;
    return [...this.act.rooms.recent(), ...rooms.keys()].find((name) => rooms.has(name));
  }

  #nameField() {
    const guests = this.state.guests.list();
    const name = this.#name;
    const { stranger } = this.state.ui;
    const again = !this.state.known && !this.#textOf("name") && guests.some((guest) => guest.name === name);
    return html`${this.#field({
      id: "name",
      label: texts.name,
      value: name,
      complete: "nickname",
      capitals: "words",
      hint: again ? texts.nameAgain : stranger && name === stranger ? texts.nameOfLink : nothing,
      button: again
        ? html`<button type="button" class="link" aria-label=${texts.forgetOf(name)} @click=${() => this.act.ui.dialog("signOut", { guest: name })}>${texts.forget}</button>`
        : nothing,
    })}
    ${guests.length > 1 || stranger ? guestChips(guests, name, (chosen) => this.#be(chosen)) : nothing}`;
  }

  /** @param {{id: Field, label: string, value: string, complete?: string, capitals?: string, type?: string, hint?: unknown, button?: unknown}} field */
  #field({ id, label, value, complete = "off", capitals = "none", type = "text", hint = nothing, button = nothing }) {
    const wrong = this.#textOf(id);
    return html`<div id="entry-${id}" class="field">
      <label for=${id}>${label}</label>
      <input id=${id} name=${id} type=${/** @type {any} */ (type)} .value=${live(value)} autocomplete=${/** @type {any} */ (complete)} autocapitalize=${capitals} spellcheck="false"
        maxlength="128" aria-invalid=${wrong ? "true" : nothing} aria-describedby="${id}-hint ${id}-error" dir="auto">
      ${hint === nothing ? nothing : html`<p class="field-hint"><span id="${id}-hint">${hint}</span>${button}</p>`}
      <p id="${id}-error" class="field-error" role="alert">${wrong}</p>
    </div>`;
  }

  #button() {
    const away = this.#busy && this.state.connection.name === "waiting";
    return html`<button id="join" class="primary" type="submit" aria-disabled=${this.#busy ? "true" : nothing}>${this.#busy ? texts.entering : texts.enter}</button>
      ${this.state.known && this.#mine ? html`<button type="button" class="button" @click=${() => this.act.rooms.show(/** @type {string} */ (this.#mine))}>${texts.notNow}</button>` : nothing}
      <p class="entry-away" role="status">${away ? texts.away : ""}</p>`;
  }

  #question() {
    const text = html`<p class="entry-missing" role="alert">${parts(texts.missing, { room: html`<bdi>${this.#missing}</bdi>` })}</p>`;
    if (this.#locked) {
      return html`${text}${this.#field({ id: "password", label: texts.password, value: this.#typed.password, type: "password" })}${this.#button()}`;
    }
    return html`${text}
      <div class="entry-choice">
        <button type="button" class="primary" @click=${() => this.#enter({ create: true })}>${texts.create(this.#missing)}</button>
        <button type="button" class="button" @click=${this.#unlock}>${icon("lock")}${texts.usePassword}</button>
      </div>`;
  }

  /** What is wrong with a field. @param {Field} field */
  #textOf(field) {
    return this.#wrong?.field === field ? this.#wrong.text : "";
  }

  // --- what a person does --------------------------------------------------------------------------------------------

  #onInput = (/** @type {Event} */ event) => {
    const { id, value } = /** @type {HTMLInputElement} */ (event.target);
    this.#typed[/** @type {"name"|"room"|"password"} */ (id)] = value;
    this.#wrong = null;
    this.#busy = false;
    this.#attempt += 1; // what is under way was for something else
    if (id !== "password") this.#unask();
    this.draw(); // at once: Enter may be the next key, and needs the button
  };

  #submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (this.#busy) return;
    // A link to a room makes it, and so does the name that is always proposed: those are no typing errors.
    const room = this.#room.normalize("NFC").trim();
    if (this.#locked) this.#enter({ password: this.#typed.password });
    else this.#enter({ create: room === this.state.ui.proposed || room === texts.general });
  };

  /** Be a guest that this browser knows. @param {string} name */
  #be(name) {
    this.#typed.name = this.#wrong = null;
    this.state.ui.stranger = "";
    this.act.account.choose(name);
  }

  /** Enter a room of a list. @param {string} room */
  #choose(room) {
    this.#typed.room = room;
    this.#unask();
    this.#enter({});
  }

  /** What was asked about a room that there is not is settled. */
  #unask() {
    this.#missing = "";
    this.#locked = false;
  }

  #unlock = () => {
    this.#locked = true;
    this.state.changed();
    requestAnimationFrame(() => this.#input("password")?.focus());
  };

  /** @param {{create?: boolean, password?: string}} how */
  async #enter(how) {
    const [name, room] = [this.#name, this.#room].map((text) => text.normalize("NFC").trim());
    if (!name && !this.state.proven) return this.#refuse("name", texts.nameMissing);
    if (!room) return this.#refuse("room", texts.roomMissing);
    if (how.password === "") return this.#refuse("password", texts.passwordMissing);
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#busy = true;
    this.#wrong = null;
    this.state.changed();
    try {
      await this.act.account.enter(name, room, how);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (attempt === this.#attempt) this.#explain(error, room, how);
    }
    if (attempt !== this.#attempt) return undefined;
    this.#busy = false;
    return this.state.changed();
  }

  /** @param {Refused} error @param {string} room @param {{create?: boolean, password?: string}} how */
  #explain(error, room, { create, password }) {
    if (error.fields.name) this.#refuse("name", error.fields.name);
    else if (error.code !== "no_such_room") this.#refuse(error.code && !this.state.entryError ? "room" : "", error.message);
    else if (password !== undefined) this.#refuse("password", texts.passwordWrong);
    else {
      this.#missing = room;
      if (create) return this.#unlock(); // it would have been made
      this.#input("room")?.focus();
    }
  }

  /** @param {Field} field @param {string} text */
  #refuse(field, text) {
    this.#wrong = { field, text };
    render(this.#template(), this.#box);
    this.#focusWrong();
  }

  // --- focus ---------------------------------------------------------------------------------------------------------

  /** @param {Field} id */
  #input(id) {
    return id ? /** @type {HTMLInputElement | null} */ (this.#box.querySelector(`#${id}`)) : null;
  }

  #focus() {
    const name = this.#input("name");
    const { ui } = this.state;
    const field = name && !name.value ? name : this.#box.querySelector("#join, #entry-sign-in");
    const first = ui.unasked ? this.#box.querySelector("h1") : field;
    ui.unasked = false;
    if (canFocus(first)) first.focus();
  }

  #focusWrong() {
    const input = this.#wrong && this.#input(this.#wrong.field);
    input?.focus();
    input?.select();
  }
}
