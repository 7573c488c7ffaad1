import { newId } from "../state/content.js";
import { Backoff } from "./backoff.js";
import { SUBPROTOCOL, mayReconnect, outdatesToken } from "./protocol.js";
import { steady } from "./steady.js";

const CONNECT_WAIT = 10000; // a handshake may hang for minutes in a network that drops packets
const PONG_WAIT = 10000;
const PROBE_WAIT = 4000; // after waking up, when a dead connection is likely
/** After such a silence the computer has slept, and the server has closed the connection. Timers of hidden tabs are late, by a minute. */
const ASLEEP = 300000;
const STABLE = 10000; // a connection that lasted this long resets the backoff

/**
 * @typedef {{name: "idle"|"connecting"|"open"|"waiting"|"stopped", until?: number, code?: number, reason?: string}}
 *   ConnectionState `until`: epoch milliseconds of the next try while waiting
 */

/**
 * One persistent connection: opens the socket, detects when it is dead, and reconnects with backoff. Handles frames as
 * objects without knowing their meaning, except for `ping`, and does not know the page.
 */
export class Transport {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #backoff = new Backoff();
  /** @type {number | null} */ #told = null;
  #openedAt = 0;
  #heardAt = 0;
  #pingedAt = 0;
  /** Counts the attempts, so that one that was given up does not open a socket. */ #attempt = 0;
  /** Whether the last connection was refused, or ended for its token. */ #doubtful = false;

  /** Milliseconds of silence after which a `ping` is sent; `welcome` has the server's interval. */
  heartbeat = 20000;

  /**
   * @param {{url: () => string, onState: (state: ConnectionState) => void, onFrame: (frame: any) => void,
   *   ready?: (doubtful: boolean) => Promise<boolean> | null, Socket?: typeof WebSocket}} options `ready`: what must be
   *   done before a socket is opened, null for nothing; false: it is not to be opened; `doubtful`: the one before was
   *   refused, or its token was too old
   */
  constructor({ url, onState, onFrame, ready = () => null, Socket = WebSocket }) {
    this.url = url;
    this.ready = ready;
    this.onState = onState;
    this.onFrame = onFrame;
    this.Socket = Socket;
    /** @type {ConnectionState} */
    this.state = { name: "idle" };
  }

  /** Open a connection now, dropping an existing one. */
  connect() {
    this.#drop();
    this.#set({ name: "connecting" });
    const attempt = this.#attempt;
    const waits = this.ready(this.#doubtful);
    if (!waits) return this.#open();
    const current = () => attempt === this.#attempt;
    waits.then(
      (may) => current() && may && this.#open(),
      () => current() && this.#lost(0, "not ready"),
    );
    return undefined;
  }

  #open() {
    /** @type {WebSocket} */
    let socket;
    try {
      socket = new this.Socket(this.url(), SUBPROTOCOL);
    } catch {
      return this.#retry(0, "");
    }
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(0, "no answer"), CONNECT_WAIT);
    socket.onopen = () => {
      this.#openedAt = this.#heardAt = steady();
      this.#set({ name: "open" });
      this.#watch(this.heartbeat);
    };
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
  }

  /** Close without reconnecting, until `connect` is called. @param {string} [reason] */
  stop(reason = "") {
    this.#drop();
    this.#set({ name: "stopped", code: 1000, reason });
  }

  /** @param {object} frame @returns {boolean} whether it was handed to an open socket, not whether it arrived */
  send(frame) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Replace the next pause by the time at which the server wants the reconnect. @param {number} seconds */
  comeBackAfter(seconds) {
    this.#told = Math.max(0, seconds) * 1000;
  }

  /** React to a change (network, visible tab): reconnect now if waiting, else check the connection. */
  wake() {
    if (this.state.name === "waiting" || this.#slept) this.connect();
    else if (this.state.name === "open") this.#ping(PROBE_WAIT);
  }

  /** @param {unknown} text */
  #hear(text) {
    this.#heardAt = steady();
    let frame;
    try {
      frame = JSON.parse(String(text));
    } catch {
      return; // not of this protocol; a later frame may be
    }
    if (frame && typeof frame === "object") this.onFrame(frame);
  }

  get #slept() {
    return this.state.name === "open" && steady() - this.#heardAt > ASLEEP;
  }

  /** After `pause` ms without a frame, send a `ping`; otherwise keep waiting. @param {number} pause */
  #watch(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const silent = steady() - this.#heardAt;
      if (this.#slept) this.connect();
      else if (silent < this.heartbeat) this.#watch(this.heartbeat - silent);
      else this.#ping(PONG_WAIT);
    }, pause);
  }

  /** @param {number} wait */
  #ping(wait) {
    this.#pingedAt = steady();
    this.send({ type: "ping", id: newId("p-") });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#heardAt < this.#pingedAt) this.#lost(0, "silent");
      else this.#watch(Math.max(0, this.heartbeat - (steady() - this.#heardAt)));
    }, wait);
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    const stable = this.#openedAt > 0 && steady() - this.#openedAt > STABLE;
    this.#doubtful = this.#openedAt === 0 || outdatesToken(code);
    this.#drop();
    if (stable) this.#backoff.reset();
    if (mayReconnect(code)) this.#retry(code, reason);
    else this.#set({ name: "stopped", code, reason });
  }

  /** @param {number} code @param {string} reason */
  #retry(code, reason) {
    const pause = this.#told ?? this.#backoff.next();
    this.#told = null;
    this.#timer = setTimeout(() => this.connect(), pause);
    this.#set({ name: "waiting", until: Date.now() + pause, code, reason });
  }

  /** Forget the socket at once: the closing handshake of a dead connection may take a minute. */
  #drop() {
    clearTimeout(this.#timer);
    this.#attempt += 1;
    this.#openedAt = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {ConnectionState} state */
  #set(state) {
    this.state = state;
    this.onState(state);
  }
}
