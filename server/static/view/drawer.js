import { focusFirst, focusHome } from "./focus.js";

/**
 * The sidebar next to the log where there is space, else a drawer over it. What an open drawer covers, and a closed
 * drawer, are inert for the keyboard and screen readers.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 */
const WIDE = matchMedia("(min-width: 50rem)");

export class Drawer {
  #open = false;

  /** @param {HTMLElement} side @param {State} state @param {Actions} act */
  constructor(side, state, act) {
    this.side = side;
    this.state = state;
    const close = () => act.ui.drawer(false);
    document.getElementById("backdrop")?.addEventListener("click", close);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && state.ui.drawer && !event.defaultPrevented) close();
    });
    WIDE.addEventListener("change", () => {
      close();
      state.changed();
    });
  }

  draw() {
    const open = this.state.ui.drawer && !WIDE.matches;
    const rest = ["main", "panel", "skip"].map((id) => /** @type {HTMLElement} */ (document.getElementById(id)));
    const had = this.side.contains(document.activeElement);
    document.body.classList.toggle("drawer-open", open);
    this.side.inert = !open && !WIDE.matches;
    for (const each of rest) each.inert = open;
    if (open === this.#open) return;
    this.#open = open;
    if (open) /** @type {HTMLElement | null} */ (this.side.querySelector(".menu-close"))?.focus();
    else if ((had || document.activeElement === document.body) && !WIDE.matches) {
      // To its button, not to what had the focus when it was drawn: a key may have moved that after the click.
      if (!focusFirst(document.getElementById("menu"))) focusHome();
    }
  }
}
