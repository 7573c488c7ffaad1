import { Delivery } from "./delivery.js";
import { Entrance } from "./entrance.js";
import { Identity } from "./identity.js";
import { Outbox, OUTBOX_LIMIT } from "./outbox.js";
import { DEFAULT_LIMITS, asGuest, closeSentence, guestsSentence, kindOf, leftSentence, newId, sentence, shownName, withWait } from "./protocol.js";
import { Room } from "./room.js";

/**
 * @typedef {import("./protocol.js").Limits} Limits
 * @typedef {import("./storage.js").Store} Store
 * @typedef {import("./transport.js").Transport} Transport
 * @typedef {{key: string, text: string, news?: boolean, invitation?: string}} Alert a message to the user: a problem,
 *   unless it is news, or has the name of a room to which it invites
 * @typedef {{field: "name"|"room"|"", text: string}} Refused why entering failed: shown next to that field
 */

/** Whether an error is about my name, and not about that of a room. @param {any} error */
const refusesName = (error) => error.code === "reserved_name" && error.field === undefined;

const MAX_ROOMS = 20;
const KEPT_ALERTS = 3;

/**
 * The state of this tab: identity, rooms, unsent messages, connection. It speaks the protocol through a transport and
 * persists through a store; the page draws it after each `onChange`.
 */
export class Session {
  /** @type {Map<string, Room>} */ rooms = new Map();
  /** The room in front. @type {Room | null} */ active = null;
  /** @type {Limits} */ limits = DEFAULT_LIMITS;
  /** @type {Alert[]} */ alerts = [];
  /** @type {Refused | null} */ refused = null;
  /** Whether the page follows the end of the active room's log, and whether the user is looking at it. */
  following = true;
  attentive = true;
  /** Messages that arrived in the active room while the user was looking, and are not drawn yet. @type {number[]} */
  #undrawn = [];
  /** Answers that are awaited, by id. @type {Map<string, {type: string, room?: Room}>} */ #asked = new Map();
  /** What the last frame without an id complained about: it explains a close. @type {any} */ #complaint = null;
  #made = 0;
  /** What waits for an identity, or for the refusal of the name. @type {((wrong: string) => void)[]} */ #settling = [];

