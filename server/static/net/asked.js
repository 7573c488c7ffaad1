import { newId } from "../state/content.js";
import { words } from "../words.js";
import { Refused } from "./api.js";

/**
 * The commands whose answers are awaited.
 *
 * @typedef {object} Awaited
 * @property {(answer: any) => void} resolve gets the first frame that answers the command
 * @property {(error: any) => void} refuse gets the server's `error`
 * @property {(error: Refused) => void} lost the connection broke before the answer
 */
export class Asked {
  /** By id. @type {Map<string, Awaited>} */ #awaited = new Map();

  /** @param {(frame: object) => boolean} send hands a frame to an open connection, if there is one */
  constructor(send) {
    this.send = send;
  }

  /**
   * Send a command. @param {{type: string, [field: string]: unknown}} frame without an id
   * @returns {Promise<any>} the first frame that answers it @throws {Refused}
   */
  ask(frame) {
    return new Promise((resolve, reject) => this.put(frame, resolve, (error) => reject(Refused.of(error)), reject));
  }

  /** Send a command. @param {object} frame @param {Awaited["resolve"]} resolve @param {Awaited["refuse"]} refuse @param {Awaited["lost"]} [lost] */
  put(frame, resolve, refuse, lost = () => {}) {
    const id = newId("q-");
    this.#awaited.set(id, { resolve, refuse, lost });
    if (this.send({ ...frame, id })) return;
    this.#awaited.delete(id);
    lost(new Refused("", words.trouble.notReached, { retryable: true }));
  }

  /** What a frame answers, which then waits no more. @param {string} id @returns {Awaited | undefined} */
  take(id) {
    const awaited = this.#awaited.get(id);
    this.#awaited.delete(id);
    return awaited;
  }

  onDisconnect() {
    const awaited = [...this.#awaited.values()];
    this.#awaited.clear();
    const error = new Refused("", words.trouble.interrupted, { retryable: true });
    for (const { lost } of awaited) lost(error);
  }
}
