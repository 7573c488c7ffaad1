import { editKey } from "../../state/content.js";
import { comparable, kindOf, shownName } from "../../state/people.js";
import { answersBlocked, mentionsMe } from "../../state/unread.js";
import { guard } from "../../vendor/lit-html/directives/guard.js";
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { words } from "../../words.js";
import { list } from "../../words/format.js";
import { colors, initials, shapeOf } from "../avatar.js";
import { beginning, start as startOf } from "../beginning.js";
import { attempt, goTo } from "../go.js";
import { icon } from "../icons.js";
import { addressOf, isForBrowser } from "../links.js";
import { isOnlyEmoji, plain, text } from "../markdown/text.js";
import { exactText, shortTimeText, timeText } from "../time.js";
import { foot, footOf, tick } from "./delivery.js";

/**
 * A message. What is drawn is first gathered in one flat record; a message whose record is as before costs nothing.
 *
 * @typedef {import("../../state/timeline.js").MessageLine} MessageLine
 * @typedef {import("../../state/room.js").Room} Room
 * @typedef {{state: any, act: any, room: Room, now: number, target: number|null, opened: Set<string>,
 *   alike: Map<string, string>, toggle: (key: string) => void}} Context `target`: the message that was jumped to; `opened`:
 *   the keys of the long messages that are not folded; `alike`: what tells authors of one name apart
 */

/** About how many elements a message may have at first, and when it is unfolded. */
const ELEMENTS = 120;
const MORE_ELEMENTS = 1200;

/** The key of a line for its element: one that was drawn while it was unsent keeps that. @param {MessageLine} line */
export const keyOf = (line) => line.was || line.key;

/** @param {MessageLine} line @param {Context} context */
export function message(line, context) {
  const shown = record(line, context);
  return guard(Object.values(shown), () => draw(line, shown, context));
}

/** @param {MessageLine} line @param {Context} context */
function record(line, { state, room, now, target, opened, alike }) {
  const { message: sent, unsent } = line;
  const edit = state.ui.edits.get(editKey(room.name, line.seq ?? unsent?.id));
  const content = edit?.saving ? edit.text : (sent?.content ?? unsent?.content ?? "");
  const long = beginning(content) !== content;
  return {
    sent,
    content,
    start: line.start,
    own: line.own,
    at: line.at,
    seq: line.seq,
    author: line.author,
    name: line.name,
    end: line.start ? (alike.get(line.author) ?? "") : "",
    delivered: edit?.saving ? "sending" : line.delivered,
    last: line.last,
    late: state.late && line.delivered === "shown",
    foot: footOf(line, now),
    mention: sent ? mentionsMe(state, sent) : false,
    fold: long ? (opened.has(keyOf(line)) ? "open" : "folded") : "",
    target: target !== null && target === line.seq,
    clock: state.settings.get("clock"),
    me: state.me,
    room: room.name,
    reactors: sent?.reactions ? reactors(sent.reactions, state) : "", // "" also if all are hidden
    answered: authorOf(room.message(replyOf(line)?.seq ?? 0)),
    muffled: answersBlocked(state, room, replyOf(line)),
    pinner: sent?.pinned_by ? nameOf(sent.pinned_by, state) : "",
    editing: edit !== undefined && edit === state.ui.editing.get(room.name),
  };
}

/** @typedef {ReturnType<typeof record>} Shown */

/** @param {MessageLine} line @param {Shown} shown @param {Context} context */
function draw(line, shown, context) {
  const { sent, content, start, own, at, author, name } = shown;
  const classes = ["msg", start && "start", own && "own", shown.mention && "mentions-me", shown.target && "target",
    shown.editing && "editing", shown.delivered !== "sent" && "unsent"].filter(Boolean).join(" ");
  const edited = sent?.edited_at ? editedText(sent.edited_at) : "";
  const drawn = shown.fold === "folded" ? beginning(content) : content;
  const most = shown.fold === "open" ? MORE_ELEMENTS : ELEMENTS;
  const above = sent?.pinned_at || replyOf(line) ? over(line, shown, context) : start ? head(shown, context) : nothing;
  const below = (own && (shown.last || shown.delivered !== "sent")) || shown.fold || shown.reactors
    ? under(line, shown, context)
    : nothing;
  // The space at the end keeps what others add to the message (its toolbar) out of the last part's place.
  return html`<div class=${classes} role="listitem" tabindex="-1" data-key=${keyOf(line)} data-seq=${shown.seq ?? nothing}
    data-state=${shown.delivered} data-time=${start ? nothing : shortTimeText(at)} aria-label=${label(shown, edited, context.state)}
    .style=${start ? colors(author) : ""}>${above}<div class=${textClass(shown)} dir="auto" data-edited=${edited || nothing}>${
      guard([drawn, shown.me, most], () => text(drawn, textOptions(context), most))}</div>${below} </div>`;
}

