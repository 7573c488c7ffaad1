import { kindOf } from "../protocol.js";
import { avatar, initials, tint } from "./old-avatar.js";
import { el, icon, setText } from "./dom.js";
import { mark } from "./mark.js";
import { isOnlyEmoji, withLinks } from "./text.js";
import { dayText, exactText, secondsText, timeText } from "./time.js";

/**
 * One line of the log as an element: created once, then updated in place, so that a screen reader does not read a
 * message again when its tick appears.
 *
 * @typedef {import("../timeline.js").Line} Line
 * @typedef {import("../timeline.js").MessageLine} MessageLine
 * @typedef {import("../timeline.js").NoticeLine} NoticeLine
 * @typedef {{retry: (id: string) => void, discard: (id: string) => void}} Actions
 */

const STATES = {
  sent: { label: "Sent", icon: /** @type {const} */ ("sent") },
  shown: { label: "Sent, not stored yet", icon: /** @type {const} */ ("waiting") },
  sending: { label: "Sending", icon: /** @type {const} */ ("waiting") },
  queued: { label: "Waiting to be sent", icon: /** @type {const} */ ("waiting") },
  failed: { label: "Not sent", icon: /** @type {const} */ ("failed") },
};
const NAMES_TOLD = 3;
/** Longer messages are folded at first: more than 20 lines, or more characters than fit into 20 lines on any screen. */
const LINES = 20;
const CHARS = 2500;
/** The drawn parts of a line that can change after it was sent. */
const SHOWN = /** @type {const} */ (["state", "start", "end", "seq", "text", "edited", "name", "own", "author", "at"]);

/** @param {Line} line @param {Actions} actions @returns {HTMLElement} */
export function makeLine(line, actions) {
  if (line.kind === "message") return makeMessage(line, actions);
  if (line.kind === "day") {
    const time = el("time", { datetime: new Date(line.at).toISOString() });
    return el("div", { class: "day", role: "separator" }, time);
  }
  if (line.kind === "unread") return el("div", { class: "unread-line", role: "separator" }, el("span", {}, "New"));
  return el("div", { class: "notice" }, el("span", { class: "notice-text" }), el("time", { class: "notice-time" }));
}

/** @param {HTMLElement & {line?: Line}} element @param {Line} line @param {Actions} actions */
export function updateLine(element, line, actions) {
  const before = element.line;
  element.line = line;
  if (line.kind === "message") updateMessage(element, line, before, actions);
  if (line.kind === "day") {
    const text = dayText(line.at);
    setText(/** @type {Element} */ (element.firstElementChild), text);
    if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
  }
  if (line.kind === "unread") element.setAttribute("aria-label", "New messages");
  if (line.kind === "notice") updateNotice(element, line);
}

/** @param {MessageLine} line @param {Actions} actions */
function makeMessage(line, actions) {
  const element = el(
    "div",
    { class: "msg" },
    avatar(line.author, line.name),
    el(
      "div",
      { class: "body" },
      el("div", { class: "head" }, el("bdi", { class: "name" }), " ", el("span", { class: "kind" }), " ", el("time", { class: "time" })),
      el(
        "div",
        { class: "bubble" },
        el("div", { class: "text", dir: "auto" }),
        el("span", { class: "edited" }),
        line.own ? el("span", { class: "tick", role: "img" }) : "",
        el("time", { class: "when", "aria-hidden": "true" }),
      ),
    ),
  );
  tint(element, line.author);
  return element;
}

