/**
 * What the browser keeps of my rooms. The part that does it is loaded after the first view, or when the server does not
 * answer.
 *
 * @typedef {import("./app.js").App} App
 * @typedef {import("./net/kept.js").Kept} Kept
 */

/** So long, in milliseconds, the page waits for a browser that does not remove what it has kept. */
const REMOVING = 2000;

export class Keeping {
  /** @type {Promise<Kept | null> | null} */ #loading = null;
  /** @type {Kept | null} */ #kept = null;
  /** Whether the server has listed my rooms. */ #listed = false;

  /** @param {App} app */
  constructor(app) {
    this.app = app;
  }

  onChange() {
    this.#kept?.onChange();
  }

  onRooms() {
    this.#listed = true;
    this.#kept?.retain();
  }

  /** A room is not on the page any more, or I may not enter it. @param {string} room */
  onGone(room) {
    this.#kept?.remove(room);
  }

  /** Keep what the rooms of this page show, to be read without a server: where the page opens without one. */
  begin() {
    if (!("serviceWorker" in navigator)) return Promise.resolve(null);
    this.#loading ??= this.#load();
    return this.#loading;
  }

  /** Show what is kept of a room while the server is asked: in a browser that has shown this page before, and so has all
   * of it. @param {import("./state/room.js").Room | null} room the one in front */
  async preview(room) {
    if (room?.target === null && navigator.serviceWorker?.controller) await (await this.begin())?.preview(room);
  }

  /** Show what is kept of all rooms. */
  async show() {
    await (await this.begin())?.show();
  }

  /** Remove the messages that the browser keeps of a user who has signed out. @param {string} [user] an id, mine by default */
  async drop(user = this.app.state.me?.id) {
    const { login } = this.app;
    if (user === login.known?.id) login.forget();
    const removed = this.begin().then((kept) => kept?.forget(user));
    await Promise.race([removed, new Promise((resolve) => setTimeout(resolve, REMOVING))]);
  }

  async #load() {
    const { act, state, session } = this.app;
    const module = await act.ui.load(() => import("./net/kept.js"), { asked: false });
    if (!module) this.#loading = null; // try again
    else this.#kept = new module.Kept(state, session.membership);
    if (this.#listed) this.#kept?.retain();
    this.#kept?.onChange(); // what has come meanwhile
    return this.#kept;
  }
}
