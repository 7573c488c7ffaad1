import { Backoff } from "./backoff.js";
import { Delivery } from "./delivery.js";
import { Outbox, OUTBOX_LIMIT } from "./outbox.js";
import { DEFAULT_LIMITS, closeSentence, newId, sentence } from "./protocol.js";
import { Room } from "./room.js";

/**
 * @typedef {import("./protocol.js").User} User
 * @typedef {import("./protocol.js").Limits} Limits
 * @typedef {import("./storage.js").Store} Store
 * @typedef {import("./transport.js").Transport} Transport
 * @typedef {{key: string, text: string}} Alert
 * @typedef {{field: "name"|"room"|"", text: string}} Refused why nobody can go in: shown beside that field
 */

const PAGE = 100;
const MAX_ROOMS = 20;
const KEPT_ALERTS = 3;

/**
 * Everything this tab knows: who I am, the rooms, what is not sent yet, how the connection stands. It speaks the
 * protocol through a transport and remembers through a store; the page draws it after each `onChange`.
 */
export class Session {
  /** @type {User | null} */ me = null;
  /** Ids that were mine before the server forgot them. @type {Set<string>} */ former = new Set();
  /** @type {Map<string, Room>} */ rooms = new Map();
  /** The room in front. @type {Room | null} */ active = null;
  /** @type {Limits} */ limits = DEFAULT_LIMITS;
  /** @type {Alert[]} */ alerts = [];
  /** @type {Refused | null} */ refused = null;
  /** Whether a person sees the end of the active room's log. */
  attentive = true;
  /** Whether that person is a principal yet on this connection: rooms may be joined. */
  online = false;
  /** What the last frame without an id complained about: it explains a close. @type {any} */
  #complaint = null;
  /** Answers that are awaited, by id. @type {Map<string, {type: string, room?: Room}>} */
  #asked = new Map();
  /** @type {Map<Room, {backoff: Backoff, timer?: ReturnType<typeof setTimeout>}>} */ #again = new Map();
  /** @type {any} */ #guest = null;
  #token = "";
  #name = "";
  #made = 0;

  /** @param {{transport: Transport, store: Store, onChange: () => void}} options */
  constructor({ transport, store, onChange }) {
    this.transport = transport;
    this.store = store;
    this.onChange = onChange;
    const saved = store.get("identity");
    if (saved?.token && saved.user) {
      this.#token = String(saved.token);
      this.#name = String(saved.name);
      this.me = saved.user;
      this.former = new Set(saved.former);
    }
    this.outbox = Outbox.from(store.get("outbox"));
    this.delivery = new Delivery({
      outbox: this.outbox,
      send: (frame) => transport.send(frame),
      onChange: () => this.#saveOutbox(),
    });
    transport.onState = () => this.#onState();
    transport.onFrame = (frame) => this.#onFrame(frame);
  }

  /** The name asked for, as typed; the server's own spelling is in `me`. */
  get name() {
    return this.#name;
  }

  // --- what a person does --------------------------------------------------------------------------------------------

