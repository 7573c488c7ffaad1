import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { account as words } from "../../words/account.js";
import { PAGES } from "./index.js";

/**
 * The pages about accounts: one at a time, each a heading and what is below it. What a page has to remember while it is
 * in front, its closure keeps.
 *
 * @typedef {import("../../actions/index.js").Actions} Actions
 * @typedef {import("../../state/state.js").State} State
 * @typedef {{title: string, lead?: unknown, body: () => unknown}} Page `lead`: text or a template
 * @typedef {(pages: Pages, options: any) => Page | Promise<Page>} Open
 */
const LOGO = new URL("../../icon.svg", import.meta.url).href;

export class Pages {
  /** @type {Page | null} */ #page = null;

  /** @param {State} state @param {Actions} act @param {HTMLElement} panel */
  constructor(state, act, panel) {
    this.state = state;
    this.act = act;
    this.panel = panel;
  }

  /** @param {NonNullable<State["ui"]["page"]>} page */
  async show(page) {
    const opened = await /** @type {Record<string, Open>} */ (PAGES)[page.name](this, page.options);
    if (this.state.ui.page !== page) return; // another one was opened meanwhile
    this.end();
    this.#page = opened;
    this.draw();
    /** @type {Element} */ (document.querySelector("title")).textContent = words.windowTitle(opened.title);
    /** @type {HTMLElement} */ (this.panel.closest("main")).scrollTop = 0;
    const part = page.options?.part && this.panel.querySelector(`#account-${page.options.part}`);
    if (part) part.tabIndex = -1; // it is no button, but one goes on from there
    // A screen reader reads the heading when a page has no field; else the field, within the named region.
    const { ui } = this.state;
    const field = this.panel.querySelector("[data-focus]") ?? this.panel.querySelector("input:not([hidden])");
    const first = part ?? (ui.unasked ? null : field) ?? this.panel.querySelector("h1");
    ui.unasked = false;
    /** @type {HTMLElement} */ (first).focus();
  }

  draw() {
    if (!this.#page) return;
    const { title, lead, body } = this.#page;
    render(
      html`${this.state.account ? nothing : html`<img class="logo" src=${LOGO} alt="" width="48" height="48">`}
        <h1 id="account-title" tabindex="-1">${title}</h1>
        ${lead ? html`<p class="lead">${lead}</p>` : nothing}
        ${body()}`,
      this.panel,
    );
  }

  /** Remove the page in front, with the passwords and codes in it. */
  end() {
    this.#page = null;
    render(nothing, this.panel);
  }

  /** Draw a step of a part of the page in front, and read it to users who cannot see it. @param {string} selector of the part */
  step(selector) {
    const box = this.panel.querySelector(selector);
    const had = box?.contains(document.activeElement); // else one has gone on meanwhile
    this.draw();
    const first = box?.querySelector("[data-focus]") ?? box?.querySelector("[tabindex='-1']") ?? box?.querySelector("input:not([hidden]), button");
    if (had && first) /** @type {HTMLElement} */ (first).focus();
  }

  /** A button that leads to another page. @param {string} text @param {string} page @param {any} [options] */
  link(text, page, options) {
    return html`<button type="button" class="link" @click=${() => this.act.account.open(page, options)}>${text}</button>`;
  }

  /** A button that returns to the chat. */
  onward() {
    return html`<button type="button" class="primary" @click=${() => this.act.account.close()}>${words.continue}</button>`;
  }
}