  /**
   * @param {{transport: Transport, store: Store, onChange: () => void, onOther?: () => void,
   *   onStopped?: (code: number) => boolean}} options `onOther`: see `Identity`; `onStopped`: the server has closed the
   *   connection for a reason that a reconnect would meet again; returns whether another part of the page says so
   */
  constructor({ transport, store, onChange, onOther = () => {}, onStopped = () => false }) {
    this.transport = transport;
    this.onStopped = onStopped;
    this.onChange = onChange;
    /** @type {Store} */
    this.store = {
      get: (key) => store.get(key),
      remove: (key) => store.remove(key),
      set: (key, value) => store.set(key, value) || this.#cannotRemember(),
    };
    this.identity = new Identity({
      store: this.store,
      ask: (type, frame) => this.#ask(type, undefined, frame),
      onKnown: (stranger) => this.#onKnown(stranger),
      onOther,
    });
    this.entrance = new Entrance((type, room, frame) => this.#ask(type, room, frame));
    this.outbox = Outbox.from(store.get("outbox"));
    this.delivery = new Delivery({
      outbox: this.outbox,
      send: (frame) => transport.send(frame),
      onChange: () => this.#saveOutbox(),
    });
    transport.onState = () => this.#onState();
    transport.onFrame = (frame) => this.#onFrame(frame);
  }

  // --- user actions --------------------------------------------------------------------------------------------------

  /**
   * Connect and enter rooms. @param {string} name @param {string[]} rooms @param {string} active the one to show; "" for none
   * @param {string[]} [staying] those of them that are persistent
   */
  start(name, rooms, active, staying = []) {
    this.identity.take(name);
    this.rooms.clear();
    // Unsent messages of a room that was left are sent too.
    for (const room of [...rooms, ...this.outbox.entries.map((entry) => entry.room), active]) {
      if (room) this.enter(room, staying.includes(room));
    }
    this.transport.connect();
  }

  /** Wait for an identity. @returns {Promise<string>} "", or why the name was refused */
  settled() {
    return new Promise((resolve) => this.#settling.push(resolve));
  }

  /** Show a room, joining it if needed. @param {string} name @param {boolean} [stays] see `Room.stays` */
  enter(name, stays = false) {
    let room = this.rooms.get(name);
    if (!room) {
      if (this.rooms.size >= Math.min(MAX_ROOMS, this.limits.max_rooms)) {
        return this.alert(`You are in ${this.rooms.size} rooms; leave one first.`);
      }
      room = new Room(name);
      room.stays = stays;
      this.rooms.set(name, room);
    }
    if (room !== this.active) this.#countUndrawn();
    this.active = room;
    for (const other of [...this.rooms.values()]) if (other !== room && other.status === "closed") this.#remove(other);
    this.refused = null;
    if (this.identity.known && room.status === "apart") this.entrance.join(room);
    this.#saveRooms();
    if (this.attentive) room.unread = 0;
    return this.onChange();
  }

  /** Try to enter the current room again. */
  reenter() {
    if (this.active?.status !== "closed") return;
    this.active.status = "apart";
    this.enter(this.active.name);
  }

  /** @param {Room} room */
  leave(room) {
    const { status } = room;
    this.#remove(room);
    if (this.outbox.of(room.name).length) {
      this.outbox.onDisconnect(room.name);
      this.alert(`Unsent messages to ${room.name} will be sent when you enter it again.`);
    }
    if (status === "joined" || status === "joining") this.#ask("leave", room, { type: "leave", room: room.name });
    this.onChange();
  }

  /** Leave everything: the connection is closed, unsent messages stay in the outbox. */
  quit() {
    this.transport.stop();
    this.rooms.clear();
    this.active = null;
    this.#saveRooms();
    this.onChange();
  }

  /** Forget what this tab knows of an account that has signed out. @param {boolean} unsent also what was not sent */
  signOut(unsent) {
    this.quit();
    for (const key of ["rooms", "drafts"]) this.store.remove(key);
    if (!unsent) return;
    this.outbox.entries = [];
    this.store.remove("outbox");
  }

  /** Post to the active room. @param {string} content @returns {boolean} whether it is in the outbox */
  post(content) {
    const room = this.active;
    if (!room || room.status === "closed") return false;
    if (this.outbox.full) {
      this.alert(`${OUTBOX_LIMIT} messages are already waiting to be sent. Try again later.`);
      return false;
    }
    const { me, name } = this.identity;
    // Without an identity yet, it becomes mine with the first `welcome`.
    this.outbox.add(newId("m-"), room.name, content, me ?? { id: "", name }, Date.now());
    room.firstUnread = null;
    this.#saveOutbox();
    this.#flush(room);
    return true;
  }

  /** Send a failed message again. @param {string} id */
  retry(id) {
    const entry = this.outbox.get(id);
    const room = entry && this.rooms.get(entry.room);
    if (!room || !this.identity.me) return;
    this.delivery.retry(entry, this.identity.me);
    this.#flush(room);
  }

  /** @param {string} id */
  discard(id) {
    this.outbox.remove(id);
    this.#saveOutbox();
  }

  /** Read the page before the oldest message of the active room, unless that is under way. */
  loadOlder() {
    if (this.active) this.entrance.readOlder(this.active);
    this.onChange();
  }

  /**
   * @param {boolean} following whether the page is at the end of the active room's log
   * @param {boolean} seen whether the user looks at the page
   */
  look(following, seen) {
    const attentive = following && seen;
    if (this.attentive && !attentive && this.active) {
      this.active.firstUnread = null;
      this.#countUndrawn();
    }
    this.following = following;
    this.attentive = attentive;
    if (attentive && this.active) this.active.unread = 0;
    this.onChange();
  }

  /** Note that the page shows everything that has arrived. */
  onDrawn() {
    this.#undrawn = [];
  }

  /** Show an alert to the user. @param {string} text @param {boolean} [news] whether it is no problem */
  alert(text, news = false) {
    this.#made += 1;
    this.alerts = this.alerts.filter((alert) => alert.text !== text).slice(1 - KEPT_ALERTS);
    this.alerts.push({ key: `alert:${this.#made}`, text, news });
    this.onChange();
  }

  /** Answer an invitation. @param {string} name the room's @param {boolean} accept */
  answer(name, accept) {
    this.dismiss(`invitation:${name}`);
    if (accept) this.enter(name, true);
    else this.transport.send({ type: "decline", id: newId("d-"), room: name });
  }

  /** @param {string} key */
  dismiss(key) {
    this.alerts = this.alerts.filter((alert) => alert.key !== key);
    this.onChange();
  }

  // --- frames from the server ----------------------------------------------------------------------------------------

  #onState() {
    const { state } = this.transport;
    if (state.name !== "open") this.#onDisconnect();
    if (state.name === "stopped" && state.code !== 1000) {
      const said = this.#complaint;
      const text = said ? withWait(sentence(said), said.retry_after) : closeSentence(state.code ?? 0, state.reason ?? "");
      if (state.code === 4102) this.#refuseName(text);
      else if (!this.onStopped(state.code ?? 0)) this.alert(text);
    }
    if (state.name === "connecting") this.#complaint = null;
    this.onChange();
  }

  #onDisconnect() {
    this.#asked.clear();
    this.identity.onDisconnect();
    this.entrance.onDisconnect();
    this.delivery.onDisconnect();
    for (const room of this.rooms.values()) room.onDisconnect();
  }

