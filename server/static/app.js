import { makeActions } from "./actions/index.js";
import { Changeover } from "./changeover.js";
import { Keeping } from "./keeping.js";
import { Api, Refused } from "./net/api.js";
import { takeLink } from "./net/fragment.js";
import { Login } from "./net/login.js";
import { socketUrl } from "./net/protocol.js";
import { Session } from "./net/session.js";
import { Tabs, onOtherTab } from "./net/tabs.js";
import { Transport } from "./net/transport.js";
import { Guests } from "./state/guests.js";
import { State } from "./state/state.js";
import { browserStore, tabStore } from "./state/storage.js";
import { words } from "./words.js";

/** Milliseconds without a connection after which the page shows what the browser has kept. */
const AWAY = 3000;

/** The message that an address asks for. @param {URLSearchParams} asked @returns {number | undefined} none if it is no number of one */
function seqOf(asked) {
  const seq = Number(asked.get("m"));
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined;
}

/**
 * Everything but the drawing: the state, the session with the server, and the actions, connected with each other and with
 * the browser's address, tabs and events.
 *
 * @typedef {import("./net/session.js").Hooks} Hooks
 */
export class App {
  /** What covers the room, once one was shown. @type {import("./covers.js").Covers | null} */ covers = null;
  #knowsBlocked = false;
  /** Who opened the page, and where it was asked to go. */
  #opened = takeLink(); // first: its secret is not to stay in the address
  /** The room that a link asks for, until it is known whether it is mine. */ #asked = "";

  /** @param {{onChange: () => void, onMessage: Hooks["onMessage"], onInvited: Hooks["onInvited"], onSignOut: () => unknown}} options */
  constructor({ onChange, onMessage, onInvited, onSignOut }) {
    this.onSignOut = onSignOut;
    this.keeping = new Keeping(this);
    this.state = new State({ browser: browserStore(), tab: tabStore(), onChange: () => (onChange(), this.keeping.onChange()) });
    this.tabs = new Tabs(this.state);
    const api = new Api();
    this.changeover = new Changeover(this);
    this.login = new Login(api, this.state.browser, (out) => this.changeover.onTabs(out));
    /** @type {Transport} */
    const transport = new Transport({
      url: () => socketUrl(document.baseURI, this.session.identity.asks),
      ready: (doubtful) => (this.login.me ? this.changeover.renew(doubtful) : null),
      onState: () => {}, // the session replaces both
      onFrame: () => {},
    });
    /** @type {Session} */
    this.session = new Session({
      state: this.state,
      transport,
      hooks: {
        onOther: () => this.changeover.onOther(),
        onStopped: (code) => this.changeover.onStopped(code),
        onTokenRefused: (fresh) => this.changeover.onTokenRefused(fresh),
        onRoom: () => this.#remember(),
        onRooms: () => {
          this.#showSome();
          this.#learnBlocked();
          this.keeping.onRooms();
        },
        onAway: () => this.#showKept(),
        onGone: (room) => this.keeping.onGone(room),
        save: () => this.tabs.save(),
        onMessage,
        onInvited,
      },
    });
    /** @type {import("./actions/index.js").Actions} */
    this.act = makeActions({ state: this.state, session: this.session, api, app: this });
    const refused = () => this.state.toast(words.trouble.cannotStore, { error: true });
    this.state.browser.onRefused = this.state.tab.onRefused = refused;
    this.#listen();
  }

