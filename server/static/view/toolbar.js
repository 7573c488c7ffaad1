import { render } from "../vendor/lit-html/lit-html.js";
import { actions as words } from "../words/actions.js";
import { openWithKeys } from "./ahead.js";
import { loadPicker } from "./composer.js";
import { copy } from "./links.js";
import { messageActions, openSheet } from "./message-actions.js";
import { isLate, offers } from "./offers.js";
import { guardClicks } from "./resting.js";
import { styled } from "./style.js";
import { watchUnseen } from "./unseen.js";

/**
 * What a person can do with a message: a toolbar on hover and focus, a sheet on a long press, and keys. There is one
 * toolbar for the whole log, moved to the message that is looked at: one for each of 10,000 messages would be too much.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("./offers.js").Action} Action
 */

const LONG_PRESS = 500; // ms, as on phones
const HOVERS = matchMedia("(hover: hover)");
const SLOP = 10; // px that a resting finger moves

export class MessageTools {
  #bar = document.createElement("div");
  /** The message that has the toolbar. @type {HTMLElement | null} */ #at = null;
  /** As it was when the toolbar was placed. @type {Message | null} */ #placed = null;
  /** Whether the focus came into the log by the pointer: then keys are text for the message box. */
  #byPointer = false;
  /** Where the mouse was last. */ #pointer = { x: NaN, y: NaN };
  /** @type {{timer: number, x: number, y: number} | null} */ #press = null;

