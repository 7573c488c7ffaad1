import { editKey, newId } from "./content.js";
import { Drafts } from "./drafts.js";
import { Guests } from "./guests.js";
import { Outbox } from "./outbox.js";
import { kindOf } from "./people.js";
import { Settings } from "./settings.js";

/**
 * Everything the page knows. The modules in state/ and actions/ change it and call `changed`; views only read it.
 *
 * @typedef {import("./types.js").User} User
 * @typedef {import("./types.js").Limits} Limits
 * @typedef {import("./room.js").Room} Room
 * @typedef {import("./storage.js").Store} Store
 * @typedef {"name"|"room"|"password"|""} EntryField
 * @typedef {"loading"|"entry"|"chat"|"account"} View
 * @typedef {{registration: "open"|"invite"|"closed", guests: boolean, mail: boolean}} Server
 */

/** What the browser keeps for each person. */
const OF_PERSON = ["drafts", "recent", "entered", "hidden", "marked", "blocked"];

/** Where each tab keeps what it has not sent. */
export const OUTBOX = "outbox:";
/** Where the browser keeps the deletions that can still be undone, by room/seq. */
export const DELETING = "deleting:";

const KEPT_TOASTS = 3;

/** So many conversations that I never opened are listed like others; more of them are one entry. */
const FEW_REQUESTS = 5;

/** The limits until `welcome` sends others. @type {Limits} */
export const DEFAULT_LIMITS = {
  max_frame_bytes: 65536,
  max_content_chars: 4000,
  max_rooms: 100,
  history_limit: 500,
  name_chars: 64,
  edit_window: 60,
};

/** What is open and being done on the page, apart from the text that is typed. */
export class Ui {
  /** @type {View} */ view = "loading";
  /** What the page about accounts is in front of. @type {View} */ back = "loading";
  /** The page about accounts. @type {{name: string, options: any} | null} */ page = null;
  /** The room that the entry page proposes, "" for the one used last. */ proposed = "";
  /** The message to show in that room. @type {number | undefined} */ seq;
  /** The name that a link proposes there, "" if this browser knows no guest yet, or has the one of this name. */ stranger = "";
  /** Whether the sidebar is open, where the page is narrow. */ drawer = false;
  /** @type {""|"people"|"search"|"pins"|"deleted"} */ panel = "";
  /** The user whose card is open. @type {{user: User, room: string} | null} */ profile = null;
  /** @type {({name: string} & Record<string, any>) | null} */ dialog = null;
  /** What is answered, by room. @type {Map<string, import("./types.js").ReplyHead>} */ replyTo = new Map();
  /** What was typed in this tab, by room, where another tab has written another draft since. @type {Map<string, string>} */ apart = new Map();
  /** What is edited in the message box, by room. @type {Map<string, import("./types.js").Edit>} */ editing = new Map();
  /** All edits that are not stored, by room/seq: also those on their way, and those put aside. @type {Map<string, import("./types.js").Edit>} */
  edits = new Map();
  /** @type {import("./types.js").Found | null} */ found = null;
  /** Whether the page is at the end of the room in front, and whether the user looks at it. */
  following = true;
  attentive = false;
  /** Whether the next view opens unasked: the person may be typing, so no field gets the focus. */ unasked = false;

  /** Show a view; a page about accounts stays in front of it. @param {View} view */
  show(view) {
    if (this.view === "account") this.back = view;
    else this.view = view;
  }
}