  /** Find out who uses the page, and enter the rooms that it was asked for, or show the entry page. */
  async begin() {
    const { state, login, session, changeover } = this;
    await this.tabs.begin();
    const link = this.#opened;
    const before = login.known;
    const me = await login.load((text) => state.toast(text), { away: true });
    if (before && !me) await this.keeping.drop(before.id);
    const asked = new URLSearchParams(location.search);
    const clean = (/** @type {string | null | undefined} */ text) => (text ?? "").normalize("NFC").trim();
    const room = clean(asked.get("r"));
    const admitted = link?.kind === "token" && changeover.admits(link.token, me ? null : before, room);
    if (me) session.identity.signIn(me);
    else session.identity.applyKept();
    changeover.tellNews();
    if (login.denied) return this.act.account.open("denied", { lead: login.denied });
    const { proven } = state;
    const named = clean(asked.get("u"));
    const [last] = state.guests.list();
    const mine = clean(this.tabs.name()) || last?.name;
    // Anybody can send a link: alone, it makes nobody a new guest where the browser knows one, or another of its guests.
    const stranger = last && !proven && named !== mine && named !== last.name ? named : "";
    if (!proven) session.identity.take((!stranger && named) || mine || "");
    const saved = session.membership.saved;
    state.ui.seq = seqOf(asked);
    const agreed = admitted || state.tab.get("agreed") === room;
    state.tab.remove("agreed");
    if (changeover.follow(link?.kind === "token" ? null : link) && !saved?.front) return this.showEntry(room, stranger);
    const known = proven || named || saved || session.identity.guestToken;
    if (stranger || !known || !(room || saved?.names.length || proven)) return this.showEntry(room, stranger);
    const doubtful = !agreed && (proven || session.membership.recent.length) && !session.membership.knows(room);
    if (doubtful) this.#asked = room;
    await this.start(state.name, doubtful ? "" : room || saved?.front || "", state.ui.seq);
  }

  /**
   * Connect, and enter the rooms that this tab had, and one more to show.
   * @param {string} name a guest's, ignored for others @param {string} room "" to show the one used last
   * @param {number} [seq] the message to show
   */
  async start(name, room, seq) {
    const { state, session } = this;
    await this.#prepare(name);
    const saved = session.membership.saved;
    const waiting = state.rooms.get(room);
    if (waiting) waiting.doubtful = false;
    if (room) this.act.rooms.enter(room, { seq, stays: saved?.staying.includes(room) });
    state.ui.show("chat");
    if (!state.front && state.rooms.size && !this.#asked) this.#showSome();
    session.start();
    this.keeping.preview(state.room);
    setTimeout(() => this.#showKept(), AWAY);
    state.changed();
    // The connection of a guest would be closed where there are none, but only after 10 s.
    if (!state.proven) this.changeover.require((await this.askServer()).guests);
  }

  /** Connect, if I am not connected as this person. @param {string} name a guest's @returns {Promise<string>} "", or why the name was refused */
  async connect(name) {
    const { state, session } = this;
    const other = !state.proven && name !== state.name;
    if (state.known && !other) return "";
    if (state.known) await this.act.messages.settle();
    await this.#prepare(name);
    session.start();
    return session.admission.settled();
  }

  /** Ask what the server allows. If it does not answer, it is assumed to allow everything, and to send no mails. */
  async askServer() {
    this.state.server = (await this.login.server()) ?? this.state.server;
    return this.state.server;
  }

  /** @param {string} [room] the one to propose @param {string} [stranger] see `Ui` */
  async showEntry(room = "", stranger = "") {
    const { state } = this;
    Object.assign(state.ui, { proposed: room, stranger });
    const { guests } = await this.askServer();
    state.ui.show("entry");
    this.changeover.require(guests);
    state.changed();
  }

  /** Have Back close what covers the room. */
  async watchCovers() {
    const { Covers } = await this.act.ui.eventually(() => import("./covers.js"));
    this.covers = new Covers(this.state, this.act);
    this.state.changed();
  }

  /** Forget the person of this tab. @param {boolean} unsent also what was not sent in this browser, because they signed out */
  async forget(unsent) {
    const { state } = this;
    const removed = [state.me?.id, ...state.former].map((id) => this.keeping.drop(id));
    if (unsent) {
      state.outbox.entries = [];
      state.outbox.withdrawn = [];
      state.settings.forget();
    }
    this.tabs.save();
    state.drop(state.person, unsent);
    this.tabs.forget();
    this.session.identity.forget();
    state.forget();
    state.drafts.of(""); // nothing more is written
    await Promise.all([this.onSignOut(), ...removed]);
  }

  // --- the browser ---------------------------------------------------------------------------------------------------

  /** Be this person, with what the browser keeps of it. @param {string} name a guest's */
  async #prepare(name) {
    const { state, session } = this;
    const before = state.person;
    session.identity.take(name);
    if (state.person !== before) state.forget();
    if (!state.proven) state.tab.set("name", state.kept);
    state.drafts.of(state.person);
    state.loadWriting();
    const blocked = state.browser.get(`blocked:${state.person}`);
    state.blocked = new Set(Array.isArray(blocked) ? blocked : []);
    await this.tabs.load();
    const saved = session.membership.saved;
    for (const each of saved?.names ?? []) session.membership.add(each).stays ||= saved?.staying.includes(each) ?? false;
    // Unsent messages of a room that was left are sent too, but not of one that I was removed from.
    for (const { room } of state.outbox.entries) {
      if (state.rooms.has(room)) continue;
      const removed = !session.membership.knows(room);
      Object.assign(session.membership.add(room), { doubtful: removed, stays: removed });
    }
  }

  /** The server does not answer: show what the browser has kept. */
  async #showKept() {
    const { state } = this;
    if (state.known) return;
    await this.keeping.show();
    if (!state.front && state.rooms.size && !state.known) this.#showSome();
  }