  /**
   * @param {State} state @param {any} act @param {HTMLElement} log
   * @param {{draw: () => void, focus: () => void}} composer
   */
  constructor(state, act, log, composer) {
    this.state = state;
    const side = /** @type {HTMLElement} */ (document.getElementById("sidebar"));
    guardClicks(side);
    styled("unseen").then(() => watchUnseen(side), () => {}); // without it: as where no room is out of sight
    this.act = act;
    this.log = log;
    this.composer = composer;
    this.#bar.className = "tools";
    this.#bar.setAttribute("role", "toolbar");
    this.#bar.addEventListener("keydown", (event) => this.#onBarKey(event));
    log.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#hover(event, event.target));
    log.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#hover(event, this.#byPointer ? null : document.activeElement));
    document.addEventListener("pointermove", (event) => this.#moves(event), { passive: true });
    log.addEventListener("focusin", (event) => this.#show(messageAt(event.target)));
    log.addEventListener("keydown", (event) => this.#onKey(event));
    log.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    // Not the log's own scrolling, as when a message arrives: a finger that scrolls cancels its pointer.
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
      log.addEventListener(end, () => this.#endPress(), { passive: true, capture: true });
    }
    log.addEventListener("pointermove", (event) => this.#onPointerMove(event), { passive: true });
    log.addEventListener("contextmenu", (event) => this.#press && event.preventDefault()); // the sheet opens instead
    if (log.contains(document.activeElement)) this.#show(messageAt(document.activeElement)); // the keyboard was there before this was loaded
  }

  /** Bring the toolbar up to date: the message has changed, or may no longer be edited. */
  draw() {
    if (this.#at) this.#show(this.#at);
    // Under a pointer that rests: what was being sent, or was there before the toolbar.
    if (!this.#at && HOVERS.matches && this.log.matches(":hover")) this.#show(this.log.querySelector(".msg[data-seq]:hover"));
  }

  /** @param {PointerEvent} event @param {EventTarget | null} target */
  #hover(event, target) {
    const rests = !this.#moves(event); // and the log has moved under it
    // While its menu is open it stays where it is, and while the keyboard is in it, until the pointer moves.
    if (!this.#bar.querySelector(rests ? ":focus-visible, [aria-expanded='true']" : "[aria-expanded='true']")) this.#show(messageAt(target));
  }

  /** @param {PointerEvent} event @returns {boolean} whether the pointer is elsewhere than before */
  #moves({ screenX, screenY }) {
    const { x, y } = this.#pointer;
    this.#pointer = { x: screenX, y: screenY };
    return x !== screenX || y !== screenY;
  }

  /** @param {HTMLElement | null} element */
  #show(element) {
    const message = this.#messageOf(element);
    const room = this.state.room;
    // The focus stays with the message for which the toolbar was used.
    if (element !== this.#at && this.#bar.contains(document.activeElement)) this.#at?.focus({ preventScroll: true });
    if (!element || !message || !room) {
      this.#bar.remove();
      this.#at = this.#placed = null;
      return;
    }
    if (this.#bar.parentElement !== element) element.append(this.#bar);
    this.act.ui.load(loadPicker, { asked: false }); // so that no key after + is typed before it is there
    this.#at = element;
    this.#bar.setAttribute("aria-label", words.label(message.sender));
    render(messageActions(message, this.state, this.act, (action, anchor) => this.#run(message, room.name, action, anchor)), this.#bar);
    if (this.#placed !== message) this.#place(element);
    this.#placed = message;
    const buttons = this.#buttons;
    if (!buttons.some((button) => button.tabIndex === 0) && buttons[0]) buttons[0].tabIndex = 0;
  }

  /** Over the upper edge of the message, where its name is; beside that edge if its text would be covered there. @param {HTMLElement} element */
  #place(element) {
    const bar = this.#bar;
    bar.className = "tools";
    const text = element.querySelector(".text");
    if (!text) return;
    const { top, bottom, left, right, height } = bar.getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(text);
    const covers = [...range.getClientRects()].some((line) => line.top < bottom && line.bottom > top && line.left < right && line.right > left);
    const space = element.getBoundingClientRect().top - this.log.getBoundingClientRect().top;
    if (covers) bar.classList.add(space < height ? "below" : "above");
  }

  get #buttons() {
    return [...this.#bar.querySelectorAll("button")];
  }

  /** @param {HTMLElement | null} element @returns {Message | undefined} */
  #messageOf(element) {
    const message = element?.isConnected ? this.state.room?.message(Number(element.dataset.seq)) : undefined;
    const gone = !message || message.deleted_at || this.act.messages.isDeleting(message.room, message.seq);
    return gone ? undefined : message;
  }

  // --- actions -------------------------------------------------------------------------------------------------------

  /**
   * @param {Message} message @param {string} room by name: the one in front may be another when an answer comes
   * @param {Action} action @param {HTMLElement} anchor
   */
  #run(message, room, action, anchor) {
    const { act } = this;
    const { seq, sender, pinned_at } = message;
    /** @type {Record<Action, () => unknown>} */
    const does = {
      react: () => this.#pickReaction(room, seq, anchor),
      reply: () => this.#write(() => act.writing.reply(room, seq)),
      edit: () => this.#write(() => act.writing.edit(room, seq)),
      pin: () => act.messages.pin(room, seq, !pinned_at),
      copyText: () => this.#copy(message.content, words.textCopied),
      copyLink: () => this.#copy(act.messages.link(room, seq), words.linkCopied),
      markUnread: () => act.messages.markUnread(room, seq),
      seenBy: () => act.ui.dialog("seen", { room, seq }),
      report: () => act.ui.dialog("report", { room, seq, sender }),
      remove: () => act.messages.remove(room, seq),
    };
    does[action]();
  }

  /** Go on in the message box. @param {() => void} begin */
  #write(begin) {
    begin();
    this.composer.draw(); // now: the next key belongs there
    this.composer.focus();
    if (!this.log.matches(":hover")) this.#show(null);
  }

  /** @param {string} text @param {string} said */
  async #copy(text, said) {
    const done = await copy(text);
    this.act.ui.toast(done ? said : words.notCopied, { error: !done });
  }

  /** @param {string} room @param {number} seq @param {HTMLElement} anchor */
  #pickReaction(room, seq, anchor) {
    const pick = (/** @type {string} */ emoji) => this.act.messages.react(room, seq, emoji, true);
    openWithKeys(this.act, loadPicker, (picker) => picker.openEmojiPicker(anchor, this.state, this.act, { pick }));
  }

  /** @param {HTMLElement} element */
  #openSheet(element) {
    const [message, room] = [this.#messageOf(element), this.state.room];
    if (!message || !room) return;
    const run = (/** @type {Action} */ action, /** @type {HTMLElement} */ anchor) => this.#run(message, room.name, action, anchor);
    openSheet(element, message, this.state, this.act, run);
  }

  // --- keys ----------------------------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (["Tab", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) this.#byPointer = false;
    const element = /** @type {HTMLElement} */ (event.target);
    if (!element.matches?.(".msg[data-seq]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const [message, room] = [this.#messageOf(element), this.state.room];
    if (!message || !room) return;
    const menu = event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey);
    if (menu || event.key === "Enter") {
      event.preventDefault();
      this.#show(element);
      const button = menu ? this.#buttons.at(-1) : this.#buttons[0];
      button?.focus();
      if (menu) button?.click();
      return;
    }
    if (this.#byPointer) return;
    /** @type {Record<string, Action>} */
    const keys = { r: "reply", e: "edit", "+": "react", Delete: "remove" };
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    const may = offers(message, this.state, room, Date.now());
    if (action === "edit" && isLate(may, message, this.state)) this.act.ui.toast(words.editEnded(this.state.limits.edit_window));
    if (!may.has(action)) return;
    event.preventDefault();
    this.#show(element);
    this.#run(message, room.name, action, element);
  }

  /** @param {KeyboardEvent} event */
  #onBarKey(event) {
    const all = this.#buttons;
    const at = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const rtl = getComputedStyle(this.#bar).direction === "rtl" ? -1 : 1;
    const step = { ArrowRight: at + rtl, ArrowLeft: at - rtl, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") this.#at?.focus({ preventScroll: true });
    else if (step !== undefined) {
      for (const button of all) button.tabIndex = -1;
      const next = /** @type {HTMLButtonElement} */ (all.at(step % all.length));
      next.tabIndex = 0;
      next.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- touch ---------------------------------------------------------------------------------------------------------

  /** @param {PointerEvent} event */
  #onPointerDown(event) {
    this.#byPointer = true;
    const element = messageAt(event.target);
    const on = /** @type {Element} */ (event.target);
    if (event.pointerType === "mouse" || !element || on.closest("a, button, summary, .tools")) return;
    this.#endPress();
    const timer = setTimeout(() => {
      navigator.vibrate?.(10);
      getSelection()?.removeAllRanges();
      this.#openSheet(element);
    }, LONG_PRESS);
    this.#press = { timer, x: event.clientX, y: event.clientY };
  }

  /** @param {PointerEvent} event */
  #onPointerMove({ clientX, clientY }) {
    if (this.#press && Math.hypot(clientX - this.#press.x, clientY - this.#press.y) > SLOP) this.#endPress();
  }

  #endPress() {
    clearTimeout(this.#press?.timer);
    this.#press = null;
  }
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
function messageAt(target) {
  return target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(".msg[data-seq]")) : null;
}