  /**
   * Go in. Another name than before is another person.
   * @param {string} name @param {string[]} rooms @param {string} active the one of them in front
   */
  start(name, rooms, active) {
    if (name !== this.#name) this.#forget();
    this.#name = name;
    this.refused = null;
    this.rooms.clear();
    // What waits in a room that was left goes out too.
    for (const room of [...rooms, ...this.outbox.entries.map((entry) => entry.room), active]) this.enter(room);
    this.transport.connect();
  }

  /** Put a room in front, joining it if need be. @param {string} name */
  enter(name) {
    let room = this.rooms.get(name);
    if (!room) {
      if (this.rooms.size >= Math.min(MAX_ROOMS, this.limits.max_rooms)) {
        return this.alert(`You are in ${this.rooms.size} rooms; leave one first.`);
      }
      room = new Room(name);
      this.rooms.set(name, room);
    }
    this.active = room;
    this.refused = null;
    if (this.online && room.status === "apart") this.#join(room);
    this.#saveRooms();
    this.look(this.attentive);
  }

  /** @param {Room} room */
  leave(room) {
    this.#remove(room);
    if (this.outbox.of(room.name).length) {
      this.alert(`What you wrote in ${room.name} and was not sent yet is sent when you enter it again.`);
    }
    if (this.online) this.transport.send({ type: "leave", id: newId("l-"), room: room.name });
    this.onChange();
  }

  /** Be nobody again: the connection is closed, what is not sent stays in the outbox. */
  quit() {
    this.transport.stop();
    this.rooms.clear();
    this.active = null;
    this.#saveRooms();
    this.onChange();
  }

  /** Say something in the active room. @param {string} content @returns {boolean} whether it is on its way */
  post(content) {
    const room = this.active;
    if (!room) return false;
    if (this.outbox.full) {
      this.alert(`${OUTBOX_LIMIT} messages are waiting to be sent; this one would be too many.`);
      return false;
    }
    const author = this.me ?? { id: "", name: this.#name }; // nobody yet: it is made mine by the first `welcome`
    this.outbox.add(newId("m-"), room.name, content, author, Date.now());
    room.firstUnread = null;
    this.#saveOutbox();
    this.#flush(room);
    return true;
  }

  /** @param {string} id */
  retry(id) {
    const entry = this.outbox.get(id);
    const room = entry && this.rooms.get(entry.room);
    if (!room || !this.me) return;
    this.delivery.retry(entry, this.me);
    this.#flush(room);
  }

  /** @param {string} id */
  discard(id) {
    this.outbox.remove(id);
    this.#saveOutbox();
    if (this.active) this.#flush(this.active);
  }

  /** Read the page before the oldest message of the active room, unless that is under way. */
  loadOlder() {
    const room = this.active;
    if (!room?.loaded || !room.hasOlder || room.older === "loading" || room.status !== "joined") return;
    room.older = "loading";
    this.#ask("older", room, { type: "history", room: room.name, before: room.oldest, limit: PAGE });
    this.onChange();
  }

  /** @param {boolean} attentive whether somebody looks at the end of the active room's log */
  look(attentive) {
    if (this.attentive && !attentive && this.active) this.active.firstUnread = null;
    this.attentive = attentive;
    if (attentive && this.active) this.active.unread = 0;
    this.onChange();
  }

  /** Tell a person something that needs a look. @param {string} text */
  alert(text) {
    this.#made += 1;
    this.alerts = this.alerts.filter((alert) => alert.text !== text).slice(1 - KEPT_ALERTS);
    this.alerts.push({ key: `alert:${this.#made}`, text });
    this.onChange();
  }

  /** @param {string} key */
  dismiss(key) {
    this.alerts = this.alerts.filter((alert) => alert.key !== key);
    this.onChange();
  }

  /** @param {string} senderId */
  isMine(senderId) {
    return senderId === this.me?.id || this.former.has(senderId);
  }

  // --- what the connection does --------------------------------------------------------------------------------------

  #onState() {
    const { state } = this.transport;
    if (state.name !== "open") this.#offline();
    if (state.name === "stopped" && state.code !== 1000) {
      const text = this.#complaint ? sentence(this.#complaint) : closeSentence(state.code ?? 0, state.reason ?? "");
      if (state.code === 4102) this.#refuseName(text);
      else this.alert(text);
    }
    if (state.name === "connecting") this.#complaint = null;
    this.onChange();
  }

  #offline() {
    this.online = false;
    this.#guest = null;
    this.#asked.clear();
    for (const { timer } of this.#again.values()) clearTimeout(timer);
    this.#again.clear();
    for (const room of this.rooms.values()) {
      room.status = "apart";
      room.older = "";
    }
    this.delivery.onDisconnect();
  }

  /** @param {any} frame */
  #onFrame(frame) {
    const asked = frame.type === "message" ? undefined : this.#asked.get(frame.id);
    if (asked) this.#asked.delete(frame.id);
    const room = asked?.room ?? this.rooms.get(frame.room);
    if (frame.type === "welcome") this.#onWelcome(frame);
    else if (frame.type === "error") this.#onError(frame, asked);
    else if (frame.type === "pong" && asked?.type === "name") this.#identify();
    else if (frame.type === "goodbye") this.transport.comeBackAfter(Number(frame.reconnect_after) || 0);
    else if (frame.type === "ack") for (const item of frame.ids) this.delivery.onAck(item.id);
    else if (room && this.rooms.has(room.name)) this.#onRoomFrame(frame, room, asked?.type);
    this.onChange();
  }

