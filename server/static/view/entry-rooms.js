import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { Refused } from "../net/api.js";
import { entry as texts } from "../words/entry.js";
import { avatar } from "./avatar.js";
import { start } from "./beginning.js";
import { icon } from "./more-icons.js";

/**
 * What the entry page offers: the guests of this browser, the rooms that this person entered last, and those that everyone
 * can find.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {{room: string, title?: string, topic?: string, members?: number, online?: number}} Listed
 */

/** With more rooms than this there is a field to search in. */
const MANY = 6;
const RECENT = 5;
const PAUSE = 250; // ms after a keystroke

export class EntryRooms {
  /** @type {Listed[]} */ #found = [];
  #many = false;
  #q = "";
  /** Why there is no list. */ #error = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {State} state @param {Actions} act @param {(room: string) => void} choose */
  constructor(state, act, choose) {
    this.state = state;
    this.act = act;
    this.choose = choose;
  }

  /** Read the list. @param {string} [q] what to search for */
  async load(q = "") {
    this.#q = q;
    try {
      const { rooms, cursor } = await this.act.rooms.published(q.trim());
      if (q !== this.#q) return; // something else was typed meanwhile
      this.#found = rooms;
      this.#error = "";
      this.#many ||= rooms.length > MANY || Boolean(cursor);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (q) this.#error = error.message; // without a search, the page does without the list
    }
    this.state.changed();
  }

  template() {
    const recent = this.act.rooms.recent().slice(0, RECENT);
    const none = !this.#found.length && !this.#many;
    return html`${recent.length
      ? html`<section class="entry-part" aria-labelledby="entry-recent">
          <h2 id="entry-recent">${texts.recent}</h2>
          <div class="entry-chips">
            ${recent.map((room) => html`<button type="button" class="chip" @click=${() => this.choose(room)}><bdi class="cut">${room}</bdi></button>`)}
          </div>
        </section>`
      : nothing}
    ${none ? nothing : this.#list()}`;
  }

  #list() {
    return html`<section class="entry-part" aria-labelledby="entry-public">
      <h2 id="entry-public">${texts.public}</h2>
      ${this.#many
        ? html`<div class="search-field">${icon("search")}<input class="input" type="search" aria-label=${texts.search} placeholder=${texts.search}
            autocomplete="off" spellcheck="false" maxlength="64" dir="auto" @input=${this.#onInput}></div>`
        : nothing}
      <ul class="entry-rooms" aria-labelledby="entry-public">
        ${repeat(this.#found, ({ room }) => room, (room) => this.#room(room))}
      </ul>
      <p class="field-hint" role="status">${this.#error || (this.#found.length ? "" : texts.noneFound)}</p>
    </section>`;
  }

  /** @param {Listed} room */
  #room({ room, title, topic, members = 0, online = 0 }) {
    const count = online ? texts.online(online) : members ? texts.members(members) : "";
    return html`<li><button type="button" class="entry-room" @click=${() => this.choose(room)}>
      ${icon("hash")}
      <span class="entry-room-words">
        <span class="entry-room-title cut"><bdi>${title || room}</bdi></span>
        ${topic ? html`<span class="entry-room-topic cut" dir="auto">${start(topic)}</span>` : nothing}
      </span>
      <span class="entry-room-count">${count}</span>
    </button></li>`;
  }

  #onInput = (/** @type {Event} */ event) => {
    clearTimeout(this.#timer);
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    this.#timer = setTimeout(() => this.load(value), PAUSE);
  };
}

/** @param {import("../state/guests.js").Guest[]} guests @param {string} chosen a name @param {(name: string) => void} choose */
export function guestChips(guests, chosen, choose) {
  return html`<div class="entry-chips" role="group" aria-label=${texts.guests}>
    ${guests.map(
      ({ name, user }) => html`<button type="button" class="chip" aria-pressed=${name === chosen} @click=${() => choose(name)}>
        ${avatar(user ?? { id: "", name })}<bdi class="cut">${name}</bdi></button>`,
    )}
  </div>`;
}