export class State {
  /** @type {User | null} */ me = null;
  /** My name as typed, until the server has said how it spells it. */ name = "";
  /** The name under which the browser keeps the guest that I am: another one until the server accepts a new name. */ kept = "";
  /** The account, null for a guest. @type {any} */ account = null;
  /** @type {Server} */ server = { registration: "open", guests: true, mail: false };
  limits = DEFAULT_LIMITS;
  /** @type {import("./types.js").Connection} */ connection = { name: "idle" };
  /** Why the connection was closed for good, as a sentence. */ stopped = "";
  /** Whether the server has identified me on this connection, so that rooms may be joined. */ known = false;
  /** @type {Map<string, Room>} */ rooms = new Map();
  /** The name of the room in front, "" for none. */ front = "";
  /** @type {import("./types.js").Invitation[]} */ invitations = [];
  /** The rooms that I have left on this device, and am still a member of. @type {Map<string, import("./types.js").Info>} */ left = new Map();
  /** By how many milliseconds this clock is ahead of the server's, by what has arrived; null if nothing has. @type {number | null} */ ahead = null;
  /** @type {import("./types.js").Announcement[]} */ announcements = [];
  /** @type {import("./types.js").Toast[]} */ toasts = [];
  /** Why entering failed: shown next to that field. @type {{field: EntryField, text: string} | null} */ entryError = null;
  /** Why this page can send nothing any more, and the button that leads on: until then, what is typed stays in its room.
   * @type {{text: string, button: "signIn"|"otherName"|"goOn", run: () => void} | null} */ ended = null;
  /** The users whom I block, by id. @type {Set<string>} */ blocked = new Set();
  /** Names of users, by id, as they were last seen. @type {Map<string, string>} */ names = new Map();
  /** Whether storing a message of mine takes too long. */ late = false;
  outbox = new Outbox();
  ui = new Ui();
  /** My ids as a guest, which the server no longer recognises. @type {Set<string>} */ former = new Set();

  /** @param {{browser: Store, tab: Store, onChange: () => void}} options */
  constructor({ browser, tab, onChange }) {
    this.browser = browser;
    this.tab = tab;
    this.changed = onChange;
    this.settings = new Settings(browser);
    this.drafts = new Drafts(browser);
    this.guests = new Guests(browser);
  }

  /** The room in front. */
  get room() {
    return this.rooms.get(this.front) ?? null;
  }

  /** Whether I am more than a guest: an account of the server or of an application. */
  get proven() {
    return this.me !== null && kindOf(this.me.id) !== "guest";
  }

  /** Whose drafts, outbox and rooms these are: an account, or the guest of this browser with a name. */
  get person() {
    return this.me && this.proven ? this.me.id : `guest:${this.kept}`;
  }

