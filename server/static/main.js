import { Account } from "./account/account.js";
import { Api } from "./account/api.js";
import { takeLink } from "./account/fragment.js";
import { PAGES } from "./account/index.js";
import { TabLogin } from "./account/login.js";
import { Pages } from "./account/pages.js";
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

const opened = takeLink(); // first: its secret is not to stay in the address
const store = new TabStore();
const copied = await claimTab(store);
const account = new Account(new Api(), () => login.onTabs());
/** @type {TabLogin} */
const login = new TabLogin({ account, store, session: () => session, pages: () => pages, start });
/** @type {Transport} */
const transport = new Transport({
  url: () => socketUrl(document.baseURI, account.me ? "" : session.identity.name),
  ready: (doubtful) => (account.me ? login.renew(doubtful) : null),
  onState: () => {}, // the session replaces both
  onFrame: () => {},
});
/** @type {Session} */
const session = new Session({
  transport,
  store,
  onChange: schedule,
  onOther: () => login.onOther(),
  onStopped: (code) => login.onStopped(code),
});

// --- user actions ------------------------------------------------------------------------------------------------------

const entry = new EntryView((name, room) => {
  // A guest whose name was refused is in its rooms still.
  const rooms = session.identity.me ? [...session.rooms.values()] : [];
  start(name, rooms.map((each) => each.name), room, rooms.filter((each) => each.stays).map((each) => each.name));
  remember();
  wantsFocus = true;
}, (page) => pages.open(page));
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
  account: () => pages.open(account.me ? "profile" : "signIn"),
  link,
});
const share = new ShareButton(() => link(session.active?.name ?? ""));
const status = new StatusView(() => transport.connect());
/** @type {Pages} */
const pages = new Pages({
  account,
  pages: PAGES,
  guest: {
    token: () => session.identity.guestToken,
    moved: () => session.identity.keepGuest(),
  },
  onClose: () => {
    if (login.onClose()) return;
    wantsFocus = true;
    schedule();
  },
  onSigned: ({ out = false, news = "" } = {}) => {
    if (out) login.signOut(true, news);
    else login.reload(news);
  },
  unsent: () => session.outbox.entries.length > 0,
  forgetInvite: () => store.remove("invite"),
  acceptAsGuest: (name, token) => login.acceptAsGuest(name, token),
  enter: (room) => {
    pages.close();
    if (["idle", "stopped"].includes(transport.state.name)) start(session.identity.name, [], room, [room]);
    else session.enter(room, true);
    remember();
  },
});
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
  // Closing the tab would lose it: the browser asks. A reload by the page itself does not.
  if (session.outbox.entries.length && !login.reloading) event.preventDefault();
});
addEventListener("focus", look);
addEventListener("blur", look);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) transport.wake();
  look();
});

// --- drawing -----------------------------------------------------------------------------------------------------------

let scheduled = false;
let loading = true; // who uses this tab is not known yet

/** Draw in the next frame. A hidden page gets no frames, but its title shows the unread count. */
function schedule() {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(render, 200);
  else requestAnimationFrame(render);
}

function render() {
  scheduled = false;
  if (loading) return undefined;
  const room = session.active;
  const chatting = room !== null && session.refused === null;
  if (pages.title) return alerts.render(session.alerts);
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
  sidebar.render(session.rooms, room, session.identity.me, session.identity.name, account.me !== null);
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
  session.start(name, rooms, active, staying);
  if (account.me) return;
  rememberName(name);
  pages.ask().then(({ guests }) => login.require(guests)); // the connection would be closed, but only after 10 s
}

/** @param {string} name @param {string} room */
async function open(name, room) {
  document.body.dataset.view = "entry";
  entry.open(name, room, account.me !== null);
  if (account.me) return;
  const { guests, registration } = await pages.ask();
  byId("entry-register").hidden = registration === "closed";
  if (!guests) entry.requireAccount();
  login.require(guests);
}

const title = /** @type {Element} */ (document.querySelector("title"));
let typedName = "";
let lastRoom = "";

async function begin() {
  if (await account.load((text) => setText(byId("loading"), text))) session.identity.signIn(/** @type {any} */ (account.me));
  loading = false;
  login.tellNews();
  if (account.denied) return pages.open("denied", { lead: account.denied });
  const asked = new URLSearchParams(location.search);
  const clean = (/** @type {string | null | undefined} */ text) => (text ?? "").normalize("NFC").trim();
  const saved = store.get("rooms");
  const name = account.me?.name ?? (clean(asked.get("u")) || session.identity.name);
  const room = clean(asked.get("r")) || saved?.active || "";
  if (copied && !account.me) session.alert("This tab is a copy of another one, so you are a new guest in it.");
  const named = account.me ? asked.get("r") : asked.get("u");
  [typedName, lastRoom] = [name || rememberedName(), room || "general"];
  if (login.follow(opened) && !saved?.active) return undefined;
  if (!name || !room || (!named && !saved?.active)) return open(typedName, lastRoom);
  start(name, saved?.names ?? [], room, saved?.staying);
  history.replaceState(null, "", link(room));
  wantsFocus = true;
  return undefined;
}

const begun = begin();
addEventListener("hashchange", async () => {
  const link = takeLink();
  await begun;
  if (link) login.follow(link);
});
