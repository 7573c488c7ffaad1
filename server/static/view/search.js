import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ref } from "../vendor/lit-html/directives/ref.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { words as page } from "../words.js";
import { find as words } from "../words/find.js";
import { parts } from "../words/format.js";
import { excerpt } from "./excerpt.js";
import { attempt } from "./go.js";
import { alikeIn, hit, onArrow } from "./hits.js";
import { icon } from "./more-icons.js";
import { plain } from "./markdown/text.js";

/**
 * Messages that contain words, in this room or in all of mine. What was found stays while the page is open: closing the
 * panel, as a phone does to show a message, and opening it again leads back to it.
 *
 * @typedef {import("../state/types.js").Message} Message
 */

export const style = "find";

/** Without the marks of Markdown. @type {WeakMap<Message, string>} */
const texts = new WeakMap();

/** @param {Message} message */
function textOf(message) {
  const known = texts.get(message);
  if (known !== undefined) return known;
  const text = plain(message.content);
  texts.set(message, text);
  return text;
}

/** @param {import("./host.js").Context} context @returns {import("./host.js").Part} */
export function open({ state, act, data, redraw, uncover }) {
  const { room: name } = data;
  let q = state.ui.found?.q ?? "";
  let everywhere = state.ui.found ? !state.ui.found.room : false;
  /** @type {HTMLInputElement | undefined} */ let field;
  let shown = false; // the hit that was opened last is brought into view once

  /** @param {Event} [event] */
  function search(event) {
    event?.preventDefault();
    attempt(act, () => act.reading.search(q, everywhere ? "" : name));
  }

  /** @param {boolean} all */
  function choose(all) {
    everywhere = all;
    if (state.ui.found) search();
    redraw();
  }

  /** @param {Message} message */
  function show({ room, seq }) {
    act.reading.open(room, seq);
    uncover();
  }

  /** @param {string} room */
  const titleOf = (room) => html`<bdi>${state.rooms.get(room)?.title ?? room}</bdi>`;

  /** @param {Message} message @param {Map<string, string>} alike */
  function row(message, alike) {
    const pieces = excerpt(textOf(message), state.ui.found?.q ?? "");
    return hit(message, {
      open: () => show(message),
      room: state.ui.found?.room ? undefined : titleOf(message.room),
      text: pieces.map(({ text, marked }) => (marked ? html`<mark>${text}</mark>` : text)),
      current: state.ui.found?.at === `${message.room}/${message.seq}`,
      alike,
    });
  }

  /** @param {boolean} all @param {string} label */
  const scope = (all, label) => html`<label class="segment"><input type="radio" name="search-where" .checked=${everywhere === all} @change=${() => choose(all)}><span>${label}</span></label>`;

  /** @param {import("../state/types.js").Found} found */
  function results(found) {
    const { messages, busy, error, cursor } = found;
    const summary = busy && !messages.length ? words.busy : cursor ? words.foundMore(messages.length) : messages.length ? words.found(messages.length) : "";
    const none = !messages.length && !busy && !error;
    const alike = alikeIn(messages, state.room);
    return html`
      <p class="panel-note" role="status">${none ? parts(words.none, { q: html`<bdi>${found.q}</bdi>` }) : summary}</p>
      ${none && found.room ? html`<p class="panel-note"><button type="button" class="button" @click=${() => choose(true)}>${words.noneEverywhere}</button></p>` : nothing}
      <ul class="hits" aria-label=${words.results}>${repeat(messages, (each) => `${each.room}/${each.seq}`, (each) => row(each, alike))}</ul>
      ${error ? html`<p class="panel-note field-error" role="alert">${error} <button type="button" class="link" @click=${() => (messages.length ? again(found) : search())}>${page.common.retry}</button></p>` : nothing}
      ${cursor && !error ? html`<p class="panel-note"><button type="button" class="button" aria-disabled=${busy ? "true" : nothing} @click=${more}>${busy ? words.busy : words.more}</button></p>` : nothing}`;
  }

  /** @param {import("../state/types.js").Found} found */
  const again = (found) => (found.cursor ? more() : search());
  const more = () => attempt(act, () => act.reading.searchMore());

  /** @param {Element | undefined} element */
  function bringBack(element) {
    if (!element || shown) return;
    shown = true;
    element.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
  }

  return {
    title: () => words.title,
    kind: "search-panel",
    focus: () => field?.select(),
    draw: () => html`<div class="find" @keydown=${onArrow}>
      <form class="find-head" role="search" @submit=${search}>
        <label class="search-field">${icon("search")}<span class="sr">${words.field}</span>
          <input class="input" type="search" name="q" enterkeyhint="search" placeholder=${words.field} autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="256" dir="auto"
            .value=${q} @input=${(/** @type {any} */ event) => (q = event.target.value)} ${ref((element) => (field = /** @type {HTMLInputElement | undefined} */ (element)))}></label>
        <fieldset class="segments"><legend class="sr">${words.where}</legend>${scope(false, words.here)}${scope(true, words.everywhere)}</fieldset>
      </form>
      <div class="find-results" ${ref(bringBack)}>${state.ui.found ? results(state.ui.found) : html`<p class="panel-note">${words.hint}</p>`}</div>
    </div>`,
  };
}
