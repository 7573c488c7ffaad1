import { account as words } from "../../words/account.js";
import { el, setText } from "../dom.js";
import { PAGES } from "./index.js";

/**
 * The pages about accounts: one at a time, each a heading and what is below it.
 *
 * @typedef {import("../../actions/index.js").Actions} Actions
 * @typedef {import("../../state/state.js").State} State
 * @typedef {{title: string, lead?: Node | string, body: (Node | string)[]}} Page
 * @typedef {(pages: Pages, options: any) => Page | Promise<Page>} Draw
 */
export class Pages {
  /** @param {State} state @param {Actions} act @param {HTMLElement} panel */
  constructor(state, act, panel) {
    this.state = state;
    this.act = act;
    this.panel = panel;
  }

  /** @param {NonNullable<State["ui"]["page"]>} page */
  async show(page) {
    const { title, lead, body } = await /** @type {Record<string, Draw>} */ (PAGES)[page.name](this, page.options);
    if (this.state.ui.page !== page) return; // another one was opened meanwhile
    const heading = el("h1", { id: "account-title", tabindex: "-1" }, title);
    this.panel.replaceChildren(heading, lead ? el("p", { class: "lead" }, lead) : "", ...body);
    setText(/** @type {Element} */ (document.querySelector("title")), words.windowTitle(title));
    /** @type {HTMLElement} */ (this.panel.closest("main")).scrollTop = 0;
    const part = page.options?.part && this.panel.querySelector(`#account-${page.options.part}`);
    if (part) part.tabIndex = -1; // it is no button, but one goes on from there
    // A screen reader reads the heading when a page has no field; else the field, within the named region.
    const first = part ?? this.panel.querySelector("[autofocus]") ?? this.panel.querySelector("input:not([hidden])") ?? heading;
    /** @type {HTMLElement} */ (first).focus();
  }

  /** A button that leads to another page. @param {string} text @param {string} page @param {any} [options] */
  link(text, page, options) {
    return el("button", { type: "button", class: "link", click: () => this.act.account.open(page, options) }, text);
  }

  /** A button that returns to the chat. */
  onward() {
    return el("button", { type: "button", class: "primary", click: () => this.act.account.close() }, words.continue);
  }
}

/** Text with something in it: `fill` for elements. @param {string} template @param {Record<string, Node | string>} values */
export function withParts(template, values) {
  const texts = template.split(/\{(\w+)\}/);
  return el("span", {}, ...texts.map((text, i) => (i % 2 ? values[text] : text)));
}
