/**
 * @typedef {import("./index.js").Context} Context
 * @typedef {import("../state/settings.js").Values} Values
 */

/** @param {Context} context */
export function settingsActions({ state }) {
  return {
    /** @template {keyof Values} K @param {K} key @param {Values[K]} value */
    set(key, value) {
      state.settings.set(key, value);
      state.changed();
    },
  };
}
