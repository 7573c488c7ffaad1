import { NotLoaded, onDemand } from "../net/ondemand.js";
import { words } from "../words.js";

/**
 * What is open on the page.
 *
 * @typedef {import("./index.js").Context} Context
 */

/** How long to wait before a part of the page is loaded again, in milliseconds. */
export const LOAD_AGAIN = 10_000;

/** @param {Context} context */
export function uiActions({ state, session }) {
  return {
    /** Connect now, and not after the pause. */
    connect: () => session.transport.connect(),

    /** Open a panel beside the log, or close it. @param {import("../state/state.js").Ui["panel"]} panel */
    panel(panel) {
      state.ui.panel = panel;
      state.ui.profile = null;
      state.changed();
    },

    /** Show a user's card. @param {import("../state/types.js").User} user @param {string} [room] */
    profile(user, room = state.front) {
      state.ui.profile = { user, room };
      state.ui.panel ||= "people";
      state.changed();
    },

    closeProfile() {
      state.ui.profile = null;
      state.changed();
    },

    /** @param {string} name @param {Record<string, any>} [values] */
    dialog(name, values = {}) {
      state.ui.dialog = { ...values, name };
      state.changed();
    },

    closeDialog() {
      state.ui.dialog = null;
      state.changed();
    },

    /** @param {boolean} open */
    drawer(open) {
      state.ui.drawer = open;
      state.changed();
    },

    /** Show a notice: see `State.toast`. @type {typeof state.toast} */
    toast: (text, options) => state.toast(text, options),

    /**
     * Load a module that the first view does not need; if it cannot be loaded, say why. If the server has a newer version
     * of the page, offer to reload it.
     * @template T @param {() => Promise<T>} load such as `() => import("../view/search.js")`
     * @param {{asked?: boolean}} [options] `asked`: whether the user waits for it, else nothing is said while no server answers
     * @returns {Promise<T | null>}
     */
    async load(load, { asked = true } = {}) {
      try {
        return await onDemand(load);
      } catch (error) {
        if (!(error instanceof NotLoaded)) throw error;
        if (!asked && !error.outdated) return null;
        const action = error.outdated ? { label: words.common.reload, run: () => location.reload() } : undefined;
        this.toast(error.message, { error: true, key: "load", action });
        return null;
      }
    },

    /** Load what the user has not asked for, and try again while no server answers.
     * @template T @param {() => Promise<T>} load @returns {Promise<T>} */
    async eventually(load) {
      const loaded = await this.load(load, { asked: false });
      if (loaded) return loaded;
      await new Promise((resolve) => setTimeout(resolve, LOAD_AGAIN));
      return this.eventually(load);
    },

    /** @param {string} key */
    dismiss(key) {
      state.toasts = state.toasts.filter((toast) => toast.key !== key);
      state.changed();
    },

    /** @param {string} key */
    dismissAnnouncement(key) {
      state.announcements = state.announcements.filter((each) => each.key !== key);
      state.changed();
    },
  };
}
