/**
 * The pages about accounts, and signing out. Signing in and entering are in entering.js.
 *
 * @typedef {import("./index.js").Context} Context
 */

/** @param {Context} context */
export function accountActions(context) {
  const { state, session, app } = context;
  const { identity } = session;
  const { ui } = state;

  return {
    /** Show a page about accounts: a key of view/account/index.js. @param {string} name
     * @param {any} [options] those of the page, and `from`: the dialog to which "Back" returns */
    open(name, options = {}) {
      const from = ui.page?.options.from;
      if (ui.view !== "account") ui.back = ui.view;
      ui.view = "account";
      ui.page = { name, options: { from, ...options } };
      state.changed();
    },

    /** Return from the pages about accounts. */
    close() {
      if (ui.view !== "account" || app.changeover.onClose()) return;
      const from = ui.page?.options.from;
      if (from) context.ui.dialog(from.name, from);
      ui.page = null;
      ui.view = ui.back;
      if (ui.view === "loading") app.showEntry();
      session.reader.look(); // what has arrived behind the page is in sight now
      state.changed();
    },

    /** Learn what the server allows: `state.server`. */
    async askServer() {
      await app.askServer();
      state.changed();
    },

    /** Choose a guest of this browser. @param {string} name */
    choose(name) {
      identity.take(name);
      state.changed();
    },

    /** Sign out of this browser: an account in all of its tabs, a guest by forgetting it. Unsent messages are lost.
     * @param {string} [news] what to tell the user then */
    async signOut(news) {
      const lost = await context.messages.settle();
      if (state.account || app.login.denied) await app.login.signOut();
      app.changeover.signOut(true, news || lost);
    },

    /** The invite link of this tab was used, or is of no use. */
    forgetLink: () => ["invite", "accepted"].forEach((what) => state.tab.remove(what)),
  };
}