  /** The person is called something else, or a guest has become the account that I am: what the browser keeps for it, too.
   * @param {string} before @param {boolean} [over] whether this goes over what it keeps for me */
  moved(before, over = true) {
    for (const what of OF_PERSON) {
      const [kept, mine] = [before, this.person].map((person) => this.browser.get(`${what}:${person}`));
      if (kept !== null && (over || mine === null)) this.browser.set(`${what}:${this.person}`, kept);
    }
    for (const key of this.#outboxes(before)) this.browser.set(key, { ...this.browser.get(key), person: this.person });
    this.drop(before, false);
    this.drafts.of(this.person);
  }

  /** Remove what the browser keeps for a person. @param {string} person @param {boolean} unsent also what was not sent, in all tabs */
  drop(person, unsent) {
    for (const what of OF_PERSON) this.browser.remove(`${what}:${person}`);
    const deletions = this.browser.keys(DELETING).filter((key) => this.browser.get(key)?.person === person);
    if (unsent) for (const key of [...this.#outboxes(person), ...deletions]) this.browser.remove(key);
  }

  /** How many messages a person has not sent, in all tabs. @param {string} [person] */
  unsent(person = this.person) {
    return this.#outboxes(person).reduce((sum, key) => sum + this.browser.get(key).entries.length, 0);
  }

  /** The outboxes of a person's tabs. @param {string} person */
  #outboxes(person) {
    return this.browser.keys(OUTBOX).filter((key) => this.browser.get(key)?.person === person);
  }

  /** Another person uses the page: nothing of the one before is to be seen. */
  forget() {
    this.rooms.clear();
    this.front = "";
    this.invitations = [];
    this.left.clear();
    this.announcements = [];
    this.blocked.clear();
    const { replyTo, apart, editing, edits } = this.ui;
    for (const each of [replyTo, apart, editing, edits]) each.clear();
    this.ui.found = this.ui.profile = null;
    if (this.ui.panel !== "people") this.ui.panel = ""; // that one shows who is in the room in front
  }

  /** Keep what is written in this tab beside the drafts, for its reload. */
  keepWriting() {
    if (!this.drafts.key) return;
    const { replyTo, apart, editing, edits } = this.ui;
    const all = [...edits.values()].map((edit) => ({ ...edit, open: edit.saving || edit === editing.get(edit.room) }));
    this.tab.set("writing", { person: this.person, replyTo: [...replyTo], apart: [...apart], edits: all });
  }

  /** After a reload. An edit that was on its way is in the message box again: it may not have arrived. */
  loadWriting() {
    const saved = this.tab.get("writing");
    if (saved?.person !== this.person) return;
    const { ui } = this;
    ui.replyTo = new Map(saved.replyTo);
    ui.apart = new Map(saved.apart);
    for (const { open, ...kept } of saved.edits) {
      const edit = { ...kept, saving: false };
      ui.edits.set(editKey(edit.room, edit.id ?? edit.seq), edit);
      if (open) ui.editing.set(edit.room, edit);
    }
  }

  /** @param {string} id */
  isMine(id) {
    return id === this.me?.id || this.former.has(id);
  }

  /** Whether I may write direct messages. */
  get mayWriteDirectly() {
    return this.me !== null && kindOf(this.me.id) !== "claimed";
  }

  /** Whether I am an admin of the server. An application's token does not say so: a room does. */
  get mayOperate() {
    return this.account?.role === "admin" || [...this.rooms.values()].some((room) => room.role === "admin");
  }

  /** How many unread messages of a room want me: mentions, and in a direct room all; none if it is muted. @param {Room} room */
  wantedOf(room) {
    return this.isMuted(room) ? 0 : room.direct ? room.unread : room.mentions;
  }

  /** Whether I have muted a room, more than that rooms do not notify, or block its other user. @param {Room} room */
  isMuted(room) {
    if (room.peer && this.blocked.has(room.peer.id)) return true;
    const levels = this.settings.get("levels");
    return Object.hasOwn(levels, room.name) && levels[room.name] === "none";
  }

  /**
   * Conversations that others began and I never opened, if they are many: anybody may begin some. Together they are one entry and
   * count as one message. They are entered when I open them. @returns {Set<Room>}
   */
  get requests() {
    const found = [...this.rooms.values()].filter((room) => room.unopened && !room.unbegun);
    return new Set(found.length > FEW_REQUESTS ? found : []);
  }

  /** Whether lists have a room: not one that another user has opened without a word. @param {Room} room */
  lists(room) {
    return !room.unbegun || room.name === this.front || this.drafts.get(room.name) !== "";
  }

  /** What is unread in all rooms that are not muted, or in all but one of them. @param {string} [except] */
  totals(except) {
    const { requests } = this;
    let unread = [...requests].some((room) => room.unread) ? 1 : 0;
    let mentions = unread;
    for (const room of this.rooms.values()) {
      if (room.name === except || requests.has(room)) continue;
      if (!this.isMuted(room)) unread += room.unread;
      mentions += this.wantedOf(room);
    }
    return { unread, mentions };
  }

  /** @param {Room} room @returns {import("./types.js").Level} */
  levelOf(room) {
    const levels = this.settings.get("levels");
    if (Object.hasOwn(levels, room.name)) return levels[room.name]; // not every object's own "constructor"
    return room.direct ? "all" : this.settings.get("notify");
  }

  /**
   * Show a notice below the log, and drop the oldest if there are many.
   * @param {import("./types.js").Toast["text"]} text
   * @param {{error?: boolean, key?: string, action?: import("./types.js").Toast["action"]}} [options]
   */
  toast(text, { error = false, key = newId("t-"), action } = {}) {
    const others = this.toasts.filter((toast) => toast.key !== key && (toast.text !== text || action));
    this.toasts = [...others.slice(1 - KEPT_TOASTS), { key, text, error, view: this.ui.view, ...(action ? { action } : {}) }];
    this.changed();
  }

  /** Learn how users are called. @param {User[]} users */
  meet(users) {
    for (const { id, name } of users) this.names.set(id, name);
    while (this.names.size > 5000) this.names.delete(/** @type {string} */ (this.names.keys().next().value));
  }
}
