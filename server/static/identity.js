import { kindOf } from "./protocol.js";

/**
 * The tab's identity: the account that the browser is signed in to, or a guest created by the server, kept by a token
 * across reconnects and reloads. While the tab acts for an account, the guest it was stays stored.
 *
 * @typedef {import("./protocol.js").User} User
 * @typedef {import("./storage.js").Store} Store
 * @typedef {(type: "hello"|"name", frame: object) => void} Ask
 */
export class Identity {
  /** @type {User | null} */ me = null;
  /** The requested name, as typed; the server's spelling is in `me`. */
  name = "";
  /** Whether the server has identified me on this connection, so that rooms may be joined. */
  known = false;
  /** Whether `me` is an account. */ signedIn = false;
  /** My earlier ids, as a guest, which the server no longer recognises. @type {Set<string>} */
  #former = new Set();
  /** The guest that the server created for this connection, until my own identity is settled. @type {any} */
  #guest = null;
  #token = "";
  /** Whether the server refused the name of the guest that I am: I stay that guest under another one. */ #renames = false;
  /** The server's id of this connection. */ #connection = "";

  /**
   * @param {{store: Store, ask: Ask, onKnown: (stranger: boolean) => void, onOther: () => void}} options `onKnown`: my
   *   identity is settled; `stranger`: it is a new one, because the server did not recognise me; `onOther`: the browser
   *   acts for another account than this tab
   */
  constructor({ store, ask, onKnown, onOther }) {
    this.store = store;
    this.ask = ask;
    this.onKnown = onKnown;
    this.onOther = onOther;
    const saved = store.get("identity");
    if (!saved?.token || !saved.user) return;
    this.#token = String(saved.token);
    this.name = String(saved.name);
    this.me = saved.user;
    this.#former = new Set(saved.former);
  }

  /** Act for an account. @param {User} user */
  signIn({ id, name }) {
    this.#former.clear();
    this.signedIn = true;
    this.me = { id, name };
    this.name = name;
  }

  /** The token of the guest that this tab is or was; "" if there is none. */
  get guestToken() {
    return String(this.store.get("identity")?.token ?? "");
  }

  /** The guest has become the account: its token says nothing any more. */
  keepGuest() {
    this.store.remove("identity");
  }

  /** Use this name. A different one than before is a different user, unless that was refused. @param {string} name */
  take(name) {
    if (this.signedIn || name === this.name) return;
    this.name = name;
    if (this.#renames && this.#token) return this.#save();
    this.#token = "";
    this.me = null;
    this.#former.clear();
    this.store.remove("identity");
    return undefined;
  }

  /** The server refuses my name, or a room does. What I wrote, and my roles, stay mine under the next one. */
  refuseName() {
    this.#renames = true;
  }

  /** @param {string} senderId */
  isMine(senderId) {
    return senderId === this.me?.id || this.#former.has(senderId);
  }

  onDisconnect() {
    this.known = false;
    this.#guest = null;
  }

  /** @param {any} welcome the first one of a connection, the answer to `hello`, or a later token */
  onWelcome(welcome) {
    if (this.signedIn || kindOf(welcome.user.id) !== "guest") return this.#onAccount(welcome);
    if (welcome.id !== undefined) return this.#become(welcome);
    if (welcome.session === this.#connection) return this.#onToken(welcome);
    this.#connection = welcome.session;
    this.#guest = welcome;
    // A different name: the server's spelling of the requested one, or a substitute for one that it refuses. The reason
    // arrives before the answer to anything sent now, and the substitute never enters a room.
    if (welcome.user.name !== this.name) this.ask("name", { type: "ping" });
    else this.onNameTaken();
    return undefined;
  }

  /** @param {any} welcome of a connection that a cookie has opened */
  #onAccount({ user }) {
    if (!this.signedIn || user.id !== this.me?.id) return this.onOther();
    this.me = user;
    this.name = user.name;
    if (this.known) return undefined;
    this.known = true;
    return this.onKnown(false);
  }

  /** The server could not sign the token of this connection's guest before. @param {any} welcome */
  #onToken(welcome) {
    if (this.#guest) this.#guest = welcome;
    else if (this.me?.id === welcome.user.id) {
      this.#token = welcome.token;
      this.#save();
    }
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
    } else {
      this.#token = "";
      this.#become(guest);
    }
  }

  /** Act as this principal from now on. @param {any} welcome */
  #become({ user, token }) {
    const stranger = this.me !== null && this.me.id !== user.id;
    if (this.me && stranger) this.#former.add(this.me.id);
    this.#guest = null;
    this.#token = token;
    this.me = user;
    this.known = true;
    this.#renames = false;
    this.#save();
    this.onKnown(stranger);
  }

  #save() {
    this.store.set("identity", { token: this.#token, user: this.me, name: this.name, former: [...this.#former] });
  }
}
