import { byId, el, setText } from "./dom.js";
import { makeLine, updateLine } from "./line.js";

/**
 * The log: keeps its elements equal to the timeline, and the scroll position stable. At its end it follows new messages;
 * anywhere else the visible messages do not move, whatever is added above or below.
 *
 * @typedef {import("../timeline.js").Line} Line
 * @typedef {import("../room.js").Room} Room
 */

const NEAR_END = 48; // px: still "at the end"
const NEAR_TOP = 800; // px: load before the reader gets there
const BULK = 12; // more new lines at once than a user wants to hear

export class LogView {
  #log = byId("log");
  #lines = byId("lines");
  #top = byId("log-top");
  #jump = byId("jump");
  /** @type {Map<string, HTMLElement>} */ #elements = new Map();
  /** @type {Room | null} */ #room = null;
  #quiet = 0;

  /** Whether the log is at its end and follows it. */
  following = true;

  /**
   * @param {{retry: (id: string) => void, discard: (id: string) => void, older: () => void,
   *   onFollow: () => void}} actions
   */
  constructor(actions) {
    this.actions = actions;
    this.#log.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#jump.addEventListener("click", () => {
      this.toEnd();
      this.#log.focus({ preventScroll: true }); // the button disappears
    });
    // When a keyboard appears or the composer grows, a log at its end stays there.
    const keep = new ResizeObserver(() => this.following && this.#scrollToEnd());
    keep.observe(this.#log);
    keep.observe(this.#lines);
  }

  /** @param {Room} room @param {Line[]} lines */
  render(room, lines) {
    const moved = room !== this.#room;
    if (moved) {
      this.#room = room;
      this.#elements.clear();
      this.#lines.replaceChildren();
      this.following = true;
      this.#log.setAttribute("aria-label", `Messages in ${room.name}`);
    }
    const anchor = this.following ? null : this.#anchor(lines);
    this.#reconcile(lines, moved);
    this.#renderTop(room, lines);
    if (this.following) this.#scrollToEnd();
    else if (anchor) this.#log.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    this.#renderJump(room);
    this.#wantOlder();
    if (moved) this.actions.onFollow(); // another room starts at its end: its visible messages count as read
  }

  /** Scroll to the newest message, and follow the end. */
  toEnd() {
    this.following = true;
    this.#scrollToEnd();
    this.actions.onFollow();
  }

  /** Scroll by nearly a page, for the page keys in the composer. @param {number} direction */
  page(direction) {
    this.#log.scrollTop += direction * this.#log.clientHeight * 0.9;
  }

  /** @param {Line[]} lines @param {boolean} moved */
  #reconcile(lines, moved) {
    /** @type {Map<string, HTMLElement>} */
    const next = new Map();
    let made = 0;
    let above = false;
    for (const line of lines) {
      const was = "was" in line ? line.was : "";
      let element = this.#elements.get(line.key) ?? this.#elements.get(was);
      if (!element) {
        element = makeLine(line, this.actions);
        made += 1;
        above ||= line === lines[0] || (line === lines[1] && this.#elements.size > 0);
      }
      this.#elements.delete(was);
      next.set(line.key, element);
    }
    // A page of history must not be announced.
    if (moved || above || made > BULK) this.#hush();
    for (const [key, element] of this.#elements) if (next.get(key) !== element) element.remove();
    let place = this.#lines.firstElementChild;
    for (const line of lines) {
      const element = /** @type {HTMLElement} */ (next.get(line.key));
      updateLine(element, line, this.actions);
      if (element === place) place = place.nextElementSibling;
      else this.#lines.insertBefore(element, place);
    }
    this.#elements = next;
  }

  /** Do not announce the lines that are inserted now. */
  #hush() {
    this.#log.setAttribute("aria-live", "off");
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#log.setAttribute("aria-live", "polite"), 300);
  }

  /** The topmost visible line that is kept. @param {Line[]} lines */
  #anchor(lines) {
    const kept = new Set(lines.map((line) => this.#elements.get(line.key)));
    const edge = this.#log.getBoundingClientRect().top;
    for (const element of this.#lines.children) {
      const box = element.getBoundingClientRect();
      // Not a day's line: the topmost one moves up when older messages of its day are inserted.
      if (box.bottom > edge && kept.has(element) && element.dataset.seq) return { element, top: box.top };
    }
    return null;
  }

  /** @param {Room} room @param {Line[]} lines */
  #renderTop(room, lines) {
    const state = room.older || (room.trouble ? "trouble" : "") || (room.loaded ? (room.hasOlder ? "more" : "start") : "wait");
    const empty = state === "start" && !lines.some((line) => line.kind === "message");
    const key = `${room.name}|${state}|${room.trouble}|${empty}`;
    if (this.#top.dataset.shows === key) return;
    this.#top.dataset.shows = key;
    this.#top.className = `log-top${empty ? " empty" : ""}`;
    const again = () => this.actions.older();
    if (state === "loading" || state === "more") this.#top.replaceChildren("Loading earlier messages…");
    else if (state === "wait") this.#top.replaceChildren("Loading messages…");
    else if (state === "trouble") this.#top.replaceChildren(room.trouble);
    else if (state === "start") this.#top.replaceChildren(...beginning(room.name, empty));
    else {
      const button = el("button", { type: "button", class: "link", click: again }, "Try again");
      this.#top.replaceChildren(`Earlier messages did not load. ${state} `, button);
    }
  }

  /** @param {Room} room */
  #renderJump(room) {
    this.#jump.hidden = this.following;
    const count = room.unread;
    const text = count ? `${count} new message${count === 1 ? "" : "s"}` : "Jump to latest";
    setText(this.#jump.querySelector(".jump-text"), text);
    this.#jump.classList.toggle("has-new", count > 0);
  }

  #onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    const following = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (following !== this.following) {
      this.following = following;
      this.actions.onFollow();
    }
    this.#wantOlder();
  }

  #wantOlder() {
    if (this.#room?.hasOlder && !this.#room.older && this.#log.scrollTop < NEAR_TOP) this.actions.older();
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

/** @param {string} room @param {boolean} empty */
function beginning(room, empty) {
  const name = el("bdi", {}, room);
  if (!empty) return [el("span", {}, "This is the beginning of ", name, ".")];
  return [
    el("strong", {}, "It is quiet in ", name),
    el("span", {}, "Send the first message, or share the link to this room."),
  ];
}