/** @param {any} element @param {MessageLine} line @param {Line | undefined} before @param {Actions} actions */
function updateMessage(element, line, before, actions) {
  const old = before?.kind === "message" ? before : undefined;
  if (old && line.state === "sent" && SHOWN.every((part) => old[part] === line[part])) return; // true for nearly all lines
  element.className = ["msg", line.own && "own", line.start && "start", line.end && "end"].filter(Boolean).join(" ");
  if (line.seq !== null) element.dataset.seq = String(line.seq);
  if (old?.author !== line.author) tint(element, line.author);
  if (old?.author !== line.author || old?.own !== line.own) {
    element.querySelector(".kind").replaceChildren(line.own ? "" : mark(line.author));
  }
  if (old?.name !== line.name || old?.own !== line.own) {
    setText(element.querySelector(".avatar"), initials(line.name));
    const name = element.querySelector(".name");
    setText(name, line.own ? "You" : line.name);
    name.title = line.own ? line.name : "";
  }
  if (old?.at !== line.at) {
    const [time, when] = element.querySelectorAll("time");
    setText(time, timeText(line.at));
    setText(when, secondsText(line.at));
    time.dateTime = when.dateTime = new Date(line.at).toISOString();
    time.title = when.title = exactText(line.at);
  }
  if (old?.text !== line.text) {
    const text = element.querySelector(".text");
    text.replaceChildren(...withLinks(line.text));
    text.classList.toggle("jumbo", isOnlyEmoji(line.text));
    fold(element, text, line.text);
  }
  if (old?.edited !== line.edited) {
    const edited = element.querySelector(".edited");
    setText(edited, line.edited && "edited");
    edited.title = line.edited && exactText(Date.parse(line.edited));
  }
  if (line.own) updateDelivery(element, line, actions);
}

/** Show the beginning of a long text, and a button for the rest. @param {any} element @param {HTMLElement} text
 * @param {string} content */
function fold(element, text, content) {
  const long = content.length > CHARS || content.split("\n", LINES + 2).length > LINES + 1;
  element.querySelector(".unfold")?.remove();
  text.classList.toggle("folded", long);
  if (!long) return;
  const button = el("button", { type: "button", class: "link unfold", "aria-expanded": "false" }, "Show more");
  button.addEventListener("click", () => {
    const folded = text.classList.toggle("folded");
    button.setAttribute("aria-expanded", String(!folded));
    setText(button, folded ? "Show more" : "Show less");
  });
  text.after(button);
}

/** @param {any} element @param {MessageLine} line @param {Actions} actions */
function updateDelivery(element, line, actions) {
  const tick = element.querySelector(".tick");
  if (!tick) return; // it was drawn as another user's line
  const { state, entry } = line;
  if (element.dataset.state !== state) {
    element.dataset.state = state;
    tick.setAttribute("aria-label", STATES[state].label);
    tick.title = STATES[state].label;
    tick.replaceChildren(icon(STATES[state].icon));
  }
  const reason = state === "sent" || state === "shown" ? "" : (entry?.reason ?? "");
  if (element.dataset.reason === reason + state) return;
  element.dataset.reason = reason + state;
  element.querySelector(".foot")?.remove();
  if (!reason || !entry) return;
  const foot = el("div", { class: "foot" }, el("span", { class: "reason" }));
  foot.firstChild.textContent = state === "failed" ? `Not sent. ${reason}` : `${reason} Trying again…`;
  if (state === "failed") {
    foot.append(
      el("button", { type: "button", class: "link", click: () => actions.retry(entry.id) }, "Retry"),
      el("button", { type: "button", class: "link", click: () => actions.discard(entry.id) }, "Discard"),
    );
  }
  element.querySelector(".body").append(foot);
}

/** @param {HTMLElement} element @param {NoticeLine} line */
function updateNotice(element, { notice, at }) {
  const told = notice.text ?? `${[...notice.came.keys()]}/${[...notice.went.keys()]}`;
  if (element.dataset.told === told) return;
  element.dataset.told = told;
  const [text, time] = /** @type {any} */ (element.children);
  text.replaceChildren();
  if (notice.text !== undefined) text.append(notice.text);
  if (notice.came.size) text.append(...names([...notice.came.values()]), " joined");
  if (notice.came.size && notice.went.size) text.append(" · ");
  if (notice.went.size) text.append(...names([...notice.went.values()]), " left");
  setText(time, timeText(at));
  time.dateTime = new Date(at).toISOString();
  time.title = exactText(at);
}

/** @param {import("../protocol.js").User[]} users @returns {(Node | string)[]} "ann, bob (guest) and 3 others" */
function names(users) {
  const told = users.slice(0, users.length === NAMES_TOLD + 1 ? NAMES_TOLD + 1 : NAMES_TOLD);
  const rest = users.length - told.length;
  const parts = told.map(({ id, name }) => el("span", {}, el("bdi", {}, name), kindOf(id) && ` (${kindOf(id)})`));
  return parts.flatMap((part, i) => {
    if (i === 0) return [part];
    return [i === parts.length - 1 && !rest ? " and " : ", ", part];
  }).concat(rest ? [` and ${rest} others`] : []);
}
