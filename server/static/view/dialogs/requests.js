import { html } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { dialogs as words } from "../../words/dialogs.js";
import { attempt } from "../go.js";
import { mark } from "../names.js";
import { badge, sign } from "../room-parts.js";
import { inOrder } from "../shortcuts.js";

/** The conversations that others began and I never opened, when they are many. */

/** @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ state, act, close }) {
  /** @param {() => void} next */
  const leaveFor = (next) => () => {
    close();
    next();
  };
  return {
    title: () => words.requestsTitle,
    kind: "tall",
    draw: () => {
      const { requests } = state;
      const rooms = inOrder(state, new Set()).filter((room) => requests.has(room));
      return html`
        <div class="dialog-bar"><p class="field-hint">${words.requestsHint}</p>
          <button type="button" class="button" @click=${leaveFor(() => attempt(act, () => act.rooms.hideRequests()))}>${words.hideAll}</button></div>
        <ul class="dialog-list">${repeat(rooms, (room) => room.name, (room) => html`<li class="found">
          ${sign(room)}<span class="found-words"><span class="found-title cut"><bdi>${room.title}</bdi> ${mark(room.peer?.id ?? "")}</span></span>${badge(state, room)}
          <button type="button" class="button small" aria-label=${words.openRoom(room.title)} @click=${leaveFor(() => act.rooms.show(room.name))}>${words.goTo}</button>
        </li>`)}</ul>`;
    },
  };
}
