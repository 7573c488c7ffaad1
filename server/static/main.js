import { socketUrl } from "./protocol.js";
import { Session } from "./session.js";
import { TabStore, rememberName, rememberedName } from "./storage.js";
import { claimTab } from "./tab.js";
import { timeline } from "./timeline.js";
import { Transport } from "./transport.js";
import { AlertsView } from "./view/alerts.js";
import { Composer } from "./view/composer.js";
import { byId, setText } from "./view/dom.js";
import { EntryView } from "./view/entry.js";
import { LogView } from "./view/log.js";
import { ShareButton } from "./view/share.js";
import { Sidebar } from "./view/sidebar.js";
import { StatusView } from "./view/status.js";

/** Wires transport, session and views. The state changes, then everything is drawn once, in the next frame. */

let wantsFocus = false; // whether to focus the composer at the next drawing: it must be drawn first

const store = new TabStore();
const copied = await claimTab(store);
const transport = new Transport({
  url: () => socketUrl(document.baseURI, session.identity.name),
  onState: () => {}, // the session replaces both
  onFrame: () => {},
});
const session = new Session({ transport, store, onChange: schedule });

// --- user actions ------------------------------------------------------------------------------------------------------

const entry = new EntryView((name, room) => {
  start(name, [], room);
  remember();
  wantsFocus = true;
});
const log = new LogView({
  retry: (id) => {
    session.retry(id);
    wantsFocus = true; // the focused button disappears
  },
  discard: (id) => {
    session.discard(id);
    wantsFocus = true;
  },
  older: () => session.loadOlder(),
  onFollow: look,
});
const composer = new Composer({
  post: (content) => {
    const posted = session.post(content);
    if (posted) log.toEnd();
    return posted;
  },
  draft: (text) => store.set("drafts", { ...store.get("drafts"), [session.active?.name ?? ""]: text || undefined }),
  page: (direction) => log.page(direction),
  reenter: () => {
    session.reenter();
    remember();
    wantsFocus = true;
  },
  close: () => {
    if (session.active) session.leave(session.active);
    remember();
    wantsFocus = true;
  },
});
const sidebar = new Sidebar({
  enter: (room) => {
    session.enter(room);
    remember();
    wantsFocus = true;
  },
  leave: (room) => {
    session.leave(room);
    remember();
  },
  quit: () => {
    session.quit();
  },
  link,
});
const share = new ShareButton(() => link(session.active?.name ?? ""));
const status = new StatusView(() => transport.connect());
const alerts = new AlertsView(
  (key) => {
    session.dismiss(key);
    wantsFocus = true;
  },
  (room, accept) => {
    session.answer(room, accept);
    remember();
    wantsFocus = true;
  },
);

addEventListener("popstate", () => {
  const room = new URLSearchParams(location.search).get("r");
  if (room && session.active) session.enter(room);
});
addEventListener("online", () => transport.wake());
addEventListener("offline", () => transport.wake()); // find out soon whether the connection is really lost
addEventListener("pageshow", (event) => event.persisted && location.reload()); // the tab's id was released
addEventListener("beforeunload", (event) => {
  if (session.outbox.entries.length) event.preventDefault(); // closing the tab would lose it: the browser asks
});
addEventListener("focus", look);
addEventListener("blur", look);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) transport.wake();
  look();
});

// --- drawing -----------------------------------------------------------------------------------------------------------

let scheduled = false;

/** Draw in the next frame. A hidden page gets no frames, but its title shows the unread count. */
function schedule() {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(render, 200);
  else requestAnimationFrame(render);
}

function render() {
  scheduled = false;
  const room = session.active;
  const chatting = room !== null && session.refused === null;
  if (!chatting && document.body.dataset.view !== "entry") open(typedName, lastRoom);
  document.body.dataset.view = chatting ? "chat" : "entry";
  entry.refuse(session.refused);
  alerts.render(session.alerts);
  if (!chatting) return setText(title, "Parley");
  lastRoom = room.name;
  setText(byId("room-title"), room.name);
  const late = session.delivery.late ? "The server cannot store messages right now. Your messages are kept and will be stored later." : "";
  const trouble = room.trouble || late;
  status.render(transport.state, session.identity.known, session.outbox.entries.length, trouble);
  sidebar.render(session.rooms, room, session.identity.me, session.identity.name);
  composer.close(room.status === "closed" ? room.reason : "");
  composer.render(room.name, store.get("drafts")?.[room.name] ?? "", session.limits.max_content_chars);
  log.render(room, timeline(room, session.outbox.of(room.name), (id) => session.identity.isMine(id)));
  session.onDrawn();
  share.render(room.name);
  if (wantsFocus) composer.focusIfFine();
  wantsFocus = false;
  forget(room);
  const unread = [...session.rooms.values()].reduce((sum, each) => sum + each.unread, 0);
  setText(title, `${unread ? `(${unread}) ` : ""}${room.name} · Parley`);
}

/** New messages count as read if the page is in front and the log at its end. */
function look() {
  session.look(log.following, !document.hidden && document.hasFocus());
}

// --- start -------------------------------------------------------------------------------------------------------------

/** @param {string} room @returns {string} an address to share: the room, never my name */
function link(room) {
  return new URL(`${location.pathname}?r=${encodeURIComponent(room)}`, location.href).href;
}

/** Put the room into the address bar, so that back, reload and bookmarks work. */
function remember() {
  const room = session.active?.name;
  if (room && link(room) !== location.href) history.pushState(null, "", link(room));
}

/** Keep closed rooms from being entered by a reload. @param {import("./room.js").Room} room the current one */
function forget(room) {
  if (room.status === "closed" && link(room.name) === location.href) history.replaceState(null, "", location.pathname);
}

/** @param {string} name @param {string[]} rooms @param {string} active @param {string[]} [staying] */
function start(name, rooms, active, staying) {
  typedName = name;
  lastRoom = active;
  rememberName(name);
  session.start(name, rooms, active, staying);
}

/** @param {string} name @param {string} room */
function open(name, room) {
  document.body.dataset.view = "entry";
  entry.open(name, room);
}

const title = /** @type {Element} */ (document.querySelector("title"));
let typedName = "";
let lastRoom = "";

function begin() {
  const asked = new URLSearchParams(location.search);
  const clean = (/** @type {string | null | undefined} */ text) => (text ?? "").normalize("NFC").trim();
  const saved = store.get("rooms");
  const name = clean(asked.get("u")) || session.identity.name;
  const room = clean(asked.get("r")) || saved?.active || "";
  if (copied) session.alert("This tab is a copy of another one, so you are a new guest in it.");
  if (!name || !room || (!asked.get("u") && !saved?.active)) return open(name || rememberedName(), room || "general");
  start(name, saved?.names ?? [], room, saved?.staying);
  history.replaceState(null, "", link(room));
  wantsFocus = true;
  return undefined;
}

begin();
