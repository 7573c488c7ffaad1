import { html, nothing, render } from "../../vendor/lit-html/lit-html.js";
import { words } from "../../words.js";
import { giveKeys, takeKeys } from "../ahead.js";
import { settle } from "../focus.js";
import { openPart } from "../host.js";
import { icon } from "../more-icons.js";
import { styled } from "../style.js";

/**
 * The one dialog that may be open, in the page's <dialog>: `act.ui.dialog("browse", data)` opens view/dialogs/browse.js.
 *
 * @typedef {import("../host.js").Part} Part
 * @typedef {import("../host.js").Load} Load
 * @typedef {import("../../actions/index.js").Actions} Actions
 * @typedef {import("../../state/state.js").State} State
 */

/** @type {Record<string, Load>} */
const DIALOGS = {
  announce: () => import("./announce.js"),
  browse: () => import("./browse.js"),
  confirm: () => import("./confirm.js"),
  continue: () => import("./continue.js"),
  create: () => import("./create.js"),
  date: () => import("./date.js"),
  help: () => import("./help.js"),
  invite: () => import("./invite.js"),
  keep: () => import("./keep.js"),
  members: () => import("./members.js"),
  name: () => import("./name.js"),
  missing: () => import("./missing.js"),
  password: () => import("./password.js"),
  report: () => import("./report.js"),
  reports: () => import("./reports.js"),
  requests: () => import("./requests.js"),
  role: () => import("./role.js"),
  room: () => import("./room.js"),
  sanction: () => import("./sanction.js"),
  seen: () => import("./seen.js"),
  signOut: () => import("./sign-out.js"),
  settings: () => import("../settings/dialog.js"),
  switcher: () => import("../switcher.js"),
};

export class DialogHost {
  #box = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
  /** What is shown, or being loaded. @type {State["ui"]["dialog"]} */ #shown = null;
  /** @type {Part | null} */ #part = null;

  /** @param {State} state @param {Actions} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    const close = () => this.#close();
    this.#box.addEventListener("cancel", (event) => {
      if (event.target !== this.#box) return; // of a file field in it
      event.preventDefault();
      close();
    });
    // A browser closes it without asking at the second Escape. (When one dialog follows another, this comes late.)
    this.#box.addEventListener("close", () => !this.#box.open && this.#part && close());
    // A press on the backdrop closes it, unless something was typed. What began inside, like selecting text, does not.
    this.#box.addEventListener("pointerdown", (event) => {
      if (event.target === this.#box && outside(event, this.#box) && !this.#box.querySelector("form")) close();
    });
  }

  draw() {
    const { dialog } = this.state.ui;
    if (dialog !== this.#shown) {
      this.#end();
      this.#shown = dialog;
      if (dialog) this.#open(dialog);
    } else if (this.#part) this.#render(this.#part);
  }

  /** @param {{name: string} & Record<string, any>} dialog */
  async #open(dialog) {
    const { state, act } = this;
    const close = () => this.state.ui.dialog === dialog && act.ui.closeDialog();
    const redraw = () => this.#part && this.#shown === dialog && this.#render(this.#part);
    takeKeys(close); // if it follows another dialog
    const load = async () => (await Promise.all([DIALOGS[dialog.name](), styled("dialog")]))[0];
    const part = await openPart(load, { state, act, data: dialog, redraw, close, uncover: close });
    if (!part || this.state.ui.dialog !== dialog) return; // closed meanwhile
    this.#part = part;
    this.#box.className = `dialog ${part.kind ?? ""}`;
    this.#render(part);
    giveKeys(() => {
      this.#box.showModal();
      part.focus?.();
    });
  }

  /** Now, not with the next frame: the next key is for what was below. */
  #close() {
    this.act.ui.closeDialog();
    this.draw();
  }

  #end() {
    const part = this.#part;
    this.#part = this.#shown = null;
    if (this.#box.open) this.#box.close(); // gives the focus back
    render(nothing, this.#box);
    part?.closed?.();
    settle();
  }

  /** @param {Part} part */
  #render(part) {
    render(
      html`<div class="dialog-head">
          <h2 id="dialog-title" class="cut">${part.title()}</h2>
          <button type="button" class="icon-button" aria-label=${words.common.close} title=${words.common.close}
            @click=${() => this.#close()}>${icon("x")}</button>
        </div>
        <div class="dialog-body">${part.draw()}</div>`,
      this.#box,
    );
  }
}

/** @param {PointerEvent} event @param {Element} box */
function outside({ clientX, clientY }, box) {
  const { left, right, top, bottom } = box.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}
