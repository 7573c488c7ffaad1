import { timeline } from "../../state/timeline.js";
import { isBlocked } from "../../state/unread.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { html, render } from "../../vendor/lit-html/lit-html.js";
import { words } from "../../words.js";
import { looks, namesakes } from "../names.js";
import { useClock } from "../time.js";
import { Announcer } from "./announcer.js";
import { counts } from "./delivery.js";
import { bottom, jumps, top } from "./edges.js";
import { drawLine } from "./line.js";
import { keyOf } from "./message.js";
import { Scroll } from "./scroll.js";
import { Slice } from "./slice.js";
import { Walk } from "./walk.js";

/**
 * The log of the room in front. At its end it follows new messages; anywhere else what is read does not move, whatever
 * is added above or below, and however the window changes.
 *
 * @typedef {import("../../state/room.js").Room} Room
 * @typedef {import("../../state/timeline.js").Line} Line
 * @typedef {import("../../state/timeline.js").MessageLine} MessageLine
 */

const NEAR = 600; // px: draw and load more before the reader gets there
const UNREAD_TOP = 0.25; // of the height: where the line above the unread messages is put
const SHOWN = 2500; // ms that a message which was jumped to is marked

export class LogView {
  /** @type {Room | null} */ #room = null;
  /** The messages that are drawn are of this window; another one begins anew. @type {unknown} */ #window = null;
  /** @type {Line[]} */ #lines = [];
  /** @type {Map<string, MessageLine>} */ #byKey = new Map();
  /** The seq of the newest message in `lines`. */ #last = 0;
  #slice = new Slice();
  /** The width for which it was scrolled. */ #width = 0;
  /** What is read. @type {ReturnType<Scroll["places"]>} */ #places = [];
  /** Keys of long messages that are unfolded, and of messages of blocked users that are shown. @type {Set<string>} */
  #opened = new Set();
  /** @type {number | null} */ #target = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #targetTimer;
  /** The first unread message, once it was in sight. @type {number | null} */ #seen = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #tick;
  /** @type {Map<string, string>} */ #authors = new Map();
  /** @type {Map<string, string>} */ #alike = new Map();
  /** For what the namesakes were found. @type {unknown[]} */ #compared = [];

