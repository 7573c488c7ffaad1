import { Refused } from "../net/api.js";
import { NotLoaded, onDemand } from "../net/ondemand.js";
import { accountActions } from "./account.js";
import { attentionActions } from "./attention.js";
import { messageActions } from "./messages.js";
import { readingActions } from "./reading.js";
import { roomActions } from "./rooms.js";
import { settingsActions } from "./settings.js";
import { uiActions } from "./ui.js";
import { writingActions } from "./writing.js";

/**
 * What a person does, by subject. Views call these, and nothing of net/.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../net/session.js").Session} Session
 * @typedef {import("../net/api.js").Api} Api
 * @typedef {{ui: ReturnType<typeof uiActions>, rooms: ReturnType<typeof roomActions> & ReturnType<typeof import("./asking.js").askingActions>,
 *   reading: ReturnType<typeof readingActions> & ReturnType<typeof import("./finding.js").findingActions>, messages: ReturnType<typeof messageActions>,
 *   writing: ReturnType<typeof writingActions>, people: ReturnType<typeof import("./people.js").peopleActions>,
 *   moderation: ReturnType<typeof import("./moderation.js").moderationActions>,
 *   settings: ReturnType<typeof settingsActions>, attention: ReturnType<typeof attentionActions>,
 *   account: ReturnType<typeof accountActions> & ReturnType<typeof import("./entering.js").enteringActions>, me: ReturnType<typeof import("./me.js").meActions>}} Actions
 * @typedef {import("../app.js").App} App
 * @typedef {{state: State, session: Session, api: Api, app: App} & Actions} Context
 */

/** @param {{state: State, session: Session, api: Api, app: App}} parts @returns {Actions} */
export function makeActions(parts) {
  const context = /** @type {Context} */ (parts); // each subject may use the others once all are there
  context.ui = uiActions(context);
  context.rooms = later(async () => (await import("./asking.js")).askingActions(context), roomActions(context));
  context.reading = later(async () => (await import("./finding.js")).findingActions(context), readingActions(context));
  context.messages = messageActions(context);
  context.writing = writingActions(context);
  context.people = later(async () => (await import("./people.js")).peopleActions(context));
  context.attention = attentionActions(context);
  context.moderation = later(async () => (await import("./moderation.js")).moderationActions(context));
  context.settings = settingsActions(context);
  context.account = later(async () => (await import("./entering.js")).enteringActions(context), accountActions(context));
  context.me = later(async () => (await import("./me.js")).meActions(context));
  return context;
}

/**
 * Actions that the first view does not need, and that all ask the server: loaded when one of them is called.
 * @template {Record<string, (...args: any[]) => Promise<any>>} T @template {object} H
 * @param {() => Promise<T>} load @param {H} [here] those of the same subject that are there at once @returns {T & H}
 */
function later(load, here) {
  const get = (/** @type {any} */ known, /** @type {string} */ name) => known[name] ?? (async (/** @type {any[]} */ ...args) => {
    try {
      return await (await onDemand(load))[name](...args);
    } catch (error) {
      if (!(error instanceof NotLoaded)) throw error;
      throw new Refused("", error.message, { retryable: true });
    }
  });
  return new Proxy(/** @type {any} */ (here ?? {}), { get });
}
