import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { Refused } from "../net/api.js";
import { words as page } from "../words.js";
import { find as words } from "../words/find.js";
import { start } from "./beginning.js";
import { attempt } from "./go.js";
import { alikeIn, hit, onArrow } from "./hits.js";
import { icon } from "./more-icons.js";
import { when } from "./when.js";

/**
 * The pinned messages of a room, a page at a time: of those that were read, the one that was pinned last comes first.
 *
 * @typedef {import("../state/types.js").Message} Message
 */

export const style = "find";

/** @param {import("./host.js").Context} context @returns {import("./host.js").Part} */
export function open({ state, act, data, redraw, uncover }) {
  const { room: name } = data;
  const room = state.rooms.get(name);
  let [busy, error] = [false, ""];

  /** @param {number} [before] */
  async function ask(before) {
    if (busy) return;
    [busy, error] = [true, ""];
    try {
      await act.reading.pins(name, before);
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      error = problem.message;
    }
    busy = false;
    redraw();
  }

  /** @param {Message} message @param {Map<string, string>} alike */
  function row(message, alike) {
    const { seq, pinned_at = message.timestamp, pinned_by = "" } = message;
    const by = words.pinnedBy(state.names.get(pinned_by) ?? page.common.deletedUser, when(pinned_at));
    const unpin = html`<button type="button" class="icon-button small" aria-label=${words.unpin} title=${words.unpin}
      @click=${() => attempt(act, () => act.messages.pin(name, seq, false))}>${icon("pin-off")}</button>`;
    return hit(message, {
      open: () => {
        act.reading.open(name, seq);
        uncover();
      },
      text: html`<span class="clamped">${start(message.content)}</span>`,
      below: html`<div class="hit-below"><span class="cut">${by}</span>${room?.mayModerate ? unpin : nothing}</div>`,
      alike,
    });
  }

  return {
    title: () => words.pins,
    kind: "pins-panel",
    draw: () => {
      if (!room) return nothing;
      // They are unknown after each join, and when one was pinned that the page does not have.
      if (!room.pinned && !error && room.status === "joined") ask();
      const messages = [...(room.pinned ?? [])].sort((a, b) => (b.pinned_at ?? "").localeCompare(a.pinned_at ?? ""));
      const alike = alikeIn(messages, room);
      const before = room.pinned ? room.pinnedBefore : 0;
      const more = () => (ask(before), redraw());
      const empty = room.mayModerate ? words.noPinsModerator : words.noPins;
      return html`<div class="find" @keydown=${onArrow}>
        <div class="find-results">
          <ul class="hits" aria-label=${words.pins}>${repeat(messages, (each) => each.seq, (each) => row(each, alike))}</ul>
          ${error ? html`<p class="panel-note field-error" role="alert">${error} <button type="button" class="link" @click=${() => ask(before)}>${page.common.retry}</button></p>` : nothing}
          ${before && !error ? html`<p class="panel-note"><button type="button" class="button" aria-disabled=${busy ? "true" : nothing} @click=${more}>${busy ? page.common.loading : words.more}</button></p>` : nothing}
          ${!messages.length && !error ? html`<p class="panel-note" role="status">${room.pinned ? empty : page.common.loading}</p>` : nothing}
        </div>
      </div>`;
    },
  };
}
