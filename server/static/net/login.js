import { Refused, csrfToken } from "./api.js";
import { Backoff } from "./backoff.js";

/**
 * This browser's login: which account all of its tabs act for.
 *
 * @typedef {import("./api.js").Api} Api
 * @typedef {import("../state/state.js").Server} Server
 * @typedef {{id: string, username: string, name: string, role: string, email?: string, email_pending?: string,
 *   second_factor?: boolean, recovery_codes?: number}} Me
 */

const CHANNEL = "parley.account";
/** An access token is replaced this long before its end, in milliseconds. */
const EARLY = 60000;
/** A token that the server has just accepted serves for a connection that is opened at once. */
const JUST = 20000;
/** How long the server may take to say who is signed in, if the browser knows who was. */
const PATIENCE = 3000;
const KNOWN = "account";

export class Login {
  /** @type {Me | null} */ me = null;
  /** Why the account may not be used, "" if it may: suspended, or the address is blocked. */ denied = "";
  /** When the access token in the cookie ends, in epoch milliseconds; 0 if that is unknown. */
  #until = 0;
  /** @type {BroadcastChannel | null} */ #tabs = null;
  /** @type {Promise<Server> | null} */ #server = null;

  /**
   * @param {Api} api @param {import("../state/storage.js").Store} store the browser's
   * @param {(out: string) => void} onOther another tab has signed in or out, or changed the account; `out`: the id of the
   *   one that it signed out
   */
  constructor(api, store, onOther) {
    this.api = api;
    this.store = store;
    this.path = new URL(".", api.base).pathname;
    try {
      this.#tabs = new BroadcastChannel(CHANNEL);
      this.#tabs.addEventListener("message", ({ data }) => data?.path === this.path && onOther(data.out));
    } catch {
      // missing, or storage is disabled: other tabs notice when they connect
    }
  }

  /** What the server allows, asked once. @returns {Promise<Server | null>} null if it does not answer */
  async server() {
    try {
      this.#server ??= this.api.ask("GET", "server");
      return await this.#server;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#server = null;
      return null;
    }
  }

  /** Tell the other tabs that the account is another one, or has other data. @param {string} [out] the id of the one that
   * was signed out */
  announce(out = "") {
    this.#tabs?.postMessage({ path: this.path, out });
  }

  /**
   * Learn who is signed in. Without a login this asks nothing; while the server does not answer it tries again.
   * @param {(text: string) => void} onTrouble
   * @param {{away?: boolean}} [options] `away`: if the server does not answer, it is whoever was signed in before. The
   *   connection will find out whether that is still so.
   * @returns {Promise<Me | null>}
   */
  async load(onTrouble, { away = false } = {}) {
    const backoff = new Backoff();
    const before = away ? this.known : null;
    while (csrfToken()) {
      try {
        this.me = /** @type {Me} */ (await this.#answer(this.api.ask("GET", "me"), before !== null));
        this.#until ||= Date.now() + EARLY + JUST;
        const { id, username, name, role } = this.me;
        this.store.set(KNOWN, { id, username, name, role });
        return this.me;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 403) this.denied = error.message;
        if (!error.retryable) break;
        if (before) return (this.me = before);
        onTrouble(error.message);
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
    this.me = null;
    return null;
  }

  /** Who was signed in when the server answered last. @returns {Me | null} */
  get known() {
    const known = this.store.get(KNOWN);
    return typeof known?.id === "string" ? known : null;
  }

  /** The login has ended: who it was is not to be told when no server answers. */
  forget() {
    this.store.remove(KNOWN);
  }

  /** @template T @param {Promise<T>} answer @param {boolean} hurry whether it is not waited for long @returns {Promise<T>} */
  #answer(answer, hurry) {
    const late = () => new Promise((_, reject) => setTimeout(() => reject(new Refused("", "", { retryable: true })), PATIENCE));
    return hurry ? Promise.race([answer, late()]) : answer;
  }

  /**
   * Have a valid access token in the cookie, because a WebSocket is about to be opened, which cannot tell the page that
   * its token has expired.
   * @param {boolean} doubtful whether the connection before this one was refused, or ended for the token
   * @returns {Promise<boolean>} whether the page is still signed in as the same account
   * @throws {Refused} the server does not answer
   */
  async ready(doubtful) {
    if (!doubtful && Date.now() < this.#until - EARLY) return this.#same(this.me);
    try {
      if (!csrfToken()) return false;
      const signed = await this.api.refresh();
      this.#until = Date.now() + signed.expires_in * 1000;
      return this.#same(signed.account);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return false;
      throw error;
    }
  }

  /** @param {Me | null} now */
  #same(now) {
    if (!this.me || now?.id !== this.me.id || !csrfToken()) return false;
    this.me = { ...this.me, ...now };
    return true;
  }

  /**
   * Sign in, register, or use the first admin's link: each answers with the cookies of a login.
   * @param {"login"|"register"|"admin/first"} path @param {object} fields
   */
  async signIn(path, fields) {
    await this.api.ask("POST", path, { ...fields, cookie: true }, { renews: false });
    this.announce();
  }

  async signOut() {
    await this.api.ask("POST", "logout", {}, { renews: false });
    const out = this.me?.id;
    this.me = null;
    this.announce(out);
  }

  /** Change the account. @param {object} fields @returns {Promise<void>} */
  async change(fields) {
    this.me = await this.api.ask("PATCH", "me", fields); // all of it: what it has no longer is left out
    this.#until = 0;
    this.announce();
  }

  /** Make a guest's messages and rooms those of this account. @param {string} token the guest's */
  async keep(token) {
    await this.api.ask("POST", "me/guest", { token });
    this.#until = 0;
    this.announce();
  }
}
