import { html, render } from "../vendor/lit-html/lit-html.js";
import { unseen as words } from "../words/unseen.js";
import { icon } from "./more-icons.js";

/**
 * Buttons at the ends of a long list of rooms that lead to unread rooms which are out of sight.
 */
const UNREAD = ".room:has(.badge:not(.quiet)), .invitation";

/** @param {HTMLElement} side the sidebar, whose list scrolls */
export function watchUnseen(side) {
  const list = /** @type {HTMLElement} */ (side.querySelector(".side-scroll"));
  const [above, below] = [document.createElement("div"), document.createElement("div")];
  [above.className, below.className] = ["unseen above", "unseen"];
  list.after(above, below);
  let scheduled = false;

  /** @returns {{before: Element[], after: Element[]}} the unread rooms that the list has to be scrolled up or down for */
  function unseen() {
    const { top, bottom } = list.getBoundingClientRect();
    /** @type {{before: Element[], after: Element[]}} */ const found = { before: [], after: [] };
    for (const each of list.querySelectorAll(UNREAD)) {
      const box = each.getBoundingClientRect();
      const middle = (box.top + box.bottom) / 2;
      const covered = each.closest("section")?.querySelector(".side-title")?.clientHeight ?? 0;
      if (middle > bottom) found.after.push(each);
      else if (middle < top + covered) found.before.push(each);
    }
    return found;
  }

  /** @param {HTMLElement} place @param {Element[]} rooms the nearest one first @param {string} label */
  function hint(place, rooms, label) {
    const wanted = rooms.some((each) => each.matches(".invitation") || each.querySelector(".badge.mention"));
    const go = () => rooms[0]?.scrollIntoView({ block: "center" });
    const button = html`<button type="button" class="jump has-new ${wanted ? "wanted" : ""}" aria-label=${label} @click=${go}>${icon("arrow-down")}${words.more}</button>`;
    render(rooms.length ? button : "", place);
  }

  function draw() {
    scheduled = false;
    const { before, after } = unseen();
    hint(above, before.reverse(), words.above);
    hint(below, after, words.below);
  }

  function schedule() {
    if (!scheduled) requestAnimationFrame(draw);
    scheduled = true;
  }

  list.addEventListener("scroll", schedule, { passive: true });
  new ResizeObserver(schedule).observe(list);
  new MutationObserver(schedule).observe(list, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  schedule();
}