  /** @param {any} frame */
  #onFrame(frame) {
    const asked = frame.type === "message" ? undefined : this.#asked.get(frame.id);
    if (asked) this.#asked.delete(frame.id);
    const room = asked?.room ?? this.rooms.get(frame.room);
    if (frame.type === "welcome") this.#onWelcome(frame);
    else if (frame.type === "error") this.#onError(frame, asked);
    else if (frame.type === "pong" && asked?.type === "name") this.identity.onNameTaken();
    else if (frame.type === "goodbye") this.transport.comeBackAfter(Number(frame.reconnect_after) || 0);
    else if (frame.type === "announcement") this.alert(`${shownName(frame.sender)}: ${frame.content}`);
    else if (frame.type === "invitation") this.#onInvitation(frame);
    else if (frame.type === "ack") for (const item of frame.ids) this.delivery.onAck(item.id);
    else if (room && this.rooms.has(room.name)) this.#onRoomFrame(frame, room, asked?.type);
    this.onChange();
  }

  /** @param {any} frame @param {Room} room @param {string} [asked] */
  #onRoomFrame(frame, room, asked) {
    switch (frame.type) {
      case "joined":
        if (frame.room !== room.name) this.#rename(room, frame.room);
        this.entrance.onJoined(frame, room);
        this.#saveRooms();
        return this.#flush(room);
      case "message":
        if (frame.deleted_at) return room.onDeleted(frame); // part of a resume
        if (room.onMessage(frame) && !this.identity.isMine(frame.alias_of ?? frame.sender_id)) this.#count(room, frame.seq);
        if (room !== this.active || this.following) room.trim();
        return this.delivery.onMessage(frame) ? this.#flush(room) : undefined;
      case "history":
        this.entrance.onHistory(frame, room, asked);
        this.delivery.onPage(room, asked !== "older");
        return this.#flush(room);
      case "synced":
        room.onSynced(frame);
        return this.#flush(room);
      case "edited":
        return room.onEdited(frame);
      case "adopted":
        return room.onAdopted(frame);
      case "deleted":
        return room.onDeleted(frame);
      case "retracted":
        room.onRetracted(frame.seq);
        return this.delivery.onRetracted(frame);
      case "presence":
        return room.onPresence(frame, (id) => this.identity.isMine(id), Date.now());
      case "room":
        if (room.onInfo(frame.info) && frame.by) room.notices.say(room.last, Date.now(), guestsSentence(room.guests, frame.by));
        return undefined;
      case "left":
        if (frame.reason === "name") this.identity.refuseName();
        if (!frame.reason) return undefined;
        if (this.#isGuest && room.guests === "no" && frame.reason === "kicked") {
          return this.#closed(room, { message: `${guestsSentence(room.guests, frame.by)}. Sign in to enter it.` });
        }
        return this.#closed(room, { message: leftSentence(frame) });
      default: // frames that the page does not show, and those of later servers
        return undefined;
    }
  }

  /** Show an open invitation, or remove one that has ended. @param {any} frame */
  #onInvitation({ room, open, info, by }) {
    const key = `invitation:${room}`;
    this.alerts = this.alerts.filter((alert) => alert.key !== key);
    if (open) this.alerts.push({ key, text: `${shownName(by)} invites you to ${info.title || room}`, invitation: room });
  }

  /** @param {any} welcome */
  #onWelcome(welcome) {
    if (welcome.limits) this.limits = { ...DEFAULT_LIMITS, ...welcome.limits };
    if (welcome.heartbeat) this.transport.heartbeat = Math.max(5, welcome.heartbeat) * 1000;
    this.delivery.maxFrameBytes = this.limits.max_frame_bytes;
    this.identity.onWelcome(welcome);
  }

  /** @param {boolean} stranger */
  #onKnown(stranger) {
    if (stranger) {
      const waiting = this.outbox.entries.length > 0 ? " Unsent messages will be sent under the new identity." : "";
      this.alert(`The server no longer recognises you, so you are a new guest here.${waiting}`);
    }
    for (const room of this.rooms.values()) if (room.status !== "closed") this.entrance.join(room);
    this.#settle("");
  }

  /** @param {string} wrong */
  #settle(wrong) {
    for (const resolve of this.#settling.splice(0)) resolve(wrong);
  }

  /** @param {any} refusal @param {{type: any, room?: Room}} [asked] */
  #onError(refusal, asked) {
    const entry = refusal.id === undefined ? undefined : this.outbox.get(refusal.id);
    const room = asked?.room ?? (entry && this.rooms.get(entry.room));
    const error = room && this.#isGuest ? asGuest(refusal, room.guests) : refusal;
    const lost = error.code === "not_joined" && room?.status === "joined"; // the server knows better
    if (asked?.type === "hello" && refusesName(error)) this.#refuseName(sentence(error));
    else if (asked?.type === "hello") this.identity.onRefused(error);
    else if (asked?.type === "leave") return; // the room was not entered, so nothing is left to do
    else if (entry) this.delivery.onError(entry, { ...error, retryable: error.retryable || lost });
    else if (room && asked && !lost && this.entrance.onRefused(error, room, asked.type)) this.#closed(room, error);
    else if (!asked) this.#onComplaint(error);
    if (room && lost) this.entrance.join(room);
    else if (room) this.#flush(room);
  }

  /** @param {any} error for no command of this page, or one without an id */
  #onComplaint(error) {
    this.#complaint = error;
    if (error.field === "u") this.#refuseName(sentence(error));
    // A token or a name that is not valid any more ends the connection: what follows depends on how it is closed.
    else if (this.identity.known && !["unauthorized", "reserved_name"].includes(error.code)) this.alert(withWait(sentence(error), error.retry_after));
  }

  /** Leave the chat for the form, which says why. @param {string} text @param {"name"|""} [field] */
  refuse(text, field = "") {
    this.transport.stop();
    this.refused = { field, text };
    this.#settle(text);
    this.onChange();
  }

  get #isGuest() {
    return kindOf(this.identity.me?.id ?? "") === "guest";
  }

  /** @param {string} text */
  #refuseName(text) {
    this.identity.refuseName();
    this.refuse(text.replace(/^U /, "The name "), "name");
  }

  /**
   * Close a room that refused or removed me. The current room stays on screen: another one in its place would receive the
   * text being typed. @param {Room} room @param {any} error
   */
  #closed(room, error) {
    const text = sentence(error);
    const named = refusesName(error);
    if (named) this.identity.refuseName();
    if (room === this.active && (room.loaded || this.rooms.size > 1)) {
      this.entrance.forget(room);
      this.outbox.onDisconnect(room.name);
      room.close(text);
      this.#saveRooms();
      return;
    }
    this.#remove(room);
    if (this.active) this.alert(`${room.name}: ${text}`);
    else this.refused = { field: named ? "name" : error.field === "room" || error.room ? "room" : "", text };
  }

  // --- small parts ---------------------------------------------------------------------------------------------------

  /** @param {string} type @param {Room | undefined} room @param {object} frame */
  #ask(type, room, frame) {
    const id = newId("q-");
    this.#asked.set(id, { type, room });
    this.transport.send({ ...frame, id });
  }

  /** @param {Room} room */
  #flush(room) {
    const { known, me } = this.identity;
    if (known && me && room.status === "joined") this.delivery.flush(room, me);
    this.onChange();
  }

  /** @param {Room} room @param {number} seq */
  #count(room, seq) {
    if (room === this.active && this.attentive) {
      this.#undrawn.push(seq);
      return;
    }
    room.unread += 1;
    room.firstUnread ??= seq;
  }

  /** Count what arrived in the active room since the last drawing as unread: the user no longer looks at its end. */
  #countUndrawn() {
    const [room, undrawn] = [this.active, this.#undrawn];
    this.#undrawn = [];
    if (!room || undrawn.length === 0) return;
    room.unread += undrawn.length;
    room.firstUnread ??= undrawn[0];
  }

  /** Adopt the server's spelling of a name (Unicode NFC). @param {Room} room @param {string} name */
  #rename(room, name) {
    for (const entry of this.outbox.of(room.name)) entry.room = name;
    this.rooms.delete(room.name);
    room.name = name;
    this.rooms.set(name, room);
    this.#saveRooms();
    this.#saveOutbox();
  }

  /** @param {Room} room */
  #remove(room) {
    this.entrance.forget(room);
    this.rooms.delete(room.name);
    if (this.active === room) {
      this.#undrawn = [];
      this.active = [...this.rooms.values()].at(-1) ?? null;
      if (this.active && this.attentive) this.active.unread = 0;
    }
    this.#saveRooms();
  }

  #saveRooms() {
    const open = [...this.rooms.values()].filter((room) => room.status !== "closed"); // a reload does not undo a kick
    const active = open.find((room) => room === this.active) ?? open.at(-1);
    const staying = open.filter((room) => room.stays).map((room) => room.name);
    this.store.set("rooms", { names: open.map((room) => room.name), active: active?.name ?? "", staying });
  }

  #saveOutbox() {
    this.store.set("outbox", this.outbox);
    this.onChange();
  }

  #cannotRemember() {
    this.alert("This browser does not allow the page to store anything. Reloading the page loses unsent messages.");
    return false;
  }
}
