import { Account } from "./account/account.js";
import { takeLink } from "./account/fragment.js";
import { PAGES } from "./account/index.js";
import { TabLogin } from "./account/login.js";
import { Pages } from "./account/pages.js";
import { makeActions } from "./actions/index.js";
import { Api } from "./net/api.js";
import { socketUrl } from "./net/protocol.js";
import { Session } from "./net/session.js";
import { Tabs, onOtherTab } from "./net/tabs.js";
import { Transport } from "./net/transport.js";
import { State } from "./state/state.js";
import { browserStore, tabStore } from "./state/storage.js";
import { words } from "./words.js";

/**
 * Everything but the drawing: the state, the session with the server, and the actions, connected with each other and with
 * the browser's address, tabs and events.
 *
 * @typedef {import("./net/session.js").Hooks} Hooks
 */
export class App {
  /** Who opened the page, and where it was asked to go. */
  #opened = takeLink(); // first: its secret is not to stay in the address

  /** @param {{onChange: () => void, onMessage: Hooks["onMessage"], onInvited: Hooks["onInvited"]}} options */
  constructor({ onChange, onMessage, onInvited }) {
    this.state = new State({ browser: browserStore(), tab: tabStore(), onChange });
    this.tabs = new Tabs(this.state);
    const api = new Api();
    this.account = new Account(api, () => this.login.onTabs());
    /** @type {TabLogin} */
    this.login = new TabLogin({
      account: this.account,
      state: this.state,
      session: () => this.session,
      pages: () => this.pages,
      start: (name, room) => this.start(name, room),
      forget: (unsent) => this.#forget(unsent),
    });
    /** @type {Transport} */
    const transport = new Transport({
      url: () => socketUrl(document.baseURI, this.session.identity.asks),
      ready: (doubtful) => (this.account.me ? this.login.renew(doubtful) : null),
      onState: () => {}, // the session replaces both
      onFrame: () => {},
    });
    /** @type {Session} */
    this.session = new Session({
      state: this.state,
      transport,
      hooks: {
        onOther: () => this.login.onOther(),
        onStopped: (code) => this.login.onStopped(code),
        onTokenRefused: () => this.session.refuse(words.trouble.tokenEnded),
        onRoom: () => this.#remember(),
        onRooms: () => this.#showSome(),
        save: () => this.tabs.save(),
        onMessage,
        onInvited,
      },
    });
    const toPages = { open: (/** @type {string} */ page, options = {}) => this.pages.open(page, options), signOut: () => this.quit() };
    this.act = makeActions({ state: this.state, session: this.session, api, account: toPages });
    /** @type {Pages} */
    this.pages = this.#makePages();
    const refused = () => this.session.say(words.trouble.cannotStore, true);
    this.state.browser.onRefused = this.state.tab.onRefused = refused;
    this.#listen();
  }

