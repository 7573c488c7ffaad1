import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { words as common } from "../../words.js";
import { reports as words } from "../../words/manage.js";
import { beginning } from "../beginning.js";
import { avatar } from "../avatar.js";
import { Attempts } from "../manage/rows.js";
import { mark, nameOf, namesakes } from "../names.js";
import { tabs } from "../tabs.js";
import { when } from "../when.js";

/**
 * Messages that users have reported: `act.ui.dialog("reports", { room })`; without a room those of all rooms, for admins.
 *
 * @typedef {import("../../state/types.js").Report} Report
 * @typedef {import("../../state/types.js").User} User
 */

export const style = "manage";
const PANEL = "reports-panel";

/** @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ state, act, data, redraw, close }) {
  const room = data.room ?? "";
  /** @type {Report["state"]} */ let chosen = "open";
  /** @type {Report[]} */ let reports = [];
  /** What is typed about a report, by its id. @type {Map<string, string>} */ const notes = new Map();
  const attempts = new Attempts(redraw);
  let more = false;

  /** @param {boolean} further whether the next page is wanted */
  function ask(further = false) {
    const wanted = chosen;
    return attempts.run(`list ${wanted}`, async () => {
      const page = await act.moderation.reports(room, { state: wanted, before: further ? reports.at(-1)?.created_at : "" });
      if (wanted !== chosen) return;
      reports = further ? [...reports, ...page.reports] : page.reports;
      more = page.more;
    });
  }

  /** @param {Report["state"]} key */
  function choose(key) {
    chosen = key;
    reports = [];
    more = false;
    ask();
  }

  /** @param {Report} report @param {Report["state"]} to */
  const handle = (report, to) =>
    attempts.run(report.id, async () => {
      await act.moderation.handle(report, to, (notes.get(report.id) ?? "").trim());
      reports = reports.filter((each) => each !== report);
    });

  /** @param {Report} report */
  function jump(report) {
    close();
    act.reading.open(report.room, report.seq);
  }

  /** @param {Report} report */
  function showAuthor({ sender, room: where }) {
    close();
    act.rooms.show(where);
    act.ui.profile(sender, where);
  }

  /** @param {User} user @param {Map<string, string>} alike */
  const who = (user, alike) => html`${nameOf(user, alike)}${mark(user.id)}`;
  const nameAt = (/** @type {string} */ id) => state.names.get(id) ?? id;

  /** @param {Report} report @param {Map<string, string>} alike */
  function row(report, alike) {
    const { id, sender, reporter, content, reason, handler = "", handled_at = "", note } = report;
    const off = attempts.busy(id) ? "true" : nothing;
    const button = (/** @type {string} */ label, /** @type {() => unknown} */ run) =>
      html`<button type="button" class="button small" aria-disabled=${off} @click=${run}>${label}</button>`;
    return html`<li class="report">
      <div class="report-head">${avatar(sender)}<span class="report-who">${who(sender, alike)}</span>
        <span class="report-time">${when(report.posted_at)}${room ? nothing : html` <bdi>${words.inRoom(state.rooms.get(report.room)?.title ?? report.room)}</bdi>`}</span></div>
      <blockquote class="report-text" dir="auto">${beginning(content)}</blockquote>
      <p class="report-reason" dir="auto">${reason || words.noReason}</p>
      <p class="report-by">${words.reportedBy(reporter.name, when(report.created_at))} ${mark(reporter.id)}</p>
      ${report.state === "open"
        ? html`<label class="field"><span class="label">${words.note}</span><input class="input" type="text" maxlength="1000" autocomplete="off" dir="auto"
            @input=${(/** @type {any} */ event) => notes.set(id, event.target.value)}></label>`
        : html`<p class="report-by">${words.handled[report.state](nameAt(handler), when(handled_at))}</p>${note ? html`<p class="report-note" dir="auto">${note}</p>` : nothing}`}
      <div class="report-buttons">
        ${report.state === "open" ? html`${button(words.resolve, () => handle(report, "resolved"))}${button(words.dismiss, () => handle(report, "dismissed"))}` : button(words.reopen, () => handle(report, "open"))}
        ${button(words.jump, () => jump(report))}
        ${state.rooms.has(report.room) ? button(words.author, () => showAuthor(report)) : nothing}
      </div>
      ${attempts.said(id)}
    </li>`;
  }

  ask();
  const title = state.rooms.get(room)?.title ?? room;
  return {
    title: () => (room ? words.titleOf(title) : words.titleAll),
    kind: "tall",
    draw: () => {
      const list = `list ${chosen}`;
      const others = state.rooms.get(room)?.presence.members.values() ?? [];
      const alike = namesakes([...reports.map((each) => each.sender), ...others]);
      const note = attempts.busy(list) ? common.common.loading : reports.length || attempts.errors.has(list) ? "" : words.none[chosen];
      return html`${tabs({ label: words.title, tabs: /** @type {[Report["state"], string][]} */ (Object.entries(words.states)), chosen, choose, panel: PANEL })}
        <div id=${PANEL} class="tab-panel" role="tabpanel" aria-label=${words.states[chosen]}>
          <ul class="dialog-list reports">${repeat(reports, (each) => each.id, (each) => row(each, alike))}</ul>
          <p class="dialog-note" role="status">${note}</p>
          ${attempts.said(list)}
          ${(more || attempts.errors.has(list)) && !attempts.busy(list)
            ? html`<p class="dialog-note"><button type="button" class="button" @click=${() => ask(reports.length > 0)}>${attempts.errors.has(list) ? common.common.retry : words.more}</button></p>`
            : nothing}
        </div>`;
    },
  };
}
