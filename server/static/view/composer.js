import { Refused } from "../net/api.js";
import { NotLoaded, onDemand } from "../net/ondemand.js";
import { steady } from "../net/steady.js";
import { cleanContent, countChars } from "../state/content.js";
import { render } from "../vendor/lit-html/lit-html.js";
import { composer as words } from "../words/composer.js";
import { openWithKeys } from "./ahead.js";
import { MessageBox } from "./box.js";
import { composerView, hindrance, nextChange, slowUntil } from "./composer-view.js";
import { isPicture, refuseDrops } from "./files.js";
import { styled } from "./style.js";

/** The picker of emoji, with its style sheet. */
export const loadPicker = async () => (await Promise.all([import("./emoji-picker.js"), styled("emoji")]))[0];
const SIGNS = /[@#:：/]/; // what can be completed begins with one of these

/**
 * Where messages are written. What is typed belongs to the room in which it was typed, by name: it stays there as a draft
 * and is never sent to another, whatever comes to the front meanwhile.
 *
 * @typedef {import("../state/state.js").State} State
 */
export class Composer {
  #root;
  /** @type {WeakMap<import("../state/room.js").Room, MessageBox>} */ #boxes = new WeakMap();
  /** The box on the page. @type {MessageBox | null} */ #box = null;
  /** @type {import("./completion.js").Completion | null} */ #completion = null;
  #timer = 0;
  /** What the buttons do. */
  #does = {
    cancel: (/** @type {MessageBox} */ box) => {
      this.#cancel(box);
      this.focus();
    },
    emoji: (/** @type {MessageBox} */ box, /** @type {HTMLElement} */ anchor) => this.#pickEmoji(box, anchor),
  };

  /**
   * @param {HTMLElement} frame an empty element, which the composer fills
   * @param {State} state @param {any} act
   * @param {{page: (direction: number) => void, toEnd: () => void}} log scrolls by a page, and to the newest message
   */
  constructor(frame, state, act, log) {
    this.#root = document.createElement("form");
    Object.assign(this.#root, { id: "composer", className: "composer", noValidate: true });
    frame.append(this.#root);
    this.state = state;
    this.act = act;
    this.log = log;
    this.#root.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#box) this.#submit(this.#box);
    });
    document.addEventListener("keydown", (event) => this.#onKeyElsewhere(event));
    refuseDrops(() => {
      if (this.#box && this.#open) this.#refuse(this.#box, words.noFiles);
      else act.ui.toast(words.noFiles, { error: true });
    });
  }

  draw() {
    clearTimeout(this.#timer);
    const room = this.state.room;
    if (!room) return;
    const had = this.#root.contains(document.activeElement);
    const box = this.#boxOf(room);
    if (box !== this.#box) {
      this.#completion?.close();
      /** @type {HTMLElement | null} */ (document.querySelector("#emoji-picker"))?.hidePopover();
      this.#box?.input.blur(); // an input method finishes in the room where it began
      this.#box = box;
    }
    for (const each of this.state.rooms.values()) this.#sync(this.#boxes.get(each));
    const now = steady();
    if (box.error === words.slowWait && slowUntil(room) <= now) box.error = "";
    const why = hindrance(this.state, room, now);
    render(composerView(this.state, this.act, room, box, why, now, this.#does), this.#root);
    if (had) this.#refocus();
    const next = nextChange(room, why, now);
    if (Number.isFinite(next)) this.#timer = setTimeout(() => this.draw(), next - now + 5);
  }

  focus() {
    if (this.#open) this.#box?.input.focus({ preventScroll: true });
  }

  /** Whether one can write now. */
  get #open() {
    return this.#box !== null && this.#box.input.offsetParent !== null;
  }

  // --- drawing -------------------------------------------------------------------------------------------------------

  /** The focus was in the composer: it stays there. Never on a button: keys that are under way must not press it. */
  #refocus() {
    const focused = document.activeElement;
    if (!this.#root.contains(focused) || !focused?.getClientRects().length) this.#land();
  }

  /** Lead the focus to the box, or to why one cannot write. */
  #land() {
    const notice = /** @type {HTMLElement | null} */ (this.#root.querySelector(".composer-notice:not([hidden])"));
    if (notice) notice.focus();
    else this.focus();
  }

  // --- the boxes -----------------------------------------------------------------------------------------------------

  /** @param {import("../state/room.js").Room} room */
  #boxOf(room) {
    const known = this.#boxes.get(room);
    if (known) return known;
    const box = new MessageBox(room);
    this.#boxes.set(room, box);
    box.saved = this.state.drafts.get(room.name);
    box.own = this.state.ui.apart.get(room.name) ?? "";
    box.show(box.own || box.saved);
    box.input.addEventListener("keydown", (event) => this.#onKey(box, event));
    box.input.addEventListener("input", (event) => this.#onInput(box, /** @type {InputEvent} */ (event).inputType));
    box.input.addEventListener("paste", (event) => {
      if (!isPicture(event)) return;
      event.preventDefault();
      this.#refuse(box, words.noFiles);
    });
    box.input.addEventListener("focus", () => {
      if (!box.own || box.editing !== null || this.state.drafts.get(box.room)) return;
      box.saved = box.own; // another tab has sent its text: what was typed here is the draft again
      this.act.writing.draft(box.room, box.own);
    });
    box.input.addEventListener("blur", () => this.#completion?.close());
    return box;
  }

  /** Take over what has changed elsewhere: an edit begins or ends, the draft was sent back or written by another tab.
   * @param {MessageBox} [box] */
  #sync(box) {
    if (!box) return;
    const edited = this.state.ui.editing.get(box.room);
    const draft = this.state.drafts.get(box.room);
    if (edited && edited !== box.editing) {
      box.editing = edited;
      box.error = edited.error;
      box.show(edited.text);
      if (edited.id) queueMicrotask(() => this.focus()); // once it is drawn
    } else if (!edited && (box.editing !== null || (draft !== box.saved && !box.composing))) {
      // What was typed here is not lost because another text was written, and perhaps sent, in another tab.
      const stays = box.text === box.own && !draft.includes(box.own) && (draft || box.saved !== box.own);
      if (box.editing === null) this.act.writing.keepApart(box.room, stays ? box.own : "");
      box.editing = null;
      box.saved = draft;
      box.error = "";
      box.own = this.state.ui.apart.get(box.room) ?? "";
      box.show(box.own || draft);
    }
  }

  /** @param {MessageBox} box @param {string} how see InputEvent.inputType */
  #onInput(box, how) {
    box.error = "";
    const { room, text } = box;
    if (box.editing === null) {
      box.saved = box.own = text;
      this.act.writing.draft(room, text);
      if (text.trim() && !text.startsWith("/")) this.act.writing.typing(room);
    } else this.act.writing.changeEdit(room, text);
    this.draw();
    this.#complete(box, how);
  }

  /** @param {MessageBox} box @param {string} error */
  #refuse(box, error) {
    box.error = error;
    this.draw();
    if (box === this.#box) this.focus();
  }

  // --- keys ----------------------------------------------------------------------------------------------------------

  /** @param {MessageBox} box @param {KeyboardEvent} event */
  #onKey(box, event) {
    // While an input method composes, Enter chooses a word; Safari reveals that only in the key code.
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#completion?.onKey(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.altKey) return this.#onEnter(box, event);
    const plain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
    if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      this.log.page(event.key === "PageUp" ? -1 : 1);
    } else if (event.key === "ArrowUp" && plain && !box.text && box.editing === null) {
      event.preventDefault();
      this.act.writing.editLast(box.room);
      this.draw(); // now: the next key belongs to the edit
    } else if (event.key === "Escape" && (box.editing !== null || this.state.ui.replyTo.has(box.room))) {
      event.preventDefault();
      this.#cancel(box);
    }
  }

  /** The edit, or the reply. @param {MessageBox} box */
  #cancel(box) {
    if (box.editing !== null) this.act.writing.cancelEdit(box.room);
    else this.act.writing.reply(box.room, null);
  }

  /** @param {MessageBox} box @param {KeyboardEvent} event */
  #onEnter(box, event) {
    const lines = this.state.settings.get("enter") === "line";
    const sends = event.ctrlKey || event.metaKey || event.shiftKey === lines;
    if (!sends) {
      if (event.shiftKey) this.act.settings.set("knowsEnter", true);
      return;
    }
    event.preventDefault();
    this.#submit(box);
  }

  /** Type into the message box if no other control has the focus. @param {KeyboardEvent} event */
  #onKeyElsewhere(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const on = /** @type {HTMLElement} */ (event.target);
    const idle = on === document.body || (on.closest("#log") && !on.closest("a, button, input, summary, [role='toolbar'], [role='menu']"));
    if (idle && event.key.length === 1 && !" ?".includes(event.key) && this.#open) this.focus();
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** @param {MessageBox} box */
  async #submit(box) {
    const text = cleanContent(box.text);
    const max = this.state.limits.max_content_chars;
    const over = countChars(text) - max;
    if (!text.trim() || box.busy) return this.focus();
    if (over > 0) return this.#refuse(box, words.tooLong(over, max));
    if (box.editing !== null) {
      this.act.writing.saveEdit(box.room);
      this.draw(); // now: the next key belongs to the draft
      return this.focus();
    }
    if (/^\/\p{L}+(?=\s|$)/u.test(text)) {
      return this.#attempt(box, async () => {
        const { runCommand } = await onDemand(() => import("./commands.js"));
        const rest = await runCommand(this.state, this.act, box.room, text);
        if (cleanContent(box.text) === text) this.#empty(box);
        if (rest && box === this.#box && !box.text) box.insert(rest);
      });
    }
    const room = this.state.rooms.get(box.room);
    if (room && slowUntil(room) > steady()) return this.#refuse(box, words.slowWait);
    const sent = text.replace(/^\/\//, "/");
    if (this.act.writing.post(box.room, this.#completion?.sent(sent) ?? sent) === false) return this.focus();
    this.#empty(box);
    this.log.toEnd();
  }

  /** @param {MessageBox} box */
  #empty(box) {
    box.show("");
    box.saved = box.own = box.error = "";
    this.act.writing.draft(box.room, "");
    this.draw();
    if (box === this.#box) this.focus();
  }

  /** Ask the server, and say next to the text why it refuses. @param {MessageBox} box @param {() => Promise<void>} ask */
  async #attempt(box, ask) {
    box.busy = true;
    box.error = "";
    try {
      await ask();
    } catch (error) {
      if (!(error instanceof Refused || error instanceof NotLoaded)) throw error;
      box.error = error.message;
    } finally {
      box.busy = false;
      this.draw();
      if (box === this.#box) this.focus();
    }
  }

  // --- emoji, completion ---------------------------------------------------------------------------------------------

  /** @param {MessageBox} box @param {HTMLElement} anchor */
  #pickEmoji(box, anchor) {
    const options = { pick: (/** @type {string} */ emoji) => box.insert(emoji), closed: () => this.#land() }; // the room may be closed by then
    openWithKeys(this.act, loadPicker, (picker) => picker.openEmojiPicker(anchor, this.state, this.act, options));
  }

  /** @param {MessageBox} box @param {string} how */
  async #complete(box, how) {
    if (!this.#completion && !SIGNS.test(box.text)) return;
    if (!this.#completion) {
      const loaded = await this.act.ui.load(() => import("./completion.js"), { asked: false });
      if (!loaded) return; // at the next key
      this.#completion ??= new loaded.Completion(this.state, this.act, this.#root);
    }
    if (box === this.#box) this.#completion?.update(box, how === "insertText");
  }
}
