import { kindOf } from "../state/people.js";
import { userOf } from "./token.js";

/**
 * Who this page acts for: the account that the browser is signed in to, the user of an application's token, or a guest that
 * the server has created. The browser keeps guests and the application's token for all tabs and for later.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").User} User
 * @typedef {import("../state/guests.js").Guest} Guest
 * @typedef {(type: "hello"|"name", frame: object) => void} Ask
 */

export class Identity {
  /** The guest that the server created for this connection, until my own identity is settled. @type {any} */
  #guest = null;
  /** The token of the guest that I am, or of the application. */ #token = "";
  /** Whether the token is the application's. */ #applied = false;
  /** Whether I stay the guest that I am under the next name: the name was refused, or is to be another one. */ #renames = false;
  /** The server's id of this connection. */ #connection = "";

  /**
   * @param {{state: State, ask: Ask, onKnown: (stranger: boolean) => void, onOther: () => void,
   *   onTokenRefused: (fresh: boolean) => void}} options `onKnown`: my identity is settled; `stranger`: it is a new one,
   *   because the server did not recognise me; `onOther`: the browser acts for another account than this page;
   *   `onTokenRefused`: the server does not accept the application's token; `fresh`: that of a link
   */
  constructor({ state, ask, onKnown, onOther, onTokenRefused }) {
    this.state = state;
    this.ask = ask;
    this.onKnown = onKnown;
    this.onOther = onOther;
    this.onTokenRefused = onTokenRefused;
  }

  /** Act for an account. @param {{id: string, name: string}} account */
  signIn(account) {
    this.state.account = account;
    this.#be({ id: account.id, name: account.name });
    this.state.former.clear();
  }

  /**
   * Act for the user of an application's token: the one with which this tab was opened, or else the one that the browser
   * keeps. That of a link becomes the browser's when the server has accepted it, because anybody can write one.
   */
  applyKept() {
    const token = this.state.tab.get("token") ?? this.appliedToken;
    if (!token) return;
    this.#token = token;
    this.#applied = true;
    this.state.former.clear();
    const user = userOf(token);
    if (user) this.#be(user);
  }

  /** The application's token that the browser keeps, "" without one, and when it has ended. */
  get appliedToken() {
    const { token = "", ended } = this.state.browser.get("applied") ?? {};
    return ended ? "" : String(token);
  }

  /** The user of the application for whom this browser acts, also when the token has ended. @returns {User | null} */
  get appliedUser() {
    return userOf(String(this.state.browser.get("applied")?.token));
  }

  /** Whether I am the user of an application. */
  get applied() {
    return this.#applied;
  }

  /** The token with which requests over HTTP act for me; undefined for an account, which has cookies. */
  get token() {
    return this.state.account ? undefined : this.#token || undefined;
  }

  /** The name under which to connect: "" where a cookie or a token has it. */
  get asks() {
    return this.state.account || this.#applied ? "" : this.state.name;
  }

  /** The token of the guest with the current name; "" if there is none. */
  get guestToken() {
    return this.#applied ? "" : (this.state.guests.get(this.state.kept)?.token ?? "");
  }