  #listen() {
    const { transport } = this.session;
    addEventListener("popstate", ({ state }) => {
      if (location.hash) return; // a link that was pasted: `hashchange` follows
      if (this.covers?.onPop(state)) return this.#remember();
      const asked = new URLSearchParams(location.search);
      const room = asked.get("r") ?? "";
      // Going back does not undo leaving a room.
      if (this.state.rooms.has(room)) this.act.rooms.enter(room, { seq: seqOf(asked) });
      else this.#remember(true);
    });
    addEventListener("hashchange", () => {
      const link = takeLink();
      if (link) this.changeover.follow(link);
    });
    addEventListener("online", () => transport.wake());
    addEventListener("offline", () => transport.wake()); // find out soon whether the connection is really lost
    addEventListener("pageshow", (event) => event.persisted && location.reload()); // the tab's id was released
    document.addEventListener("visibilitychange", () => !document.hidden && transport.wake());
    addEventListener("beforeunload", (event) => {
      // The browser asks, because what is not sent stays here until the page is opened again.
      if (this.state.outbox.entries.length && !this.changeover.reloading) event.preventDefault();
    });
    onOtherTab((key) => {
      if (key === "settings") this.state.settings.load();
      if (key.startsWith("drafts:")) this.state.drafts.load();
      if (["recent", "entered"].some((what) => key === `${what}:${this.state.person}`)) this.session.membership.onOtherTab();
      if (key === `hidden:${this.state.person}`) this.act.rooms.onHidden();
      if (key === "applied") this.changeover.onApplied();
      if (Guests.isKeyOf(key, this.state.kept)) this.changeover.onGuest();
      this.state.changed();
    });
  }

  /** Put the room in front into the address bar, so that back, reload and bookmarks work. @param {boolean} [instead] of
   * the address that is there */
  #remember(instead = false) {
    const { room } = this.state;
    const closed = !room || room.status === "closed"; // a reload must not enter it again
    const address = closed ? location.pathname : this.act.messages.link(room.name);
    if (this.covers?.removing || new URL(address, location.href).href === location.href) return;
    const first = !new URLSearchParams(location.search).has("r");
    if (this.covers?.onMoved() || closed || first || instead) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  /** Learn whom I block: once, as soon as the server answers. */
  async #learnBlocked() {
    if (!this.state.proven || this.#knowsBlocked) return;
    this.#knowsBlocked = true;
    try {
      await this.act.people.blocked();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#knowsBlocked = false; // it is asked for again with the next list of rooms
    }
  }

  /** My rooms are known: show the one used last, if none is in front, or ask for one. */
  #showSome() {
    const { rooms, front, ui } = this.state;
    const others = [...rooms.values()].sort((a, b) => Number(a.direct) - Number(b.direct));
    const names = [...this.session.membership.recent, ...others.map((room) => room.name)];
    const name = names.find((each) => rooms.has(each));
    const asked = this.#asked;
    this.#asked = "";
    // Anybody can send a link: it makes nobody a member whom its author then knows.
    if (asked && !front) return (rooms.get(asked)?.status ?? "closed") !== "closed" ? this.act.rooms.enter(asked, { seq: ui.seq }) : this.showEntry(asked);
    if (front || (ui.view === "account" ? ui.back : ui.view) !== "chat") return;
    if (name !== undefined) this.act.rooms.show(name);
    else this.showEntry();
  }
}
