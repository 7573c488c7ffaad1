import { NotLoaded, onDemand } from "../net/ondemand.js";
import { words } from "../words.js";
import { styled } from "./style.js";

/**
 * The place of the pages about accounts, in front of the chat, which stays connected. They are loaded when the first one is
 * opened.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */
export class AccountView {
  #panel = /** @type {HTMLElement} */ (document.getElementById("account-panel"));
  /** @type {State["ui"]["page"]} */ #shown = null;
  /** @type {import("./account/pages.js").Pages | null} */ #pages = null;

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    const back = /** @type {HTMLElement} */ (document.getElementById("account-close"));
    back.textContent = words.common.back;
    back.addEventListener("click", () => act.account.close());
    const view = /** @type {HTMLElement} */ (document.getElementById("account-view"));
    view.addEventListener("keydown", (event) => event.key === "Escape" && act.account.close());
  }

  draw() {
    const { page } = this.state.ui;
    if (page === this.#shown) return;
    this.#shown = page;
    if (page) this.#open(page);
    else this.#pages?.end();
  }

  /** @param {NonNullable<State["ui"]["page"]>} page */
  async #open(page) {
    try {
      const loaded = onDemand(() => Promise.all([import("./account/pages.js"), styled("account")]));
      const [[{ Pages }]] = await Promise.all([loaded, this.act.account.askServer()]);
      this.#pages ??= new Pages(this.state, this.act, this.#panel);
    } catch (error) {
      if (!(error instanceof NotLoaded)) throw error;
      this.act.account.close();
      this.act.ui.toast(error.message, { error: true });
      return;
    }
    if (this.state.ui.page === page) this.#pages.show(page);
  }
}