  /** Find out who uses the page, and enter the rooms that it was asked for, or show the entry page. */
  async begin() {
    const { state, account, session, login } = this;
    await this.tabs.begin();
    if (this.#opened?.kind === "token" && this.#opened.token) session.identity.apply(this.#opened.token);
    else if (await account.load((text) => session.say(text))) session.identity.signIn(/** @type {any} */ (account.me));
    else if (session.identity.appliedToken) session.identity.apply(session.identity.appliedToken);
    login.tellNews();
    if (account.denied) return this.pages.open("denied", { lead: account.denied });
    const asked = new URLSearchParams(location.search);
    const clean = (/** @type {string | null | undefined} */ text) => (text ?? "").normalize("NFC").trim();
    const proven = account.me !== null || session.identity.applied;
    if (!proven) session.identity.take(clean(asked.get("u")) || clean(state.tab.get("name")) || session.identity.lastGuest);
    const saved = session.membership.saved;
    const room = clean(asked.get("r"));
    if (login.follow(this.#opened?.kind === "token" ? null : this.#opened) && !saved?.front) return this.#showEntry();
    const known = proven || asked.get("u") || saved || session.identity.guestToken;
    if (!known || !(room || saved?.front || proven)) return this.#showEntry();
    return this.start(state.name, room || saved?.front || "", Number(asked.get("m")) || undefined);
  }

  /**
   * Connect, and enter the rooms that this tab had, and one more to show.
   * @param {string} name a guest's, ignored for others @param {string} room "" to show the one used last
   * @param {number} [seq] the message to show
   */
  async start(name, room, seq) {
    const { state, session, act } = this;
    session.identity.take(name);
    state.tab.set("name", state.name);
    state.drafts.of(state.person);
    await this.tabs.load();
    const saved = session.membership.saved;
    // Unsent messages of a room that was left are sent too.
    for (const each of [...(saved?.names ?? []), ...state.outbox.entries.map((entry) => entry.room)]) {
      session.membership.add(each).stays ||= saved?.staying.includes(each) ?? false;
    }
    if (room) act.rooms.enter(room, { seq, stays: saved?.staying.includes(room) });
    state.ui.view = "chat";
    session.start();
    state.changed();
    // The connection of a guest would be closed where there are none, but only after 10 s.
    if (!this.account.me && !session.identity.applied) this.login.require((await this.pages.ask()).guests);
  }

  /** Sign out of this browser: an account in all of its tabs, a guest by forgetting it. Unsent messages are lost. */
  async quit() {
    if (this.account.me) await this.account.signOut();
    else this.session.identity.forget();
    this.login.signOut(true);
  }

  // --- the browser ---------------------------------------------------------------------------------------------------

  #listen() {
    const { transport } = this.session;
    addEventListener("popstate", () => {
      const asked = new URLSearchParams(location.search);
      const room = asked.get("r") ?? "";
      // Going back does not undo leaving a room.
      if (this.state.rooms.has(room)) this.act.rooms.enter(room, { seq: Number(asked.get("m")) || undefined });
      else this.#remember();
    });
    addEventListener("hashchange", () => {
      const link = takeLink();
      if (link) this.login.follow(link);
    });
    addEventListener("online", () => transport.wake());
    addEventListener("offline", () => transport.wake()); // find out soon whether the connection is really lost
    addEventListener("pageshow", (event) => event.persisted && location.reload()); // the tab's id was released
    document.addEventListener("visibilitychange", () => !document.hidden && transport.wake());
    addEventListener("beforeunload", (event) => {
      // The browser asks, because what is not sent stays here until the page is opened again.
      if (this.state.outbox.entries.length && !this.login.reloading) event.preventDefault();
    });
    onOtherTab((key) => {
      if (key === "settings") this.state.settings.load();
      this.state.changed();
    });
  }

  /** Put the room in front into the address bar, so that back, reload and bookmarks work. */
  #remember() {
    const { room } = this.state;
    const closed = !room || room.status === "closed"; // a reload must not enter it again
    const address = closed ? location.pathname : this.act.messages.link(room.name);
    if (new URL(address, location.href).href === location.href) return;
    const first = !new URLSearchParams(location.search).has("r");
    if (closed || first) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  /** Show the room used last, if none is in front. */
  #showSome() {
    const { rooms, front } = this.state;
    const names = [...this.session.membership.recent, ...rooms.keys()];
    const name = names.find((each) => rooms.has(each));
    if (!front && name !== undefined && this.state.ui.view === "chat") this.act.rooms.show(name);
  }

  async #showEntry() {
    const { state } = this;
    state.ui.view = "entry";
    state.server = await this.pages.ask();
    this.login.require(state.server.guests);
    state.changed();
  }

  /** @param {boolean} unsent */
  #forget(unsent) {
    const { state } = this;
    state.tab.remove("rooms");
    state.tab.remove("name");
    state.drafts.clear();
    if (!unsent) return;
    state.outbox.entries = [];
    this.tabs.save();
  }

  /** @returns {Pages} */
  #makePages() {
    const { session, state } = this;
    return new Pages({
      account: this.account,
      pages: PAGES,
      guest: { token: () => session.identity.guestToken, moved: () => session.identity.forgetGuest() },
      onClose: () => {
        if (!this.login.onClose()) state.changed();
      },
      onSigned: ({ out = false, news = "" } = {}) => (out ? this.login.signOut(true, news) : this.login.reload(news)),
      unsent: () => state.outbox.entries.length > 0,
      forgetInvite: () => state.tab.remove("invite"),
      acceptAsGuest: (name, token) => this.login.acceptAsGuest(name, token),
      enter: (room) => {
        this.pages.close();
        if (session.transport.state.name === "open") this.act.rooms.enter(room, { stays: true });
        else this.start(state.name, room);
      },
    });
  }
}
