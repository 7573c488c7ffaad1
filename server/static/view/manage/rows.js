import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { avatar } from "../avatar.js";
import { mark, nameOf } from "../names.js";

/** What the lists of people in the dialog about members have in common. */

/** Actions that may be refused, each with the sentence about it, by key. */
export class Attempts {
  /** What the server said, by key. @type {Map<string, string>} */ errors = new Map();
  /** @type {Set<string>} */ #busy = new Set();

  /** @param {() => void} redraw */
  constructor(redraw) {
    this.redraw = redraw;
  }

  /** @param {string} key @param {() => Promise<unknown>} work @returns {Promise<boolean>} whether it was done */
  async run(key, work) {
    if (this.#busy.has(key)) return false;
    this.#busy.add(key);
    this.errors.delete(key);
    this.redraw();
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.errors.set(key, error.message);
      return false;
    } finally {
      this.#busy.delete(key);
      this.redraw();
    }
  }

  /** @param {string} key */
  busy(key) {
    return this.#busy.has(key);
  }

  /** What was refused. @param {string} key */
  said(key) {
    return this.errors.has(key) ? html`<p class="field-error" role="alert">${this.errors.get(key)}</p>` : nothing;
  }
}

/**
 * A person with a button. @param {import("../../state/types.js").User} user
 * @param {{alike: Map<string, string>, facts?: unknown, action: unknown, error: unknown}} options
 */
export function personRow(user, { alike, facts, action, error }) {
  return html`<li class="found person-found">
    ${avatar(user)}
    <span class="found-words">
      <span class="found-who"><span class="cut">${nameOf(user, alike)}</span>${mark(user.id)}</span>
      ${facts ? html`<span class="found-facts wraps">${facts}</span>` : nothing}
      ${error}
    </span>
    ${action}
  </li>`;
}
