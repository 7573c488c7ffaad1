import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { order } from "../../state/people.js";
import { isHere, lasts } from "../../state/standing.js";
import { words as page } from "../../words.js";
import { members as words } from "../../words/manage.js";
import { profile } from "../../words/profile.js";
import { namesakes } from "../names.js";
import { until, when } from "../when.js";
import { Attempts, personRow } from "./rows.js";

/**
 * The people who are banned from a room, and those who are invited to it.
 *
 * @typedef {import("../host.js").Context} Context
 * @typedef {import("../../state/types.js").Member} Member
 * @typedef {import("../../state/room.js").Room} Room
 * @typedef {object} Kind
 * @property {{banned: true} | {invited: true}} which
 * @property {(room: Room, member: Member) => boolean} fits
 * @property {(member: Member) => unknown} facts
 * @property {string} none
 * @property {string} end @property {(name: string) => string} endWho what ends it, and for a screen reader
 * @property {(act: any, room: string, id: string) => Promise<unknown>} run
 */

/** @type {Kind} */
const BANNED = {
  which: { banned: true },
  fits: (_, member) => lasts(member.banned_until),
  facts: ({ banned_until = "", reason }) =>
    html`<span>${profile.banned(until(banned_until))}</span>${reason ? html`<span dir="auto">${profile.reason(reason)}</span>` : nothing}`,
  none: words.noBanned,
  end: words.unban,
  endWho: words.unbanWho,
  run: (act, room, id) => act.people.unban(room, id),
};

/** @type {Kind} */
const INVITED = {
  which: { invited: true },
  fits: (room, member) => member.invited_at !== undefined && !isHere(room, member.id),
  facts: ({ invited_by, invited_at = "" }) => html`<span>${words.invitedBy(invited_by?.name ?? page.common.deletedUser, when(invited_at))}</span>`,
  none: words.noInvitations,
  end: words.withdraw,
  endWho: words.withdrawWho,
  run: (act, room, id) => act.people.kick(room, id),
};

/** @param {Kind} kind @returns {(context: Context) => () => unknown} */
function listOf(kind) {
  return ({ state, act, data, redraw }) => {
    const { room: name } = data;
    const room = /** @type {Room} */ (state.rooms.get(name));
    const attempts = new Attempts(redraw);
    let cursor = "";
    const ask = () =>
      attempts.run("", async () => {
        const more = cursor ? { cursor } : {};
        ({ cursor = "" } = await act.people.members(name, { ...kind.which, ...more }));
      });
    ask();

    /** @param {Member} member @param {Map<string, string>} alike */
    const row = (member, alike) =>
      personRow(member, {
        alike,
        facts: kind.facts(member),
        error: attempts.said(member.id),
        action: html`<button type="button" class="button small" aria-label=${kind.endWho(member.name)} aria-disabled=${attempts.busy(member.id) ? "true" : nothing}
          @click=${() => attempts.run(member.id, () => kind.run(act, name, member.id))}>${kind.end}</button>`,
      });

    return () => {
      const found = [...room.members.values()].filter((member) => kind.fits(room, member)).sort((a, b) => order.compare(a.name, b.name));
      const alike = namesakes(found);
      return html`<ul class="dialog-list">
          ${repeat(found, (member) => member.id, (member) => row(member, alike))}
        </ul>
        <p class="dialog-note" role="status" ?hidden=${found.length > 0}>${found.length || attempts.errors.has("") ? "" : attempts.busy("") ? page.common.loading : kind.none}</p>
        ${attempts.said("")}
        ${cursor || attempts.errors.has("") ? html`<p class="dialog-note"><button type="button" class="button" @click=${ask}>${attempts.errors.has("") ? page.common.retry : words.more}</button></p>` : nothing}`;
    };
  };
}

export const banned = listOf(BANNED);
export const invited = listOf(INVITED);