  /** @param {any} frame @param {Room} room @param {string} [asked] */
  #onRoomFrame(frame, room, asked) {
    switch (frame.type) {
      case "joined":
        return this.#onJoined(frame, room);
      case "message":
        if (room.onMessage(frame) && !this.isMine(frame.sender_id)) this.#count(room, frame.seq);
        if (room !== this.active || this.attentive) room.trim();
        if (this.delivery.onMessage(frame)) this.#flush(room);
        return undefined;
      case "history":
        this.#again.delete(room);
        room.older = "";
        if (asked === "older") return room.onOlderPage(frame);
        room.onNewestPage(frame);
        this.delivery.onNewestPage(room);
        return this.#flush(room);
      case "synced":
        return room.onSynced(frame);
      case "retracted":
        room.onRetracted(frame.seq);
        return this.delivery.onRetracted(frame);
      case "presence":
        return room.onPresence(frame, (id) => this.isMine(id), Date.now());
      default: // `left`, and what later servers say
        return undefined;
    }
  }

  /** @param {any} frame */
  #onWelcome(frame) {
    if (frame.limits) this.limits = { ...DEFAULT_LIMITS, ...frame.limits };
    if (frame.heartbeat) this.transport.heartbeat = Math.max(5, frame.heartbeat) * 1000;
    this.delivery.maxFrameBytes = this.limits.max_frame_bytes;
    if (frame.id !== undefined) return this.#become(frame);
    this.#guest = frame;
    // Another name than asked for: the server's spelling of it, or a stand-in for one that it refuses. Its reason
    // comes before the answer to anything sent now, and nobody has to see the stand-in enter a room.
    if (frame.user.name !== this.#name) this.#ask("name", undefined, { type: "ping" });
    else this.#identify();
    return undefined;
  }

  /** Be again who I was, if I was somebody. */
  #identify() {
    if (this.#token) this.#ask("hello", undefined, { type: "hello", token: this.#token });
    else this.#become(this.#guest);
  }

  /** From here on I am this principal. @param {any} welcome */
  #become({ user, token }) {
    this.#guest = null;
    if (this.me && this.me.id !== user.id) {
      this.former.add(this.me.id);
      const waiting = this.outbox.entries.length > 0;
      this.alert(
        "The server did not recognise you any more, so you are a new guest here." +
          (waiting ? " What you had not sent yet goes out as the new one." : ""),
      );
    }
    this.me = user;
    this.#token = token;
    this.#save("identity", { token, user, name: this.#name, former: [...this.former] });
    this.online = true;
    for (const room of this.rooms.values()) this.#join(room);
  }

  /** @param {any} frame @param {Room} room */
  #onJoined(frame, room) {
    this.#again.delete(room);
    if (frame.room !== room.name) this.#rename(room, frame.room);
    if (room.onJoined(frame)) this.#ask("newest", room, { type: "history", room: room.name, limit: PAGE });
    this.#flush(room);
  }

  /** @param {any} error @param {{type: string, room?: Room}} [asked] */
  #onError(error, asked) {
    const entry = error.id === undefined ? undefined : this.outbox.get(error.id);
    const room = asked?.room ?? (entry && this.rooms.get(entry.room));
    if (asked?.type === "hello") this.#onStranger(error);
    else if (room && error.code === "not_joined" && room.status === "joined") {
      if (entry) this.delivery.onError(entry, { ...error, retryable: true });
      this.#join(room);
    } else if (entry) {
      this.delivery.onError(entry, error);
      if (room) this.#flush(room);
    } else if (room && asked) this.#onRoomError(error, room, asked.type);
    else {
      this.#complaint = error;
      if (error.field === "u") this.#refuseName(sentence(error));
      else if (this.online) this.alert(sentence(error));
    }
  }

  /** @param {any} error @param {Room} room @param {string} type */
  #onRoomError(error, room, type) {
    if (type === "older") room.older = sentence(error);
    else if (error.retryable) this.#later(error, room, type);
    else if (type === "newest") room.trouble = sentence(error);
    else {
      this.#remove(room);
      if (this.active) this.alert(`${room.name}: ${sentence(error)}`);
      else this.refused = { field: error.field === "room" || error.room ? "room" : "", text: sentence(error) };
    }
  }

  /** @param {string} text */
  #refuseName(text) {
    this.transport.stop();
    this.#name = "";
    this.refused = { field: "name", text: text.replace(/^U /, "The name ") };
  }

  /** Ask the same again when the server says so, and less often the longer it lasts. */
  #later(/** @type {any} */ error, /** @type {Room} */ room, /** @type {string} */ type) {
    room.trouble = `${sentence(error)} Trying again…`;
    const again = this.#again.get(room) ?? { backoff: new Backoff() };
    this.#again.set(room, again);
    again.timer = setTimeout(
      () => {
        if (type === "join") this.#join(room);
        else this.#ask("newest", room, { type: "history", room: room.name, limit: PAGE });
      },
      Math.max((error.retry_after ?? 0) * 1000, again.backoff.next()),
    );
  }

  /** The token is worth nothing here (any more): stay the guest that the server made of this connection. */
  #onStranger(/** @type {any} */ error) {
    const guest = this.#guest;
    if (error.retryable) {
      const again = () => guest === this.#guest && this.#ask("hello", undefined, { type: "hello", token: this.#token });
      setTimeout(again, Math.max(1, error.retry_after ?? 0) * 1000);
    } else {
      this.#token = "";
      this.#become(guest);
    }
  }

  // --- small parts ---------------------------------------------------------------------------------------------------

  /** @param {string} type @param {Room | undefined} room @param {object} frame */
  #ask(type, room, frame) {
    const id = newId("q-");
    this.#asked.set(id, { type, room });
    this.transport.send({ ...frame, id });
  }

  /** @param {Room} room */
  #join(room) {
    room.status = "joining";
    this.#ask("join", room, { type: "join", room: room.name, ...room.resume() });
  }

  /** @param {Room} room */
  #flush(room) {
    if (this.online && this.me && room.status === "joined") this.delivery.flush(room, this.me);
    this.onChange();
  }

  /** @param {Room} room @param {number} seq */
  #count(room, seq) {
    if (room === this.active && this.attentive) return;
    room.unread += 1;
    room.firstUnread ??= seq;
  }

  /** The server spells it in its own way (Unicode NFC). @param {Room} room @param {string} name */
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
    clearTimeout(this.#again.get(room)?.timer);
    this.#again.delete(room);
    this.rooms.delete(room.name);
    if (this.active === room) this.active = [...this.rooms.values()].at(-1) ?? null;
    this.#saveRooms();
  }

  #forget() {
    this.#token = "";
    this.me = null;
    this.former.clear();
    this.store.remove("identity");
  }

  #saveRooms() {
    this.#save("rooms", { names: [...this.rooms.keys()], active: this.active?.name ?? "" });
  }

  #saveOutbox() {
    this.#save("outbox", this.outbox);
    this.onChange();
  }

  /** @param {string} key @param {unknown} value */
  #save(key, value) {
    if (this.store.set(key, value)) return;
    this.alert("This browser does not let the page remember anything. Reloading it would lose what is not sent yet.");
  }
}
