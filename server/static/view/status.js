import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { words } from "../words.js";

/**
 * The state of the connection: a word in the header, and a line above the log while something is awaited.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {"online" | "stopped" | "lost" | "connecting"} ConnectionName
 */

export class Banner {
  /** For the header. @type {ConnectionName} */ name = "connecting";
  /** Why the connection broke, and not why it stays so. */ #code = 0;
  #box = /** @type {HTMLElement} */ (document.getElementById("banner"));
  /** @type {ReturnType<typeof setInterval> | undefined} */ #tick;

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
  }

  draw() {
    const name = this.#name();
    if (name === "lost" && this.name !== "lost") this.#code = this.state.connection.code ?? 0;
    this.name = name;
    if (name === "lost") this.#tick ??= setInterval(() => this.#render(), 500);
    else {
      clearInterval(this.#tick);
      this.#tick = undefined;
    }
    this.#render();
  }

  /** @returns {ConnectionName} "connecting" the first time only */
  #name() {
    const { known, connection } = this.state;
    if (known) return "online";
    if (connection.name === "stopped") return "stopped";
    return connection.name === "waiting" || this.name === "lost" ? "lost" : "connecting";
  }

  #text() {
    const { room, late, stopped, ended } = this.state;
    if (ended) return ""; // said at the message box
    if (this.name === "stopped") return stopped || words.status.stoppedLong;
    if (this.name === "online") return room?.trouble || (late ? words.status.late : "");
    if (this.name === "connecting") return "";
    if (room?.kept) return words.status.kept;
    if (!navigator.onLine) return words.status.offline;
    return this.#code === 1001 ? words.status.restarting : words.status.broken;
  }

  /** The count is hidden from screen readers, which would announce every second. */
  #render() {
    const text = this.#text();
    const lost = this.name === "lost";
    const waiting = lost ? this.state.outbox.entries.length : 0;
    this.#box.classList.toggle("empty", !text); // a live region that was hidden does not speak
    render(
      html`<span id="banner-text" role="status">${text}${waiting ? ` ${words.status.waiting(waiting)}` : ""}</span>
        ${lost ? html`<span id="banner-count" aria-hidden="true">${this.#count()}</span>` : nothing}
        ${lost || (this.name === "stopped" && text)
          ? html`<button type="button" id="banner-button" class="link" @click=${() => this.act.ui.connect()}>${lost ? words.status.tryNow : words.status.connect}</button>`
          : nothing}`,
      this.#box,
    );
  }

  #count() {
    const { name, until = 0 } = this.state.connection;
    const seconds = name === "waiting" ? Math.ceil((until - Date.now()) / 1000) : 0;
    return seconds > 0 ? words.status.tryingIn(seconds) : words.status.tryingNow;
  }
}
