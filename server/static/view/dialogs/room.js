import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { dialogs } from "../../words/dialogs.js";
import { room as words } from "../../words/manage.js";
import { roomMenu as menu } from "../../words/room-menu.js";
import { icon } from "../more-icons.js";
import { save } from "../save.js";
import { Form } from "../form.js";

/**
 * What can be changed about a room, and what can be done with it as a whole: `act.ui.dialog("room", { room })`.
 *
 * @typedef {import("../../state/room.js").Room} Room
 * @typedef {Record<string, string>} Values
 */

export const style = "manage";

/** Seconds between two messages of one person. */
const PAUSES = [0, 5, 10, 30, 60, 300, 900, 3600];
const DAYS = [1, 7, 30, 90, 365];

/** @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ state, act, data, redraw, close }) {
  const name = data.room;
  const room = /** @type {Room} */ (state.rooms.get(name));
  const before = valuesOf(room);
  const form = new Form({
    fields: room.mayOwn ? [...fields(room, before), ...ownerFields(room, before)] : fields(room, before),
    button: words.save,
    redraw,
    close,
    submit: async (values) => {
      const changed = changes(values, before);
      if (!Object.keys(changed).length) return;
      await act.rooms.update(name, changed);
      act.ui.toast(words.saved);
    },
  });
  let [progress, error] = ["", ""];
  let exporting = false;

  async function exportMessages() {
    if (exporting) return;
    [exporting, progress, error] = [true, words.exporting(words.size(0)), ""];
    redraw();
    try {
      const file = await act.moderation.exportRoom(name, (/** @type {number} */ bytes) => {
        progress = words.exporting(words.size(bytes));
        redraw();
      });
      save(file, `${name}.jsonl`);
      progress = words.exported(words.size(file.size));
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem;
      [progress, error] = ["", problem.message];
    }
    exporting = false;
    redraw();
  }

  const remove = () =>
    act.ui.dialog("confirm", { title: words.deleteTitle(room.title), text: words.deleteText, button: words.deleteButton, danger: true, run: () => act.rooms.remove(name) });
  const quit = () =>
    act.ui.dialog("confirm", {
      title: menu.quitTitle(room.title),
      text: menu.quitText,
      button: menu.quit,
      danger: true,
      run: () => act.rooms.quit(name),
    });

  return {
    title: () => words.title(room.title),
    focus: () => form.focus(),
    draw: () => html`${form.draw()}
      <section class="dialog-part" aria-labelledby="room-more">
        <h3 id="room-more">${words.more}</h3>
        <div class="dialog-row"><button type="button" class="button" @click=${() => act.ui.dialog("members", { room: name })}>${icon("user-plus")}${words.members}</button></div>
        <div class="dialog-row">
          <button type="button" class="button" aria-disabled=${exporting ? "true" : nothing} aria-describedby="export-hint" @click=${exportMessages}>${icon("download")}${words.export}</button>
          <span role="status">${progress}</span>
        </div>
        <p id="export-hint" class="field-hint">${words.exportHint}</p>
        <p class="field-error" role="alert">${error}</p>
        <div class="dialog-row">
          <button type="button" class="button danger" @click=${quit}>${icon("door-open")}${words.quit}</button>
          <button type="button" class="button danger" @click=${remove}>${icon("trash-2")}${words.delete}</button>
        </div>
      </section>`,
  };
}

/** @param {Room} room @returns {Values} as the form has them */
function valuesOf({ info, guests }) {
  const days = info.retention_days ?? 0;
  return {
    title: info.title ?? "",
    topic: info.topic ?? "",
    slow_mode: String(info.slow_mode ?? 0),
    guests,
    access: info.kind !== "private" ? "public" : info.password ? "password" : "private",
    password: "",
    retention: String(days),
    days: String(days || ""),
  };
}

/** @param {Room} room @param {Values} values @returns {import("../form.js").Field[]} what moderators may change */
function fields(room, { title, topic, slow_mode, guests }) {
  const pauses = [...new Set([...PAUSES, Number(slow_mode)])].sort((a, b) => a - b);
  return [
    { name: "title", label: words.roomTitle, hint: words.roomTitleHint(room.name), value: title, optional: true, maxlength: 128 },
    { name: "topic", label: words.topic, value: topic, optional: true, rows: 3, maxlength: 500 },
    { name: "slow_mode", label: words.slowMode, hint: words.slowModeHint, value: slow_mode, options: pauses.map((pause) => [String(pause), dialogs.pause(pause)]) },
    {
      name: "guests",
      label: words.guests,
      hint: words.guestsHint,
      value: guests,
      options: [["talk", dialogs.guestsTalk], ["read", dialogs.guestsRead], ["no", dialogs.guestsNo]],
    },
  ];
}

/** @param {Room} room @param {Values} values @returns {import("../form.js").Field[]} what only owners may change */
function ownerFields(room, { access, retention, days }) {
  const had = Boolean(room.info.password);
  const lengths = [...new Set([...DAYS, Number(retention)])].filter(Boolean).sort((a, b) => a - b);
  return [
    {
      name: "access",
      label: words.access,
      value: access,
      options: [["public", words.accessPublic], ["private", words.accessPrivate], ["password", words.accessPassword]],
    },
    {
      name: "password",
      label: had ? words.password : words.passwordFirst,
      hint: had ? words.passwordHint : undefined,
      type: "password",
      autocomplete: "new-password",
      optional: had,
      maxlength: 128,
      when: (values) => values.access === "password",
    },
    {
      name: "retention",
      label: words.retention,
      hint: words.retentionHint,
      value: retention,
      options: [["0", words.retentionDefault], ...lengths.map((n) => /** @type {[string, string]} */ ([String(n), words.days(n)])), ["own", words.own]],
    },
    { name: "days", label: words.ownDays, value: days, type: "number", maxlength: 5, when: (values) => values.retention === "own" },
  ];
}

/**
 * Only what has changed: somebody else may have changed the rest meanwhile.
 * @param {Values} values @param {Values} before @returns {Record<string, unknown>} fields of `update_room` @throws {Refused}
 */
function changes(values, before) {
  const changed = (/** @type {string} */ key) => key in values && values[key] !== before[key];
  /** @type {Record<string, unknown>} */ const fields = {};
  for (const key of ["title", "topic", "guests"]) if (changed(key)) fields[key] = values[key];
  if (changed("slow_mode")) fields.slow_mode = Number(values.slow_mode);
  if (changed("access")) {
    if (values.access !== "password") fields.private = values.access === "private";
    if (values.access === "private" && before.access === "password") fields.password = "";
  }
  if (values.access === "password" && values.password) fields.password = values.password;
  if (changed("retention")) fields.retention_days = Number(values.retention === "own" ? ownDays(values.days) : values.retention);
  return fields;
}

/** @param {string} days @throws {Refused} */
function ownDays(days) {
  const wrong = !/^\d{1,5}$/.test(days) || Number(days) < 1 || Number(days) > 36500;
  if (wrong) throw new Refused("bad_field", words.ownDaysWrong, { fields: { days: words.ownDaysWrong } });
  return days;
}
