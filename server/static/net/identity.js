import { kindOf } from "../state/people.js";

/**
 * Who this page acts for: the account that the browser is signed in to, the user of an application's token, or a guest that
 * the server has created. The browser keeps a guest under its name, for all tabs and for later, until its user signs out.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").User} User
 * @typedef {(type: "hello"|"name", frame: object) => void} Ask
 */

/** How many guests a browser keeps: the ones used last. */
const KEPT_GUESTS = 8;

export class Identity {
  /** The guest that the server created for this connection, until my own identity is settled. @type {any} */
  #guest = null;
  /** The token of the guest that I am, or of the application. */ #token = "";
  /** Whether the token is the application's. */ #applied = false;
  /** Whether the server refused the name of the guest that I am: I stay that guest under another one. */ #renames = false;
  /** The server's id of this connection. */ #connection = "";

  /**
   * @param {{state: State, ask: Ask, onKnown: (stranger: boolean) => void, onOther: () => void,
   *   onTokenRefused: (text: any) => void}} options `onKnown`: my identity is settled; `stranger`: it is a new one,
   *   because the server did not recognise me; `onOther`: the browser acts for another account than this page;
   *   `onTokenRefused`: the server does not accept the application's token
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

  /** Act for the user of an application's token, whoever that is. @param {string} token */
  apply(token) {
    this.#token = token;
    this.#applied = true;
    this.state.former.clear();
    const user = this.state.browser.get("applied")?.user;
    if (user) this.#be(user);
    this.state.browser.set("applied", { token, user });
  }

  /** The application's token that the browser keeps, "" without one. */
  get appliedToken() {
    return String(this.state.browser.get("applied")?.token ?? "");
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

  /** The guest that this browser used last. @returns {string} its name, "" without one */
  get lastGuest() {
    return this.#guests()[0]?.name ?? "";
  }

  /** The token of the guest with the current name; "" if there is none. */
  get guestToken() {
    return this.#applied ? "" : String(this.state.browser.get(`guest:${this.state.name}`)?.token ?? "");
  }

  /** The guest has become the account: its token says nothing any more. @param {string} [name] */
  forgetGuest(name = this.state.name) {
    this.state.browser.remove(`guest:${name}`);
  }

  /** Sign the guest, or the user of the application, out of this browser. */
  forget() {
    if (this.#applied) this.state.browser.remove("applied");
    else this.forgetGuest();
    this.#token = "";
    this.#applied = false;
  }

  /**
   * Be the guest with this name: the one that the browser knows, or a new one. If the name before was refused, I stay the
   * same guest under the new name.
   * @param {string} name
   */
  take(name) {
    const { state } = this;
    if (state.account || this.#applied || (name === state.name && this.#token)) return;
    const before = state.name;
    state.name = name;
    if (this.#renames && this.#token) {
      this.forgetGuest(before);
      return this.#save();
    }
    const saved = state.browser.get(`guest:${name}`);
    this.#token = saved?.token ? String(saved.token) : "";
    state.me = this.#token ? saved.user : null;
    state.former = new Set(this.#token ? saved.former : []);
    return undefined;
  }

  /** Call the guest that I am something else, with the next connection. @param {string} name */
  rename(name) {
    this.#renames = true;
    this.take(name);
  }

  /** The server refuses my name, or a room does. What I wrote, and my roles, stay mine under the next one. */
  refuseName() {
    this.#renames = true;
  }

  onDisconnect() {
    this.state.known = false;
    this.#guest = null;
  }

  /** @param {any} welcome the first one of a connection, the answer to `hello`, or a later token */
  onWelcome(welcome) {
    if (this.state.account) return this.#onAccount(welcome);
    if (welcome.id !== undefined) return this.#become(welcome);
    if (kindOf(welcome.user.id) !== "guest" && welcome.session !== this.#connection) return this.onOther();
    if (welcome.session === this.#connection) return this.#onToken(welcome);
    this.#connection = welcome.session;
    this.#guest = welcome;
    // A different name: the server's spelling of the requested one, or a substitute for one that it refuses. The reason
    // arrives before the answer to anything sent now, and the substitute never enters a room.
    if (!this.#applied && welcome.user.name !== this.state.name) this.ask("name", { type: "ping" });
    else this.onNameTaken();
    return undefined;
  }

  /** Restore my earlier identity, if there is one, now that the name is accepted. */
  onNameTaken() {
    if (this.#token) this.ask("hello", { type: "hello", token: this.#token });
    else this.#become(this.#guest);
  }

  /** Handle a refused `hello`: the token is invalid, or cannot be checked now. @param {any} error */
  onRefused(error) {
    const guest = this.#guest;
    if (error.retryable) {
      const again = () => guest === this.#guest && this.onNameTaken();
      setTimeout(again, Math.max(1, error.retry_after ?? 0) * 1000);
    } else if (this.#applied) {
      this.forget();
      this.onTokenRefused(error);
    } else {
      this.#token = "";
      this.#become(guest);
    }
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
    else if (this.state.me?.id === welcome.user.id && !this.#applied && welcome.token) {
      this.#token = welcome.token;
      this.#save();
    }
    if (this.state.known) this.onKnown(false);
  }

  /** Act as this principal from now on. @param {any} welcome */
  #become({ user, token }) {
    const { me } = this.state;
    const stranger = me !== null && me.id !== user.id;
    if (me && stranger) this.state.former.add(me.id);
    this.#guest = null;
    if (!this.#applied) this.#token = token;
    this.#renames = false;
    this.#be(user);
    if (this.#applied) this.state.browser.set("applied", { token: this.#token, user });
    else this.#save();
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

  #save() {
    const { state } = this;
    state.browser.set(`guest:${state.name}`, {
      token: this.#token,
      user: state.me,
      name: state.name,
      former: [...state.former],
      at: Date.now(),
    });
    for (const { name } of this.#guests().slice(KEPT_GUESTS)) if (name !== state.name) this.forgetGuest(name);
  }

  /** The guests of this browser, the one used last first. @returns {{name: string, at: number}[]} */
  #guests() {
    const { browser } = this.state;
    const guests = browser.keys("guest:").map((key) => browser.get(key));
    return guests.filter((guest) => typeof guest?.name === "string").sort((a, b) => b.at - a.at);
  }
}
