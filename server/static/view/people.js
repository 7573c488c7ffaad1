import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { Refused } from "../net/api.js";
import { contains, order } from "../state/people.js";
import { isHere, isOnline, isUnknown } from "../state/standing.js";
import { people as words } from "../words/people.js";
import { words as common } from "../words.js";
import { avatar } from "./avatar.js";
import { icon } from "./icons.js";
import { mark, nameOf, namesakes } from "./names.js";

/**
 * The people of a room, by role; in each group I come first, then those who are here. Who is here is
 * live, and unknown without a connection; roles come with the list of members, which is read when the panel opens.
 *
 * @typedef {import("../state/types.js").Member} Member
 * @typedef {import("../state/types.js").User} User
 * @typedef {Member & {here: boolean}} Person
 */

const GROUPS = /** @type {const} */ (["owner", "moderator", "member", "readonly"]);
const FILTER_FROM = 8; // fewer are in sight at once

/** @param {import("./host.js").Context} context @returns {import("./host.js").Part} */
export function open({ state, act, data, redraw }) {
  const room = state.rooms.get(data.room);
  let [q, cursor, error] = ["", "", ""];
  let busy = false;
  /** Whether nobody knows who is here. */ let unknown = false;
  /** What was read; another map after the room was joined again. @type {Map<string, Member> | undefined} */ let known;

  async function ask() {
    if (busy) return;
    busy = true;
    try {
      const page = await act.people.members(data.room, cursor ? { cursor } : {});
      cursor = page.cursor ?? "";
      error = "";
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      error = problem.message; // those who are here are shown all the same
    }
    busy = false;
    redraw();
  }

  /** @returns {Person[]} me first, then those who are here, by name */
  function everyone() {
    if (!room) return [];
    const { members } = room;
    const here = new Map(/** @type {Map<string, Member>} */ (room.presence.members));
    const { me } = state;
    if (me && room.status === "joined") here.set(me.id, { role: room.role, ...me }); // presence may name only others
    const listed = [...members].filter(([id]) => isHere(room, id)); // the others are banned, invited, or gone
    const all = new Map([...listed, ...[...here].map(([id, user]) => /** @type {const} */ ([id, { ...members.get(id), ...user }]))]);
    return [...all.values()]
      .map((each) => ({ ...each, here: here.has(each.id) || isOnline(room, each.id) }))
      .sort((a, b) => Number(state.isMine(b.id)) - Number(state.isMine(a.id)) || Number(b.here) - Number(a.here) || order.compare(a.name, b.name));
  }

  /** @param {Person} person @param {Map<string, string>} alike */
  function row(person, alike) {
    const mine = state.isMine(person.id);
    return html`<li>
      <button type="button" class="person-row ${person.here || unknown ? "" : "away"}" data-user=${person.id} @click=${() => act.ui.profile(person, data.room)}>
        <span class="person-picture">${avatar(person)}${person.here && !unknown ? html`<span class="online-dot on" aria-hidden="true"></span>` : nothing}</span>
        <span class="person-name cut">${nameOf(person, alike)}</span>${mark(person.id)}
        ${mine ? html`<span class="you">${common.common.you}</span>` : nothing}
        ${isMuted(person) ? html`<span class="room-state" title=${words.muted}>${icon("volume-x")}<span class="sr">${words.muted}</span></span>` : nothing}
        ${person.here || unknown ? nothing : html`<span class="sr">${words.away}</span>`}
      </button>
    </li>`;
  }

  /** @param {Person[]} all @param {Map<string, string>} alike */
  function groups(all, alike) {
    const roleOf = (/** @type {Person} */ { role }) => (role === "admin" ? "owner" : (role ?? "member"));
    const lists = GROUPS.map((role) => /** @type {const} */ ([role, all.filter((each) => roleOf(each) === role)])).filter(([, list]) => list.length);
    const one = lists.length === 1 && lists[0][0] === "member"; // a room without roles
    return lists.map(
      ([role, list]) => html`<section class="people-group" aria-labelledby="people-${role}">
        <h3 id="people-${role}">${one ? words.shown(list.length) : words[role]}</h3>
        <ul class="people" aria-labelledby="people-${role}">${repeat(list, (each) => each.id, (each) => row(each, alike))}</ul>
      </section>`,
    );
  }

  return {
    title: () => words.title,
    kind: "people-panel",
    draw: () => {
      if (room?.status === "joined" && room.members !== known) {
        known = room.members;
        cursor = "";
        ask();
      }
      unknown = room !== undefined && isUnknown(room);
      const all = everyone();
      const found = q ? all.filter(({ name }) => contains(name, q)) : all;
      const rest = room ? room.presence.count - all.filter((each) => each.here).length : 0;
      return html`
        ${all.length >= FILTER_FROM || q
          ? html`<label class="search-field">${icon("search")}<span class="sr">${words.filter}</span>
              <input class="input" type="search" placeholder=${words.filter} autocomplete="off" spellcheck="false" maxlength="64" dir="auto"
                @input=${(/** @type {any} */ event) => ((q = event.target.value), redraw())}></label>
              <p class="sr" role="status">${q ? words.shown(found.length) : ""}</p>`
          : nothing}
        ${room?.mayModerate && room.status === "joined"
          ? html`<button type="button" class="button" @click=${() => act.ui.dialog("members", { room: data.room })}>${icon("user-plus")}${words.invite}</button>`
          : nothing}
        <div class="people-scroll">
          ${unknown ? html`<p class="dialog-note">${words.unknown}</p>` : nothing}
          ${groups(found, namesakes(all))}
          ${q && !found.length ? html`<p class="dialog-note">${words.none}</p>` : nothing}
          ${error ? html`<p class="dialog-note field-error" role="alert">${error} <button type="button" class="link" @click=${ask}>${common.common.retry}</button></p>` : nothing}
          ${cursor ? html`<p class="dialog-note"><button type="button" class="button" @click=${ask}>${words.more}</button></p>` : nothing}
          ${!cursor && rest > 0 && !q && !unknown ? html`<p class="dialog-note">${words.rest(rest)}</p>` : nothing}
        </div>`;
    },
  };
}

/** @param {Member} member */
const isMuted = ({ muted_until }) => muted_until !== undefined && Date.parse(muted_until) > Date.now();
