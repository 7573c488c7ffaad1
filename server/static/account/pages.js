import { byId, el, setText } from "../view/dom.js";
import { Refused } from "../net/api.js";

/**
 * The place of the account pages: one at a time, in front of the chat, which stays connected. Each page is a heading and
 * what is below it.
 *
 * @typedef {import("./account.js").Account} Account
 * @typedef {{registration: "open"|"invite"|"closed", guests: boolean, mail: boolean}} Server
 * @typedef {{title: string, lead?: Node | string, body: (Node | string)[]}} Page
 * @typedef {(pages: Pages, options: any) => Page | Promise<Page>} Draw
 * @typedef {{token: string, registers: boolean, room?: string}} Invite an invite link, and what it is for
 * @typedef {{token: () => string, moved: () => void}} Guest the guest of this tab: its token, "" without one; and what to
 *   do when it has become the account
 */

/** What the page assumes of a server that does not answer. @type {Server} */
const UNKNOWN = { registration: "open", guests: true, mail: true };

export class Pages {
  #panel = byId("account-panel");
  /** The heading in front, "" if no page is open. */ title = "";
  /** @type {Server} */ server = UNKNOWN;
  /** @type {Promise<Server> | null} */ #asked = null;

  /**
   * @param {{account: Account, pages: Record<string, Draw>, guest: Guest, onClose: () => void,
   *   onSigned: (how?: {out?: boolean, news?: string}) => void, unsent: () => boolean, forgetInvite: () => void, acceptAsGuest: (name: string, token: string) => Promise<void>, enter: (room: string) => void}} options
   *   `onSigned`: the browser has signed in, or out, and what to tell the user then; `unsent`: whether messages wait to be sent; `forgetInvite`: the invite link of this tab was used, or is of no use
   */
  constructor({ account, pages, guest, onClose, onSigned, unsent, forgetInvite, acceptAsGuest, enter }) {
    this.api = account.api;
    this.account = account;
    this.guest = guest;
    this.onSigned = onSigned;
    this.unsent = unsent;
    this.forgetInvite = forgetInvite;
    this.acceptAsGuest = acceptAsGuest;
    this.enter = enter;
    this.pages = pages;
    this.onClose = onClose;
    byId("account-close").addEventListener("click", () => this.close());
    byId("account-view").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.close());
  }

  /** Ask once what the server allows. */
  async ask() {
    try {
      this.#asked ??= this.api.ask("GET", "server");
      this.server = await this.#asked;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#asked = null; // the page that is opened will meet the same, and says so
    }
    return this.server;
  }

  /** @param {string} name a key of the pages @param {any} [options] */
  async open(name, options = {}) {
    await this.ask();
    const { title, lead, body } = await this.pages[name](this, options);
    this.title = title;
    document.body.dataset.view = "account";
    const heading = el("h1", { id: "account-title", tabindex: "-1" }, title);
    this.#panel.replaceChildren(heading, lead ? el("p", { class: "lead" }, lead) : "", ...body);
    setText(/** @type {Element} */ (document.querySelector("title")), `${title} · Parley`);
    byId("account-view").scrollTop = 0;
    // A screen reader reads the heading when a page has no field; else the field, within the named region.
    (this.#panel.querySelector("[autofocus]") ?? this.#panel.querySelector("input:not([hidden])") ?? heading).focus();
  }

  close() {
    if (!this.title) return;
    this.title = "";
    this.#panel.replaceChildren();
    this.onClose();
  }

  /** A button that leads to another page. @param {string} text @param {string} page @param {any} [options] */
  link(text, page, options) {
    return el("button", { type: "button", class: "link", click: () => this.open(page, options) }, text);
  }
}
