import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { ref } from "../../vendor/lit-html/directives/ref.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { Refused } from "../../net/api.js";
import { dialogs as words } from "../../words/dialogs.js";
import { words as common } from "../../words.js";
import { start } from "../beginning.js";
import { goTo } from "../go.js";
import { icon } from "../more-icons.js";

/**
 * The rooms that everyone can find.
 *
 * @typedef {{room: string, kind: string, title?: string, topic?: string, members?: number, online?: number}} Listed
 */

const PAUSE = 200; // milliseconds without a key before the server is asked

/** @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ state, act, redraw, close }) {
  /** @type {Listed[]} */ let rooms = [];
  let [q, cursor, error] = ["", "", ""];
  let busy = false;
  let asked = 0; // answers to earlier questions are dropped
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  /** @type {HTMLElement | undefined} */ let field;

  /** @param {string} [from] the cursor of the next page */
  async function ask(from = "") {
    const number = (asked += 1);
    busy = true;
    redraw();
    try {
      const page = await act.rooms.list(q, from);
      if (number !== asked) return;
      rooms = from ? [...rooms, ...page.rooms] : page.rooms;
      cursor = page.cursor ?? "";
      error = "";
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      if (number === asked) error = problem.message;
    }
    if (number === asked) busy = false;
    redraw();
  }

  /** @param {Event} event */
  function typed(event) {
    q = /** @type {HTMLInputElement} */ (event.target).value.normalize("NFC").trim();
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  }

  /** @param {string} room */
  function go(room) {
    close();
    goTo(state, act, room);
  }

  /** @param {Listed} each */
  function row(each) {
    const title = each.title || each.room;
    const mine = state.rooms.has(each.room);
    return html`<li class="found">
      <span class="room-sign">${icon("hash")}</span>
      <span class="found-words">
        <span class="found-title cut"><bdi>${title}</bdi></span>
        ${each.topic ? html`<span class="found-topic cut" dir="auto">${start(each.topic)}</span>` : nothing}
        <span class="found-facts">${each.members ? html`<span>${words.members(each.members)}</span>` : nothing}${each.online
          ? html`<span>${words.online(each.online)}</span>`
          : nothing}</span>
      </span>
      <button type="button" class="${mine ? "button" : "primary"} small" aria-label=${mine ? words.openRoom(title) : words.joinRoom(title)}
        @click=${() => go(each.room)}>${mine ? words.goTo : words.join}</button>
    </li>`;
  }

  ask();
  return {
    title: () => words.browseTitle,
    kind: "tall",
    focus: () => field?.focus(),
    closed: () => clearTimeout(timer),
    draw: () => html`
      <div class="dialog-bar">
        <label class="search-field">${icon("search")}<span class="sr">${words.browseSearch}</span>
          <input class="input" type="search" placeholder=${words.browseSearch} autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="64" dir="auto"
            @input=${typed} ${ref((element) => (field = /** @type {HTMLElement | undefined} */ (element)))}></label>
        <button type="button" class="button" @click=${() => act.ui.dialog("create")}>${icon("plus")}${words.newRoom}</button>
      </div>
      <p class="sr" role="status">${busy ? "" : words.found(rooms.length)}</p>
      <ul class="dialog-list">
        ${repeat(rooms, (each) => each.room, row)}
        ${error ? html`<li class="dialog-note field-error" role="alert">${error} <button type="button" class="link" @click=${() => ask()}>${common.common.retry}</button></li>` : nothing}
        ${!rooms.length && !error ? html`<li class="dialog-note">${busy ? common.common.loading : q ? words.browseNone : words.browseEmpty}</li>` : nothing}
        ${cursor ? html`<li class="dialog-note"><button type="button" class="button" @click=${() => ask(cursor)}>${words.browseMore}</button></li>` : nothing}
      </ul>`,
  };
}
