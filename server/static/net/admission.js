import { words } from "../words.js";
import { sentence, withWait } from "./api.js";

/**
 * Whether the server takes me in: who waits for that, and what is said when it does not, or sends me out.
 *
 * @typedef {import("./session.js").Session} Session
 */
export class Admission {
  /** What the last frame without an id complained about: it explains a close. @type {any} */ #complaint = null;
  /** What waits for an identity, or for the refusal of the name. @type {((wrong: string) => void)[]} */ #waiting = [];

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.state = session.state;
  }

  /** Wait for an identity. @returns {Promise<string>} "", or why the name was refused */
  settled() {
    if (this.state.known) return Promise.resolve("");
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** @param {string} wrong why the name was refused, or "" */
  settle(wrong) {
    for (const resolve of this.#waiting.splice(0)) resolve(wrong);
  }

  /** Leave the chat for the entry page, which says why; a room that is shown stays until the person goes there. @param {string} text @param {import("../state/state.js").EntryField} [field] */
  refuse(text, field = "") {
    this.session.transport.stop();
    const { state } = this;
    const stays = state.room?.loaded && !this.#waiting.length;
    const run = () => {
      Object.assign(state, { ended: null, entryError: { field, text } });
      state.ui.show("entry");
      this.settle(text);
      state.changed();
    };
    if (!stays) return run();
    state.entryError = { field, text };
    state.ended = { text, button: field ? "otherName" : "goOn", run };
    return state.changed();
  }

  /** @param {string} text */
  refuseName(text) {
    const { identity, transport } = this.session;
    identity.renames();
    const asked = this.#waiting.length > 0;
    transport.stop();
    this.settle(text);
    if (!asked) this.refuse(text, "name"); // else it is said where the name was typed
  }

  /** Connect no more, and say why. @param {string} text */
  giveUp(text) {
    this.state.stopped = text;
    if (this.#waiting.length) this.state.entryError = { field: "", text };
    this.settle(text);
  }

  /** @param {any} error one without an id: it says why the connection ends, or is for no command of this page */
  onComplaint(error) {
    this.#complaint = error;
    if (error.field === "u") this.refuseName(sentence(error));
  }

  onConnecting() {
    this.#complaint = null;
    this.state.stopped = "";
  }

  /** @param {number} code with which the server has closed the connection for good */
  onStopped(code) {
    const said = this.#complaint;
    const text = said ? withWait(sentence(said), said.retry_after) : (words.trouble.closed[code] ?? words.trouble.closedOther);
    if (code === 4102) this.refuseName(text);
    else if (!this.session.hooks.onStopped(code)) this.giveUp(text);
  }
}
