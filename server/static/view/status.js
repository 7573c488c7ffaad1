import { byId, setText } from "./dom.js";

/**
 * The state of the connection: a word in the header, and a line above the log while something is awaited.
 *
 * @typedef {import("../transport.js").ConnectionState} ConnectionState
 */
export class StatusView {
  #pill = byId("status");
  #text = byId("status-text");
  #banner = byId("banner");
  #why = byId("banner-text");
  #count = byId("banner-count");
  #button = byId("banner-button");
  /** @type {ReturnType<typeof setInterval> | undefined} */ #tick;
  #until = 0;
  #code = 0;

  /** @param {() => void} connect */
  constructor(connect) {
    this.#button.addEventListener("click", connect);
  }

  /**
   * @param {ConnectionState} state
   * @param {boolean} online whether I am identified on this connection
   * @param {number} waiting messages in the outbox
   * @param {string} trouble why the current room cannot be entered or read
   */
  render(state, online, waiting, trouble) {
    const lost = state.name === "waiting" || (state.name === "connecting" && this.#tick !== undefined);
    const name = online ? "online" : state.name === "stopped" ? "stopped" : lost ? "lost" : "connecting";
    this.#pill.dataset.state = name;
    setText(this.#text, { online: "Connected", stopped: "Not connected", lost: "Reconnecting", connecting: "Connecting" }[name]);
    this.#banner.hidden = name === "connecting" || (name === "online" && !trouble);
    this.#button.hidden = name === "online";
    if (state.name === "waiting" && !this.#tick) this.#code = state.code ?? 0; // why it broke, not why it stays so
    const kept = waiting ? ` ${waiting === 1 ? "One message is waiting" : `${waiting} messages are waiting`} to be sent.` : "";
    if (name === "online") setText(this.#why, trouble);
    if (name === "lost") setText(this.#why, `${this.#reason()}${kept}`);
    if (name === "stopped") setText(this.#why, "You are not connected.");
    setText(this.#button, name === "stopped" ? "Connect" : "Try now");
    this.#until = state.name === "waiting" ? (state.until ?? 0) : 0;
    if (lost) this.#tick ??= setInterval(() => this.#countDown(), 500);
    else {
      clearInterval(this.#tick);
      this.#tick = undefined;
    }
    this.#countDown();
  }

  #reason() {
    if (!navigator.onLine) return "This device is offline.";
    if (this.#code === 1001) return "The server is restarting.";
    return "The connection was lost.";
  }

  /** Hidden from screen readers, which would announce every second. */
  #countDown() {
    const seconds = Math.ceil((this.#until - Date.now()) / 1000);
    if (this.#banner.hidden || !this.#tick) setText(this.#count, "");
    else setText(this.#count, seconds > 0 ? `Trying again in ${seconds} s.` : "Trying now…");
  }
}
