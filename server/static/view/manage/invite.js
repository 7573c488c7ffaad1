import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { contains, kindOf, order } from "../../state/people.js";
import { isHere } from "../../state/standing.js";
import { members as words } from "../../words/manage.js";
import { icon } from "../more-icons.js";
import { namesakes } from "../names.js";
import { Attempts, personRow } from "./rows.js";

/**
 * Invite people whom this page has met, or whose id one has.
 *
 * @typedef {import("../../state/types.js").User} User
 */

const SHOWN = 50;
const ID = /^[abgu]_\S/; // nobody has proven a claimed id: such users cannot be invited

/** @param {import("../host.js").Context} context @returns {() => unknown} */
export function invitePeople({ state, act, data, redraw }) {
  const { room: name } = data;
  const room = /** @type {import("../../state/room.js").Room} */ (state.rooms.get(name));
  const attempts = new Attempts(redraw);
  /** @type {Set<string>} */ const done = new Set();
  let q = "";
  attempts.run("", () => act.people.members(name, { limit: 500 })); // members need no invitation
  attempts.run("invited", () => act.people.members(name, { invited: true }));

  /** @param {User} user */
  const invite = (user) => attempts.run(user.id, () => act.people.invite(name, user.id).then(() => done.add(user.id)));

  /** @returns {User[]} those who may be invited */
  function met() {
    const users = [...state.names].map(([id, each]) => ({ id, name: each }));
    const fit = users.filter(({ id }) => !state.isMine(id) && kindOf(id) !== "claimed" && (done.has(id) || !isHere(room, id)));
    return fit.filter((user) => !q || contains(user.name, q) || user.id === q).sort((a, b) => order.compare(a.name, b.name));
  }

  /** @param {User} user @param {Map<string, string>} alike */
  function row(user, alike) {
    const invited = done.has(user.id) || room.members.get(user.id)?.invited_at !== undefined;
    const label = room.role === "admin" ? words.added : words.invited; // an admin needs no consent
    return personRow(user, {
      alike,
      error: attempts.said(user.id),
      action: invited
        ? html`<span class="found-done" role="status">${icon("check")}${done.has(user.id) ? label : words.invited}</span>`
        : html`<button type="button" class="button small" aria-label=${words.inviteWho(user.name)} aria-disabled=${attempts.busy(user.id) ? "true" : nothing}
            @click=${() => invite(user)}>${words.invite}</button>`,
    });
  }

  return () => {
    const users = met();
    const known = users.some((user) => user.id === q);
    const list = ID.test(q) && !known ? [{ id: q, name: q }, ...users] : users;
    const alike = namesakes(users);
    return html`
      <label class="search-field">${icon("search")}<span class="sr">${words.find}</span>
        <input class="input" type="search" placeholder=${words.find} autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="70" dir="auto" autofocus
          @input=${(/** @type {any} */ event) => ((q = event.target.value.trim()), redraw())}></label>
      <p class="field-hint">${words.findHint}</p>
      ${attempts.said("")}
      <ul class="dialog-list">
        ${repeat(list.slice(0, SHOWN), (user) => user.id, (user) => row(user, alike))}
      </ul>
      <p class="dialog-note" role="status" ?hidden=${list.length > 0}>${list.length ? "" : q ? words.nobody : words.nobodyYet}</p>`;
  };
}
