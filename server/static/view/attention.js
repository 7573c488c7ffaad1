import { shownName } from "../state/people.js";
import { words as page } from "../words.js";
import { attention as words } from "../words/attention.js";
import { twins } from "./names.js";

/**
 * Tells a person who does not look at a room what is new there: by a notification of the desktop, and a sound, as they
 * have chosen. The module that does so is loaded when it is needed.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("../state/types.js").Invitation} Invitation
 * @typedef {{key: string, title: string, text: string, room: string, seq: number | null, again?: boolean}} Notice `key`: one of a room at a
 *   time; `again`: it takes the place of one that was told, quietly
 */

/** A message waits this long for another tab in which I see it, and for the ones after it. In milliseconds. */
const PAUSE = 400;
/** The key of the one notification of invitations. */
const INVITED = "/invitations";

export class Attention {
  /** The newest message of each room that is to be told. @type {Map<string, Message>} */ #waiting = new Map();
  /** What is shown. @type {Map<string, Notice>} */ #shown = new Map();
  #unlocking = false;

  /** @param {State} state @param {any} act */
  constructor(state, act) {
    this.state = state;
    this.act = act;
    navigator.serviceWorker?.addEventListener("message", ({ data }) => data?.type === "notice" && this.#open(data.room, data.seq));
  }

  /** A message of another user has arrived. @param {Room} room @param {Message} message @param {boolean} mention */
  onMessage(room, message, mention) {
    const { attention } = this.act;
    if (!this.#wanted || !attention.isWorth(room, message, mention)) return;
    if (attention.isLookedAt(room)) {
      attention.take(`${room.name}/${message.seq}`); // I see it in this tab: the others say nothing
      return;
    }
    const waits = this.#waiting.has(room.name);
    this.#waiting.set(room.name, message);
    if (!waits) setTimeout(() => this.#tell(room.name), PAUSE);
  }

  /** Somebody invites me. @param {Invitation} invitation */
  async onInvited({ room, info, by }) {
    const { settings, ui, invitations } = this.state;
    if (!this.#wanted || ui.attentive || settings.get("notify") === "none") return;
    if (!(await this.act.attention.take(`${room}/invitation`))) return;
    const again = this.#shown.has(INVITED); // anybody may invite me, to any number of rooms
    const title = again ? words.invitations(invitations.length) : words.invitation(both(info.title ?? "", room));
    this.#show({ key: INVITED, title, text: words.invitedBy(shownName(by)), room, seq: null, again });
  }

  /** After each change: what was read elsewhere, deleted or answered needs no notification any more. */
  draw() {
    const { desktop, sound } = this.state.settings.values;
    if (desktop || sound) this.#load();
    if (sound) this.#unlock();
    for (const { key, room, seq } of this.#shown.values()) {
      const open = seq === null ? this.state.invitations.length > 0 : this.act.attention.isUnread(room, seq);
      if (open) continue;
      this.#shown.delete(key);
      this.#load().then((loaded) => loaded?.hide(key));
    }
  }

  /** The person has signed out: what was shown is not for the next one. */
  async end() {
    for (const { key } of this.#shown.values()) (await this.#load())?.hide(key);
  }

  get #wanted() {
    const { desktop, sound } = this.state.settings.values;
    return desktop || sound;
  }

  /** @returns {Promise<typeof import("./notify.js") | null>} */
  #load() {
    return this.act.ui.load(() => import("./notify.js"), { asked: false });
  }

  /** Have the sound ready after the next thing that the user does in the page. */
  #unlock() {
    if (this.#unlocking) return;
    this.#unlocking = true;
    const gestures = ["pointerup", "keydown"];
    const done = async () => {
      for (const each of gestures) removeEventListener(each, done, true);
      const loaded = await this.#load();
      loaded?.unlock();
      this.#unlocking = Boolean(loaded); // or else at the next thing
    };
    for (const each of gestures) addEventListener(each, done, true);
    if (navigator.userActivation?.hasBeenActive) done(); // before this was loaded
  }

  /** @param {string} name */
  async #tell(name) {
    const message = /** @type {Message} */ (this.#waiting.get(name));
    this.#waiting.delete(name);
    const { attention } = this.act;
    const room = this.state.rooms.get(name);
    if (!room || !attention.isUnread(name, message.seq) || attention.isLookedAt(room)) return;
    if (!(await attention.take(`${name}/${message.seq}`))) return;
    const loaded = await this.#load();
    if (!loaded) return;
    const author = shownName({ id: message.alias_of ?? message.sender_id, name: message.sender });
    const from = room.direct ? author : words.from(author, this.#titled(room));
    this.#show({ key: name, title: from, text: loaded.plain(message.content), room: name, seq: message.seq });
  }

  /** A room's title, with its name if another one has the same. @param {Room} room */
  #titled({ name, title }) {
    const more = twins(this.state.rooms.values()).get(name);
    return more && more !== title ? both(title, more) : title;
  }

  /** @param {Notice} notice */
  async #show(notice) {
    const { desktop, sound } = this.state.settings.values;
    const loaded = await this.#load();
    if (sound && !notice.again) loaded?.chime();
    if (!desktop || !loaded) return;
    this.#shown.set(notice.key, notice);
    loaded.show(notice, `${this.state.person}/${notice.key}`, () => this.#open(notice.room, notice.seq));
  }

  /** A notification was clicked. @param {string} room @param {number | null} seq */
  #open(room, seq) {
    window.focus();
    if (seq !== null) this.act.rooms.enter(room, { stays: true, seq });
    else if (matchMedia("(max-width: 50rem)").matches) this.act.ui.drawer(true); // that is where invitations are
  }
}

/** @param {string} title @param {string} name of the room */
const both = (title, name) => (title && title !== name ? page.common.nameAndKind(title, name) : name);
