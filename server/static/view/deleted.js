import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { Refused } from "../net/api.js";
import { words as page } from "../words.js";
import { find as words } from "../words/find.js";
import { start } from "./beginning.js";
import { alikeIn, hit, onArrow } from "./hits.js";
import { when } from "./when.js";

/**
 * What was deleted in a room, for its moderators. Deleted messages are among all others in the log: it is read backwards,
 * a stretch at a time.
 *
 * @typedef {import("../state/types.js").Message} Message
 */

export const style = "find";
const STRETCHES = 5; // pages that one press reads while nothing is found

/** @param {import("./host.js").Context} context @returns {import("./host.js").Part} */
export function open({ state, act, data, redraw, uncover }) {
  const { room: name } = data;
  /** @type {Message[]} */ let messages = [];
  let [busy, error, before] = [false, "", 0];
  let all = false;

  async function ask() {
    if (busy) return;
    [busy, error] = [true, ""];
    redraw();
    try {
      for (let i = 0, found = 0; i < STRETCHES && !found && !all; i += 1) {
        const page = await act.reading.deleted(name, before);
        messages = [...messages, ...page.messages];
        found = page.messages.length;
        before = page.before;
        all = !before;
      }
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      error = problem.message;
    }
    busy = false;
    redraw();
  }

  /** @param {Message} message @param {Map<string, string>} alike */
  const row = (message, alike) =>
    hit(message, {
      open: () => {
        act.reading.open(name, message.seq);
        uncover();
      },
      text: message.content
        ? html`<span class="clamped">${start(message.content)}</span>`
        : html`<span class="erased">${words.erased}</span>`, // some days after it was deleted
      below: html`<div class="hit-below"><span class="cut">${words.deletedAt(when(message.deleted_at ?? message.timestamp))}</span></div>`,
      alike,
    });

  ask();
  return {
    title: () => words.deleted,
    draw: () => {
      const none = all ? words.noDeleted : words.noDeletedYet;
      const alike = alikeIn(messages, state.rooms.get(name) ?? null);
      return html`<div class="find" @keydown=${onArrow}>
        <div class="find-results">
          <p class="panel-note">${words.deletedLead}</p>
          <ul class="hits" aria-label=${words.deleted}>${repeat(messages, (each) => each.seq, (each) => row(each, alike))}</ul>
          <p class="panel-note" role="status">${busy ? page.common.loading : !messages.length && !error ? none : ""}</p>
          ${error ? html`<p class="panel-note field-error" role="alert">${error}</p>` : nothing}
          ${!busy && !all ? html`<p class="panel-note"><button type="button" class="button" @click=${ask}>${error ? page.common.retry : words.deletedMore}</button></p>` : nothing}
        </div>
      </div>`;
    },
  };
}