  /** Sign the guest, or the user of the application, out of this browser. */
  forget() {
    const { account, browser, guests, kept } = this.state;
    if (this.#applied) browser.remove("applied");
    else if (!account) guests.forget(kept);
    this.#token = "";
    this.#applied = false;
    Object.assign(this.state, { account: null, me: null, name: "", kept: "" });
  }

  /**
   * Be the guest with this name: the one that the browser knows, or a new one. If the name before was refused or is to be
   * replaced, I stay the same guest under the new one.
   * @param {string} name
   */
  take(name) {
    const { state } = this;
    if (state.account || this.#applied || (name === state.name && this.#token)) return;
    const saved = state.guests.get(name);
    state.name = name;
    if (this.#renames && this.#token && !saved) return; // kept under the name before until the server accepts this one
    this.#renames = false;
    state.kept = name;
    this.#token = "";
    state.me = null;
    state.former = new Set();
    if (saved) this.#restore(saved);
  }

  /** I stay the guest that I am under the next name: the server refuses this one, a room does, or I want another one. */
  renames() {
    this.#renames = true;
  }

  /** A connection is open. The application's token names its user; others wait for the server's `welcome`. */
  onOpen() {
    if (this.#applied) this.#hello();
  }

  onDisconnect() {
    this.state.known = false;
    this.#guest = null;
  }

  /** @param {any} welcome the first one of a connection, the answer to `hello`, or a later token */
  onWelcome(welcome) {
    if (this.state.account) return this.#onAccount(welcome);
    if (welcome.id !== undefined) return this.#become(welcome);
    if (this.#applied) return this.state.known ? this.onKnown(false) : undefined; // before `hello` is answered: a guest
    if (kindOf(welcome.user.id) !== "guest" && welcome.session !== this.#connection) return this.onOther();
    if (welcome.session === this.#connection) return this.#onToken(welcome);
    this.#connection = welcome.session;
    this.#guest = welcome;
    // A different name: the server's spelling of the requested one, or a substitute for one that it refuses. The reason
    // arrives before the answer to anything sent now, and the substitute never enters a room.
    if (welcome.user.name !== this.state.name) this.ask("name", { type: "ping" });
    else this.onNameTaken();
    return undefined;
  }

  /** The name is accepted. Be the guest that I was, or that another tab has become under this name since. */
  onNameTaken() {
    const saved = this.state.guests.get(this.state.kept);
    if (!this.#token && saved) this.#restore(saved);
    if (this.#token) this.#hello();
    else this.#become(this.#guest);
  }

  /** Handle a refused `hello`: the token is invalid, or cannot be checked now. @param {any} error */
  onRefused(error) {
    const guest = this.#guest;
    if (error.retryable) {
      const again = () => guest === this.#guest && !this.state.known && this.#hello();
      setTimeout(again, Math.max(1, error.retry_after ?? 0) * 1000);
    } else if (this.#applied) {
      const { browser, tab } = this.state;
      const fresh = tab.get("token") !== null;
      if (fresh) tab.remove("token"); // what the browser keeps stays as it is
      else browser.set("applied", { token: this.#token, ended: true }); // not removed: for other tabs that would be signing out
      this.#applied = false;
      this.#token = "";
      Object.assign(this.state, { me: null, name: "" });
      this.onTokenRefused(fresh);
    } else {
      this.#token = "";
      this.#become(guest);
    }
  }

  #hello() {
    this.ask("hello", { type: "hello", token: this.#token });
  }

  /** @param {any} welcome of a connection that a cookie has opened */
  #onAccount({ user }) {
    if (user.id !== this.state.me?.id) return this.onOther();
    this.#be(user);
    return this.#known(false);
  }

  /** The server could not sign the token of this connection's guest before, or asks to look for what was missed.
   * @param {any} welcome */
  #onToken(welcome) {
    if (this.#guest) this.#guest = welcome;
    else if (this.state.me?.id === welcome.user.id && welcome.token) {
      this.#token = welcome.token;
      this.#keep();
    }
    if (this.state.known) this.onKnown(false);
  }

  /** Act as this principal from now on. @param {any} welcome */
  #become({ user, token }) {
    const { me } = this.state;
    const stranger = !this.#applied && me !== null && me.id !== user.id;
    if (me && stranger) this.state.former.add(me.id);
    this.#guest = null;
    this.#renames = false;
    this.#be(user);
    const { browser, tab } = this.state;
    if (!this.#applied) {
      this.#token = token;
      this.#keep();
    } else if (tab.get("token") === this.#token) {
      browser.set("applied", { token: this.#token });
      tab.remove("token");
    }
    this.#known(stranger);
  }

  /** @param {boolean} stranger */
  #known(stranger) {
    this.state.known = true;
    this.onKnown(stranger);
  }

  /** @param {User} user */
  #be(user) {
    this.state.me = user;
    if (this.state.account || this.#applied) this.state.name = user.name;
    this.state.meet([user]);
  }

  /** @param {Guest} saved */
  #restore({ token, user, former }) {
    this.#token = token;
    this.state.me = user;
    this.state.former = new Set(former);
  }

  /** Keep the guest that I am in the browser, for all tabs and for later. */
  #keep() {
    const { state } = this;
    const { kept, me, name, former, person } = state;
    state.kept = name;
    const at = state.guests.get(kept)?.at ?? Date.now();
    state.guests.save({ token: this.#token, user: me, name, former: [...former], at });
    state.tab.set("guest", me?.id);
    if (kept === name) return;
    state.guests.forget(kept); // after it was saved, so that other tabs find it under one name or the other
    state.moved(person);
    state.tab.set("name", name);
  }
}
