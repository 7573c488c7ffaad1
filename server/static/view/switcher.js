import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ref } from "../vendor/lit-html/directives/ref.js";
import { Refused } from "../net/api.js";
import { contains, order } from "../state/people.js";
import { dialogs as words } from "../words/dialogs.js";
import { avatar } from "./avatar.js";
import { attempt, goTo } from "./go.js";
import { icon } from "./more-icons.js";
import { beside, mark, nameOf, namesakes, twins } from "./names.js";
import { badge, sign } from "./room-parts.js";
import { inOrder } from "./shortcuts.js";

/**
 * One field for every room and person, by keyboard alone: a combobox whose list is always open.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../state/types.js").User} User
 * @typedef {{key: string, group: string, content: unknown, run: () => unknown, stays?: boolean}} Choice
 *   `stays`: the switcher stays open until another room or dialog is in front, and says why that is refused
 */

const MOST = 8; // of a group
const PAUSE = 200; // milliseconds without a key before the server is asked

/** @param {import("./host.js").Context} context with `people` if only they are wanted @returns {import("./host.js").Part} */
export function open({ state, act, data, redraw, close }) {
  const [title, label, none] = data.people
    ? [words.directTitle, words.directField, words.directNone]
    : [words.switcherTitle, words.switcherField, words.switcherNone];
  let [q, at, asked, error] = ["", 0, 0, ""];
  /** Public rooms that the server has found. @type {{room: string, title?: string}[]} */ let others = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  /** @type {HTMLInputElement | undefined} */ let field;

  /** @returns {Choice[]} */
  function choices() {
    const rooms = q ? inOrder(state, new Set()).filter((room) => contains(room.title, q) || contains(room.name, q)) : recent(state);
    rooms.sort((a, b) => rank(b.title, q) - rank(a.title, q));
    const people = q || data.people || !rooms.length ? peopleOf(state).filter(({ name }) => contains(name, q)) : [];
    const same = twins([...state.rooms.values()]);
    const group = (/** @type {boolean} */ direct) => rooms.filter((room) => room.direct === direct).slice(0, MOST).map((room) => roomChoice(room, same));
    const alike = namesakes(people);
    if (data.people) return [...group(true), ...people.map((user) => personChoice(user, alike))];
    const exact = state.rooms.has(q) || q.startsWith("@");
    const lasting = (/** @type {import("../state/types.js").Info} */ { kind }) => kind === "public" || kind === "private";
    const fits = (/** @type {string} */ room, /** @type {string} */ text) => contains(text, q) || contains(room, q);
    const left = [...state.left].filter(([room, info]) => lasting(info) && !state.rooms.has(room) && fits(room, info.title ?? "")).slice(0, MOST);
    // What the server finds comes last: it must not move what is about to be chosen.
    return [
      ...group(false),
      ...group(true),
      ...people.slice(0, MOST).map((user) => personChoice(user, alike)),
      ...(q && !exact ? [typedChoice(q)] : []),
      ...left.map(([room, info]) => leftChoice(room, info)),
      ...others.filter(({ room }) => q && room !== q && !state.rooms.has(room) && !state.left.has(room)).slice(0, MOST).map((each) => otherChoice(each)),
    ];
  }

  /** @param {Room} room @param {Map<string, string>} same @returns {Choice} */
  function roomChoice(room, same) {
    if (room.code === "no_such_room" && !room.direct) return lockedChoice(room);
    const content = html`${sign(room)}<span class="cut"><bdi>${room.title}</bdi></span>${beside(room, same)}${badge(state, room)}`;
    return { key: `room ${room.name}`, group: room.direct ? words.switcherPeople : words.switcherRooms, content, run: () => act.rooms.show(room.name) };
  }

  /** A room that did not let me in: perhaps its password does. @param {Room} room @returns {Choice} */
  function lockedChoice({ name }) {
    const content = html`<span class="room-sign">${icon("lock")}</span><span class="cut">${words.switcherUnlock(name)}</span>`;
    return { key: `room ${name}`, group: words.switcherRooms, content, run: () => act.ui.dialog("password", { room: name }) };
  }

  /** @param {User} user @param {Map<string, string>} alike @returns {Choice} */
  function personChoice(user, alike) {
    const content = html`${avatar(user)}<span class="cut">${nameOf(user, alike)}</span>${mark(user.id)}`;
    return { key: `user ${user.id}`, group: words.switcherPeople, content, run: () => attempt(act, () => act.people.direct(user.id)) };
  }

  /** The room with exactly this name: the server knows whether there is one. @param {string} room @returns {Choice} */
  function typedChoice(room) {
    const content = html`${icon("arrow-right")}<span class="cut">${words.switcherGo(room)}</span>`;
    return { key: "typed", group: "", content, stays: true, run: () => goTo(state, act, room, (text) => ((error = text), redraw())) };
  }

  /** @param {{room: string, title?: string}} each @returns {Choice} */
  function otherChoice({ room, title }) {
    const content = html`<span class="room-sign">${icon("hash")}</span><span class="cut"><bdi>${title || room}</bdi></span>${title && title !== room ? html`<bdi class="id-end">${room}</bdi>` : nothing}`;
    return { key: `other ${room}`, group: words.switcherOther, content, run: () => goTo(state, act, room) };
  }

  /** A room that I have left on this device, as a member. @param {string} room @param {import("../state/types.js").Info} info @returns {Choice} */
  function leftChoice(room, { title, kind }) {
    const content = html`<span class="room-sign">${icon(kind === "private" ? "lock" : "hash")}</span><span class="cut"><bdi>${title || room}</bdi></span>`;
    return { key: `left ${room}`, group: words.switcherLeft, content, run: () => act.rooms.enter(room, { stays: true }) };
  }

  async function ask() {
    const number = (asked += 1);
    try {
      const { rooms } = await act.rooms.list(q);
      if (number === asked) others = rooms;
    } catch (problem) {
      if (!(problem instanceof Refused)) throw problem; // offline: what is here is found all the same
    }
    redraw();
  }

  /** @param {Event} event */
  function typed(event) {
    q = /** @type {HTMLInputElement} */ (event.target).value.normalize("NFC").trim().replace(/^#(?=.)/, "");
    at = 0;
    error = "";
    clearTimeout(timer);
    if (q && !data.people) timer = setTimeout(ask, PAUSE);
    redraw();
  }

  /** @param {Choice | undefined} choice */
  async function choose(choice) {
    if (!choice) return;
    if (!choice.stays) close();
    await choice.run();
    if (choice.stays && !error) close();
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.isComposing) return;
    const all = choices();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") choose(all[at]);
    else if (step && all.length) {
      at = (at + step + all.length) % all.length;
      redraw();
      document.getElementById(`switch-${at}`)?.scrollIntoView({ block: "nearest" });
    } else return;
    event.preventDefault();
  }

  return {
    title: () => title,
    kind: "switcher",
    focus: () => field?.focus(),
    closed: () => clearTimeout(timer),
    draw: () => {
      const all = choices();
      at = Math.min(at, Math.max(0, all.length - 1));
      return html`
        <label class="search-field">${icon("search")}<span class="sr">${label}</span>
          <input class="input" role="combobox" aria-expanded="true" aria-controls="switch-list" aria-autocomplete="list"
            aria-activedescendant=${all.length ? `switch-${at}` : nothing} placeholder=${label} autocomplete="off" autocapitalize="none"
            spellcheck="false" maxlength="128" dir="auto" enterkeyhint="go" @input=${typed} @keydown=${onKey}
            ${ref((element) => (field = /** @type {HTMLInputElement | undefined} */ (element)))}></label>
        <p class="field-error" role="alert">${error}</p>
        <p class="sr" role="status">${q ? words.switcherFound(all.length) : ""}</p>
        <div id="switch-list" class="switch-list" role="listbox" aria-label=${title}>
          ${all.map((choice, i) => html`${choice.group && choice.group !== all[i - 1]?.group ? html`<div class="menu-title" role="presentation">${choice.group}</div>` : nothing}
            <div id="switch-${i}" class="switch" role="option" aria-selected=${i === at} data-key=${choice.key}
              @pointermove=${() => at !== i && ((at = i), redraw())} @click=${() => choose(choice)}>${choice.content}</div>`)}
        </div>
        ${all.length ? nothing : html`<p class="dialog-note">${q ? none : words.switcherEmpty}</p>`}
        <p class="switch-hint">${words.switcherHint}</p>`;
    },
  };
}

/** What one most likely wants without a word: what is new, then what was in front last. @param {import("../state/state.js").State} state */
function recent(state) {
  const rooms = inOrder(state).filter((room) => room.name !== state.front);
  return rooms.sort((a, b) => state.wantedOf(b) - state.wantedOf(a) || b.unread - a.unread || b.at - a.at);
}

/** Names that begin with what was typed come first. @param {string} name @param {string} q */
function rank(name, q) {
  return q && name.toLowerCase().startsWith(q.toLowerCase()) ? 1 : 0;
}

/** The people in my rooms, without me and those with whom I have a direct room: that is found itself. @param {import("../state/state.js").State} state @returns {User[]} */
function peopleOf(state) {
  /** @type {Map<string, User>} */ const found = new Map();
  for (const room of state.rooms.values()) {
    for (const user of room.presence.members.values()) found.set(user.id, user);
  }
  for (const room of state.rooms.values()) if (room.peer && state.lists(room)) found.delete(room.peer.id);
  if (state.me) found.delete(state.me.id);
  return [...found.values()].sort((a, b) => order.compare(a.name, b.name));
}
