import { kindOf, shownName } from "../../state/people.js";
import { guard } from "../../vendor/lit-html/directives/guard.js";
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { words } from "../../words.js";
import { duration, listOf, parts, quoted } from "../../words/format.js";
import { dayText, exactText, timeText } from "../time.js";
import { message } from "./message.js";

/**
 * The lines between messages.
 *
 * @typedef {import("../../state/timeline.js").Line} Line
 * @typedef {import("../../state/types.js").User} User
 * @typedef {import("./message.js").Context} Context
 */

const NAMES = 3; // more are counted

/** @param {Line} line @param {Context} context */
export function drawLine(line, context) {
  if (line.kind === "message") return message(line, context);
  if (line.kind === "day") return separator("day", dayText(line.at), dayText(line.at));
  if (line.kind === "unread") return separator("unread-line", words.log.unread, words.log.unreadLabel);
  return line.kind === "notice" ? notice(line) : hidden(line, context);
}

/** @param {string} name @param {string} text @param {string} label */
function separator(name, text, label) {
  return html`<div class=${name} role="listitem"><span role="separator" aria-label=${label}>${text}</span></div>`;
}

/** @param {import("../../state/timeline.js").NoticeLine} line */
function notice({ notice: { told, came, went }, at }) {
  const all = `${[...came.keys()]}/${[...went.keys()]}`;
  return guard([told, all, at], () => {
    const time = html`<time class="notice-time" datetime=${new Date(at).toISOString()} title=${exactText(at)}>${timeText(at)}</time>`;
    return html`<div class="notice" role="listitem"><span class="notice-text">${
      told ? event(told) : comings(came, went)}</span> ${time}</div>`;
  });
}

/** @param {import("../../state/notices.js").Told} told */
function event({ what, by, user, text, seconds = 0, role = "member" }) {
  const { roles, ...texts } = words.notices;
  return parts(/** @type {Record<string, string>} */ (texts)[what === "set_role" && by?.id === user?.id ? "became" : what] ?? "", {
    by: by ? named(by) : words.log.somebody,
    user: user ? named(user) : words.log.somebody,
    text: html`<bdi>${quoted(text ?? "")}</bdi>`,
    time: duration(seconds),
    role: roles[role] ?? role,
  });
}

/** @param {Map<string, User>} came @param {Map<string, User>} went */
function comings(came, went) {
  if (came.size && went.size) return parts(words.log.joinedAndLeft, { came: names(came), went: names(went) });
  return came.size ? parts(words.log.joined, { names: names(came) }) : parts(words.log.left, { names: names(went) });
}

/** "ann, bob (guest), and 3 others". @param {Map<string, User>} users */
function names(users) {
  const all = [...users.values()];
  const told = all.slice(0, all.length === NAMES + 1 ? NAMES + 1 : NAMES);
  const rest = all.length - told.length;
  return listOf([...told.map(named), ...(rest ? [words.log.others(rest)] : [])]);
}

/** @param {User} user */
function named({ id, name }) {
  const kind = kindOf(id);
  const person = html`<bdi>${name}</bdi>`;
  return kind ? parts(words.common.nameAndKind("{name}", words.common.kinds[kind]), { name: person }) : person;
}

/** Messages that are not shown. @param {import("../../state/timeline.js").HiddenLine} line @param {Context} context */
function hidden({ kind, key, seq, seqs, author: id, name }, { toggle }) {
  return guard([kind, seq, seqs.length, name], () => {
    const show = html`<button type="button" class="link" tabindex="-1" @click=${() => toggle(key)}>${words.log.show}</button>`;
    const blocked = kind === "blocked" && words.log.blocked(seqs.length);
    const label = blocked || words.log.deleted(seqs.length, shownName({ id, name }));
    const text = blocked || parts(words.log.deleted(seqs.length, "{name}"), { name: named({ id, name }) });
    return html`<div class="msg gone" role="listitem" tabindex="-1" data-key=${key} data-seq=${seq} aria-label=${label}><span
      class="gone-text">${text}</span>${kind === "blocked" ? show : nothing}</div>`;
  });
}
