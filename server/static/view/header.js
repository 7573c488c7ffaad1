import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { words } from "../words.js";
import { icon } from "./icons.js";
import { beside, twins } from "./names.js";
import { cut, openRoomMenu, sign } from "./room-parts.js";

/**
 * Which room this is, and the ways to what belongs to it.
 *
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */

/** @param {State} state @param {Actions} act @param {import("./status.js").ConnectionName} connected */
export function header(state, act, connected) {
  const room = state.room;
  return html`
    ${menuButton(state, act)}
    ${room ? heading(state, room, connected) : html`<div class="heading"></div>`}
    ${connection(connected)}
    ${room ? buttons(state, room, act) : nothing}`;
}

/** On phones the only sign of what is unread in other rooms. @param {State} state @param {Actions} act */
function menuButton(state, act) {
  const { mentions, unread } = state.totals(state.front);
  const { length: invitations } = state.invitations;
  const { open, openMentions, openInvitations, openUnread } = words.rooms;
  const label = mentions ? openMentions(mentions) : invitations ? openInvitations(invitations) : unread ? openUnread(unread) : open;
  const wanted = mentions + invitations;
  const n = wanted || unread;
  return html`<button type="button" id="menu" class="icon-button menu-button" aria-label=${label} aria-controls="sidebar"
    aria-expanded=${state.ui.drawer} @click=${() => act.ui.drawer(!state.ui.drawer)}>
    ${icon("menu")}${n ? html`<span class="badge ${wanted ? "mention" : ""}" aria-hidden="true">${cut(n)}</span>` : nothing}
  </button>`;
}

/** @param {State} state @param {Room} room @param {import("./status.js").ConnectionName} connected */
function heading(state, room, connected) {
  const topic = room.info.topic ?? "";
  const enters = room.status !== "joined" && connected !== "lost" && connected !== "stopped";
  const line = room.status === "closed" ? words.header.apart : enters ? words.header.entering : "";
  return html`<div class="heading">
    <div class="heading-title">${sign(room)}<h1 id="room-heading" class="cut" tabindex="-1"><bdi id="room-title">${room.title}</bdi></h1>
      ${room.info.kind === "private" ? html`<span class="sr">${words.header.private}</span>` : nothing}${beside(room, twins([...state.rooms.values()]))}</div>
    ${line ? html`<p id="room-line" class="topic">${line}</p>` : nothing}
    ${topic && !line
      ? html`<button type="button" id="topic" class="topic cut" popovertarget="whole-topic" title=${words.header.showTopic}><bdi>${topic}</bdi></button>
        <div id="whole-topic" class="whole-topic" popover aria-label=${words.header.topic} role="dialog" dir="auto">${topic}</div>`
      : nothing}
  </div>`;
}

/** Said always, shown only while there is something to say. @param {import("./status.js").ConnectionName} name */
function connection(name) {
  return html`<div id="status" class=${name === "online" ? "sr" : "status"} data-state=${name} role="status" aria-label=${words.status.label}>
    <span class="dot" aria-hidden="true"></span><span class="status-text">${words.status[name]}</span></div>`;
}

/** @param {State} state @param {Room} room @param {Actions} act */
function buttons(state, room, act) {
  const count = room.status === "joined" ? room.presence.count : 0;
  const toggle = (/** @type {State["ui"]["panel"]} */ name) => () => {
    const open = state.ui.panel !== name;
    if (name === "people") act.settings.set("people", open);
    act.ui.panel(open ? name : "");
  };
  const on = (/** @type {string} */ name) => String(state.ui.panel === name);
  const people = count ? words.header.people(count) : words.header.openPeople;
  const more = room.reports ? words.header.menuReports : words.header.menu;
  return html`
    ${room.direct ? nothing : html`<button type="button" id="open-people" class="icon-button people-button" aria-label=${people} title=${people} aria-expanded=${on("people")}
      aria-controls="panel" @click=${toggle("people")}>${icon("users")}<span id="room-count" class="room-count">${count ? words.header.count(count) : ""}</span></button>`}
    <button type="button" id="open-search" class="icon-button" aria-label=${words.header.search} title=${words.header.search} aria-expanded=${on("search")}
      aria-controls="panel" @click=${toggle("search")}>${icon("search")}</button>
    <button type="button" id="open-pins" class="icon-button wide-only" aria-label=${words.header.pins} title=${words.header.pins} aria-expanded=${on("pins")}
      aria-controls="panel" @click=${toggle("pins")}>${icon("pin")}</button>
    <button type="button" id="room-menu" class="icon-button" aria-label=${more} title=${more} aria-haspopup="menu" aria-expanded="false"
      @click=${(/** @type {Event} */ event) => openRoomMenu(/** @type {Element} */ (event.currentTarget), state, room, act)}>${icon("ellipsis")}${room.reports
        ? html`<span class="attention" aria-hidden="true"></span>`
        : nothing}</button>`;
}