/** Few messages have any of these: what is not there costs one marker in the page, not one each.
 * @param {MessageLine} line @param {Shown} shown @param {Context} context */
function over(line, shown, context) {
  return html`${shown.start ? head(shown, context) : nothing}${shown.sent?.pinned_at ? pinned(shown.pinner) : nothing}${replyHead(line, shown, context)}`;
}

/** @param {MessageLine} line @param {Shown} shown @param {Context} context */
function under(line, shown, context) {
  return html`${shown.fold ? foldButton(line, shown, context) : nothing}${shown.reactors ? reactions(shown, context) : nothing}${
    shown.own ? tick(shown) : nothing}${shown.foot ? foot(line, shown.foot, context.act) : nothing}`;
}

/** @param {Shown} shown @param {Context} context */
function head({ author, name, at, own, end, sent, room }, { act }) {
  const kind = kindOf(author);
  const marks = [];
  if (end) marks.push(html`<span class="id-end" title=${author} .textContent=${`#${end}`}></span>`);
  if (own) marks.push(html`<span class="mark own-mark" .textContent=${words.log.you}></span>`);
  else if (kind) marks.push(html`<span class="mark" title=${words.common.kindMeanings[kind]} .textContent=${words.common.kinds[kind]}></span>`);
  if (sent?.alias_of) marks.push(html`<span class="mark" title=${words.log.wroteAsGuest(name)} .textContent=${words.log.asGuest}></span>`);
  return html`<span class=${shapeOf(author)} aria-hidden="true" .textContent=${initials(name)}></span><div class="head"><button
    type="button" class="name name-color" dir="auto" tabindex="-1" .textContent=${name}
    @click=${() => act.ui.profile({ id: author, name }, room)}></button>${marks.length > 1 ? marks : (marks[0] ?? nothing)}<time class="time"
    datetime=${new Date(at).toISOString()} title=${exactText(at)} .textContent=${timeText(at)}></time></div>`;
}

/** @param {Shown} shown */
function textClass({ content, fold }) {
  return `text${isOnlyEmoji(content) ? " jumbo" : ""}${fold ? ` ${fold}` : ""}`;
}

/** When it was edited: the time, with the day if that is another one than today. @param {string} edited_at */
function editedText(edited_at) {
  const at = Date.parse(edited_at);
  const today = new Date().toDateString() === new Date(at).toDateString();
  return words.log.editedAt(today ? timeText(at) : exactText(at));
}

/** What a screen reader says for the whole message. @param {Shown} shown @param {string} edited @param {any} state */
function label({ sent, content, name, at, delivered, muffled, answered }, edited, state) {
  const reactions = reactionsOf(sent?.reactions ?? {}, state);
  const reply = sent?.reply_to;
  const marks = [
    reply && (unquoted(reply, muffled) || words.log.replyTo(shownName({ id: answered, name: reply.sender }), plain(reply.content ?? ""))),
    edited,
    sent?.pinned_at && words.log.pinned,
    delivered === "sent" ? "" : words.log.delivered[delivered],
    ...reactions.map(([emoji, ids]) => `${emoji} ${ids.length}`),
  ].filter(Boolean);
  return [words.log.message(name, timeText(at), plain(content)), ...marks].join(". ");
}

/** @param {string} by */
function pinned(by) {
  return html`<div class="pinned-mark">${icon("pin")}${by ? words.log.pinnedBy(by) : words.log.pinned}</div>`;
}

/** @param {MessageLine} line */
const replyOf = (line) => line.message?.reply_to ?? line.unsent?.replyTo;

/** Who wrote a message, "" if that is not known. @param {import("../../state/types.js").Message | null | undefined} message */
const authorOf = (message) => message?.alias_of ?? message?.sender_id ?? "";

/** What stands in place of a quote: "" if it can be quoted. @param {import("../../state/types.js").ReplyHead} reply @param {boolean} muffled */
function unquoted(reply, muffled) {
  return reply.content === undefined ? words.log.replyGone : muffled ? words.log.replyBlocked : "";
}

/** The message that is answered, as a button that jumps to it. @param {MessageLine} line @param {Shown} shown @param {Context} context */
function replyHead(line, { muffled, answered }, { act, room }) {
  const reply = replyOf(line);
  if (!reply) return nothing;
  const instead = unquoted(reply, muffled);
  if (instead) return html`<div class="reply">${icon("reply")}<span class="reply-text">${instead}</span></div>`;
  const content = plain(reply.content ?? "");
  const name = shownName({ id: answered, name: reply.sender });
  return html`<button type="button" class="reply" tabindex="-1" aria-label=${words.log.replyTo(name, content)}
    @click=${() => act.reading.toMessage(room.name, reply.seq)}>${icon("reply")}<bdi class="reply-name">${name}</bdi> <bdi
    class="reply-text">${startOf(content)}</bdi></button>`;
}

/** @param {MessageLine} line @param {Shown} shown @param {Context} context */
function foldButton(line, { fold }, { toggle }) {
  return html`<button type="button" class="link unfold" tabindex="-1" aria-expanded=${fold === "open" ? "true" : "false"}
    @click=${() => toggle(keyOf(line))}>${fold === "open" ? words.log.showLess : words.log.showMore}</button>`;
}

/** @param {Shown} shown @param {Context} context */
function reactions({ sent, seq, room, reactors: names }, { state, act }) {
  const told = names.split("\n");
  return html`<div class="reactions">${reactionsOf(sent?.reactions ?? {}, state).map(([emoji, ids], i) => {
    const mine = ids.some((id) => state.isMine(id));
    return html`<button type="button" class="reaction" tabindex="-1" aria-pressed=${mine ? "true" : "false"} title=${told[i]}
      aria-label=${words.log.reaction(emoji, told[i], ids.length)}
      @click=${() => act.messages.react(room, seq, emoji, !mine)}><span class="emoji">${emoji}</span><span
      class="count">${ids.length}</span></button>`;
  })}</div>`;
}

/**
 * The reactions that are shown: not those of people whom I block, and no words, which would be messages.
 * @param {Record<string, string[]>} all @param {any} state @returns {[string, string[]][]} the ids of those who reacted, by emoji
 */
function reactionsOf(all, state) {
  const shown = Object.entries(all).map(([emoji, ids]) => /** @type {[string, string[]]} */ ([emoji, ids.filter((id) => !state.blocked.has(id))]));
  return shown.filter(([emoji, ids]) => ids.length > 0 && isOnlyEmoji(emoji));
}

/** Who reacted, a line for each emoji. @param {Record<string, string[]>} all @param {any} state */
function reactors(all, state) {
  const most = 10;
  return reactionsOf(all, state).map(([, ids]) => {
    const names = ids.slice(0, most).map((id) => nameOf(id, state));
    return list(ids.length > most ? [...names, words.log.others(ids.length - most)] : names);
  }).join("\n");
}

/** @param {string} id @param {any} state @returns {string} */
function nameOf(id, state) {
  if (state.isMine(id)) return words.log.you;
  return state.names.get(id) ?? words.log.somebody;
}

/** @type {WeakMap<object, import("../markdown/text.js").Options>} */
const options = new WeakMap();

/** How mentions and rooms in a text are drawn. @param {Context} context */
function textOptions({ state, act }) {
  let found = options.get(act);
  if (!found) {
    found = {
      isMe: (name) => state.me !== null && comparable(name) === comparable(state.me.name),
      roomAddress: (name) => addressOf(name),
      openRoom(name, event) {
        if (isForBrowser(event)) return;
        event.preventDefault();
        goTo(state, act, name);
      },
      openLink(event) {
        const link = /** @type {HTMLAnchorElement} */ (event.currentTarget);
        const asked = new URLSearchParams(link.search);
        const room = asked.get("r");
        const here = link.origin + link.pathname === location.origin + location.pathname;
        if (!here || !room || link.hash || asked.has("u") || isForBrowser(event)) return;
        event.preventDefault();
        attempt(act, () => act.rooms.visit(room, Number(asked.get("m")) || undefined));
      },
    };
    options.set(act, found);
  }
  return found;
}
