import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { parts } from "../words/format.js";
import { invitations as words } from "../words/invitations.js";
import { attempt } from "./go.js";
import { mark } from "./names.js";

/** So many are shown at first. */
const FOLDED = 2;

/** The invitations, at the end of the sidebar: below the rooms, which they do not move. */
export class Invitations {
  /** Whether all are shown. */ #unfolded = false;

  /**
   * @param {import("../state/state.js").State} state @param {import("../actions/index.js").Actions} act
   * @param {(next: () => void) => void} leaveFor closes the drawer first @param {() => void} redraw
   */
  constructor(state, act, leaveFor, redraw) {
    this.state = state;
    this.act = act;
    this.leaveFor = leaveFor;
    this.redraw = redraw;
  }

  /** @param {Map<string, string>} alike what tells rooms apart that look alike */
  draw(alike) {
    const { act } = this;
    const all = this.state.invitations;
    if (all.length <= FOLDED) this.#unfolded = false;
    const shown = this.#unfolded ? all : all.slice(0, FOLDED);
    return html`<section aria-labelledby="invitations-heading">
      <div class="side-title"><h2 id="invitations-heading">${words.heading}</h2><span class="badge mention" aria-hidden="true">${all.length}</span>${all.length > 1
        ? html`<button type="button" class="link" @click=${() => attempt(act, () => act.rooms.declineAll())}>${words.declineAll}</button>`
        : nothing}</div>
      <ul class="invitations">${repeat(shown, (each) => each.room, (each) => this.#invitation(each, alike))}</ul>
      ${all.length > shown.length
        ? html`<button type="button" class="side-entry" @click=${this.#unfold}>${words.more(all.length - shown.length)}</button>`
        : nothing}
    </section>`;
  }

  /** @param {import("../state/types.js").Invitation} invitation @param {Map<string, string>} alike */
  #invitation(invitation, alike) {
    const { act, leaveFor } = this;
    const { room, info, by } = invitation;
    const title = info.title || room;
    const name = alike.get(room) ?? room;
    return html`<li class="invitation">
      <span class="invited-to cut"><bdi>${title}</bdi> ${title === name ? nothing : html`<bdi class="id-end">${name}</bdi>`}</span>
      <span class="invited-by">${parts(words.by, { name: html`<bdi>${by.name}</bdi> ${mark(by.id)}` })}</span>
      <span class="invitation-answers">
        <button type="button" class="primary small" aria-label=${words.acceptTo(title)}
          @click=${() => leaveFor(() => act.rooms.accept(invitation))}>${words.accept}</button>
        <button type="button" class="button small" aria-label=${words.declineTo(title)}
          @click=${() => attempt(act, () => act.rooms.decline(room))}>${words.decline}</button>
      </span>
    </li>`;
  }

  #unfold = () => {
    this.#unfolded = true;
    this.redraw();
  };
}