  /**
   * @param {HTMLElement} frame an empty element, which the log fills
   * @param {any} state @param {any} act
   */
  constructor(frame, state, act) {
    this.state = state;
    this.act = act;
    render(html`<div id="log" class="log" role="log" aria-live="off" tabindex="-1"><div id="log-top"
      class="log-top"></div><div id="lines" class="lines" role="list"></div><div id="log-bottom" class="log-bottom"></div></div>
      <div id="jumps" class="jumps"></div><div id="heard" class="sr" aria-live="polite"></div>`, frame);
    const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (frame.querySelector(`#${id}`));
    this.box = at("log");
    this.top = at("log-top");
    this.lines = at("lines");
    this.bottom = at("log-bottom");
    this.jumps = at("jumps");
    this.scroll = new Scroll(this.box, this.lines);
    this.walk = new Walk(this.lines);
    this.announcer = new Announcer(at("heard"));
    this.box.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    // Another width or a keyboard on the screen: what was read stays, as does the end.
    const resized = new ResizeObserver(() => this.#hold());
    resized.observe(this.box);
    resized.observe(this.lines);
  }

  /** Draw the room in front. */
  draw() {
    const { room } = this.state;
    if (room !== this.#room) this.#leave();
    if (!room) return;
    useClock(this.state.settings.get("clock"));
    const fresh = room !== this.#room || room.messages !== this.#window;
    const focused = this.walk.focused;
    this.#holdWidth();
    const places = fresh ? [] : this.scroll.places();
    this.#room = room;
    this.#window = room.messages;
    this.#lines = this.#timeline(room);
    const wanted = this.#wanted(room, fresh);
    if (wanted) this.#slice.reset(wanted.seq);
    else if (fresh) this.#slice.reset(null);
    this.#render(room);
    if (wanted) this.#goTo(room, wanted);
    else if (this.state.ui.following) this.scroll.toEnd();
    else if (fresh) this.scroll.toEnd();
    else this.scroll.keep(places);
    if (room.hasNewer) this.#look(); // the end may have gone without scrolling
    this.walk.settle(focused, this.state.ui.following);
    this.announcer.tell(room, this.#lines);
    this.#settle();
    // What has arrived is read now that it was drawn, and not before: the reader may have begun to scroll meanwhile.
    if (this.state.ui.following) this.act.reading.look(true);
  }

  /** Scroll to the newest message, and follow the end. */
  toEnd() {
    if (!this.#room) return;
    this.act.reading.toPresent(this.#room.name);
    if (this.#room.hasNewer || !this.#room.loaded) return;
    this.draw();
    this.scroll.toEnd();
  }

  /** Scroll by nearly a page, for the page keys in the composer. @param {number} direction */
  page(direction) {
    this.box.scrollTop += direction * this.box.clientHeight * 0.9;
  }

  // --- drawing -------------------------------------------------------------------------------------------------------

  /** @param {Room} room */
  #timeline(room) {
    const { state } = this;
    const hides = (/** @type {import("../../state/types.js").Message} */ message) => {
      const { seq } = message;
      if (this.act.messages.isDeleting(room.name, seq) || state.outbox.withdrawal(message)) return "deleted";
      return isBlocked(state, message) && !this.#opened.has(`seq:${seq}`) ? "blocked" : "";
    };
    const shown = room.loaded ? room : { messages: room.preview, notices: room.notices, firstUnread: null };
    const lines = timeline(shown, state.outbox.of(room.name), (id) => state.isMine(id), hides);
    this.#last = room.last;
    // An author may look like somebody who is here, or known, and has not written.
    const people = [room.presence.members, room.members];
    const compared = [looks.of, room, ...people.map(({ size }) => size)];
    let other = compared.some((each, i) => each !== this.#compared[i]);
    this.#byKey.clear();
    for (const line of lines) {
      if (line.kind !== "message") continue;
      this.#byKey.set(keyOf(line), line);
      if (this.#authors.get(line.author) === line.name) continue;
      this.#authors.set(line.author, line.name);
      other = true;
    }
    if (other) {
      const authors = [...this.#authors].map(([id, name]) => ({ id, name }));
      this.#compared = compared;
      this.#alike = namesakes([...authors, ...people.flatMap((each) => [...each.values()])]);
    }
    return lines;
  }

  /** @param {Room} room */
  #render(room) {
    const { state, act } = this;
    this.#slice.fill(this.box.clientHeight + 2 * NEAR);
    const lines = this.#slice.take(this.#lines, state.ui.following);
    const now = Date.now();
    const context = {
      state, act, room, now, target: this.#target, opened: this.#opened, alike: this.#alike,
      toggle: (/** @type {string} */ key) => this.#toggle(key),
    };
    const empty = !this.#lines.some((line) => line.kind === "message");
    this.box.setAttribute("aria-label", words.log.label(room.title));
    this.box.setAttribute("aria-busy", String(!room.loaded));
    this.box.tabIndex = empty ? 0 : -1; // without a message there is nothing else to focus
    const hidden = this.#hidden(room);
    render(top(room, { above: this.#slice.above, hidden, empty, act }), this.top);
    render(repeat(lines, (line) => (line.kind === "message" ? keyOf(line) : line.key), (line) => drawLine(line, context)), this.lines);
    render(bottom(room, { below: this.#slice.below, hidden, act }), this.bottom);
    clearTimeout(this.#tick);
    // Countdowns of what waits.
    if (lines.some((line) => line.kind === "message" && counts(line))) this.#tick = setTimeout(() => this.draw(), 1000);
  }

  /** After something was drawn or scrolled. */
  #settle() {
    const room = /** @type {Room} */ (this.#room);
    this.#places = this.scroll.places();
    this.#more(room);
    this.#drawJumps(room);
  }

  /** @param {Room} room */
  #drawJumps(room) {
    const { following } = this.state.ui;
    const line = this.lines.querySelector(".unread-line");
    const at = line && line.getBoundingClientRect().top - this.scroll.top;
    if (at !== null && at >= 0 && at < this.box.clientHeight) this.#seen = room.firstUnread;
    const first = room.firstUnread;
    const above = first !== null && first !== this.#seen && (at === null ? first < (this.#places[0]?.seq ?? 0) : at < 0);
    render(jumps(room, { following, unreadAbove: above, act: this.act, toEnd: () => this.#jumpToEnd() }), this.jumps);
  }

  #jumpToEnd() {
    this.toEnd();
    // The button disappears: the focus goes on from the newest message.
    /** @type {HTMLElement} */ (this.lines.querySelector("[tabindex='0']") ?? this.box).focus({ preventScroll: true });
  }

  // --- places --------------------------------------------------------------------------------------------------------

  /**
   * Where to go now: to a message that was asked for, to where this room was left, or to the first unread message.
   * @param {Room} room @param {boolean} fresh @returns {{seq: number, top: number|null, mark: boolean} | null} `top`: null
   *   for a quarter of the height
   */
  #wanted(room, fresh) {
    if (!room.loaded || !room.messages.length) return null;
    if (room.target !== null) return { seq: room.target, top: null, mark: true };
    if (!fresh || this.state.ui.following) return null;
    if (room.place) return { ...room.place, mark: false };
    return room.firstUnread === null ? null : { seq: room.firstUnread, top: null, mark: false };
  }

  /** @param {Room} room @param {{seq: number, top: number|null, mark: boolean}} wanted */
  #goTo(room, { seq, top: wantedTop, mark }) {
    const element = this.scroll.find(seq);
    if (room.target !== null) this.act.reading.arrivedAt(room.name);
    if (!element) return this.scroll.toEnd();
    this.scroll.put(element, wantedTop ?? this.box.clientHeight * UNREAD_TOP);
    this.#look(); // before it is drawn again: who follows the end would be shown that
    if (mark) this.#mark(seq);
    if (mark && this.lines.contains(document.activeElement)) element.focus({ preventScroll: true });
  }

  /** Mark a message for a moment. @param {number} seq */
  #mark(seq) {
    this.#target = seq;
    clearTimeout(this.#targetTimer);
    this.#targetTimer = setTimeout(() => {
      this.#target = null;
      this.draw();
    }, SHOWN);
    this.#render(/** @type {Room} */ (this.#room));
  }

  /** Another room comes in front: remember where this one was read. */
  #leave() {
    const room = this.#room;
    if (!room) return;
    const place = this.#places.find(({ seq }) => seq !== null);
    if (room.loaded) this.act.reading.keepPlace(room.name, !this.#atEnd && place ? { seq: place.seq, top: place.top } : null);
    this.#room = null;
    this.#authors.clear();
    this.#opened.clear();
    this.#seen = null;
  }

  /** Whether the newest message is in sight. */
  get #atEnd() {
    return this.scroll.atEnd && !this.#slice.below && !this.#room?.hasNewer;
  }

  #look() {
    const following = this.#atEnd;
    if (following === this.state.ui.following) return;
    // What has just arrived is below this, and not drawn yet.
    if (!following || this.#room?.last === this.#last) this.act.reading.look(following);
  }

  #onScroll() {
    if (!this.#room) return;
    this.#holdWidth();
    this.#look();
    this.#settle();
  }

  /** Draw or load more where the reader comes near an edge. @param {Room} room */
  #more(room) {
    if (!room.loaded || !this.box.clientHeight) return;
    const { above, below } = this.scroll.room;
    const places = this.#places;
    if (above < NEAR && this.#slice.up()) this.#redraw(room, places);
    else if (below < NEAR && this.#slice.down()) this.#redraw(room, places);
    if (this.#hidden(room)) return;
    if (above < NEAR && !this.#slice.above && room.hasOlder && !room.older) this.act.reading.older(room.name);
    if (below < NEAR && !this.#slice.below && room.hasNewer && !room.newer) this.act.reading.newer(room.name);
  }

  /**
   * Whether hardly anything of a whole window is shown, because its authors are blocked. Both ends are near then, and pages
   * that are loaded at one would push out those at the other, without end. @param {Room} room
   */
  #hidden(room) {
    return room.full && !this.#slice.above && !this.#slice.below;
  }

  /** @param {Room} room @param {ReturnType<Scroll["places"]>} places */
  #redraw(room, places) {
    const { focused } = this.walk;
    this.#render(room);
    this.scroll.keep(places);
    this.walk.settle(focused, this.state.ui.following);
    this.#places = this.scroll.places();
  }

  /** Something has changed its size: what was read stays. */
  #hold() {
    this.#width = this.box.clientWidth;
    if (!this.#room) return;
    if (this.state.ui.following) this.scroll.toEnd();
    else this.scroll.keep(this.#places);
  }

  /** A drawing or a scroll event may come between a new width and its observer. */
  #holdWidth() {
    if (this.box.clientWidth !== this.#width) this.#hold();
  }

  // --- single messages -----------------------------------------------------------------------------------------------

  /** The line of this key, if it is drawn. @param {string} key */
  lineOf(key) {
    return this.#byKey.get(key);
  }

  /** Unfold or fold a long message, or show those of a blocked user. @param {string} key */
  #toggle(key) {
    const hidden = this.#lines.find((line) => line.key === key && line.kind === "blocked");
    const keys = hidden && "seqs" in hidden ? hidden.seqs.map((seq) => `seq:${seq}`) : [key];
    const closes = this.#opened.has(key);
    for (const each of keys) if (closes) this.#opened.delete(each);
      else this.#opened.add(each);
    // What was opened is read from its beginning: the end is not followed.
    if (!closes && this.state.ui.following) this.act.reading.look(false);
    const element = this.lines.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const place = element ? this.scroll.placeOf(element) : 0;
    this.draw();
    if (!element?.isConnected) return;
    this.scroll.put(element, place);
    if (closes) element.scrollIntoView({ block: "nearest" });
  }
}
