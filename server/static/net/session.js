import { editKey } from "../state/content.js";
import { apply } from "../state/frames.js";
import { kindOf } from "../state/people.js";
import { DEFAULT_LIMITS } from "../state/state.js";
import { words } from "../words.js";
import { Admission } from "./admission.js";
import { sentence } from "./api.js";
import { Asked } from "./asked.js";
import { Delivery } from "./delivery.js";
import { Entrance, refusesName } from "./entrance.js";
import { Identity } from "./identity.js";
import { Membership } from "./membership.js";
import { Reader } from "./reader.js";
import { readable } from "./shapes.js";
import { steady } from "./steady.js";

/**
 * The conversation with the server: frames in, commands out. It speaks the protocol through a transport, and changes the
 * state.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/types.js").Message} Message
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("./transport.js").Transport} Transport
 * @typedef {import("./asked.js").Awaited} Awaited
 * @typedef {object} Hooks
 * @property {() => void} onOther the browser acts for another account
 * @property {(code: number) => boolean} onStopped the connection was closed for a reason that a reconnect would meet again:
 *   whether another part of the page says so
 * @property {(fresh: boolean) => void} onTokenRefused the server does not accept the application's token; `fresh`: that of a link
 * @property {() => void} onRoom the room in front may be another one, or have another name
 * @property {() => void} onRooms the list of my rooms is here
 * @property {() => void} onAway the server cannot be reached now
 * @property {(room: string) => void} onGone a room is not on the page any more, or I may not enter it
 * @property {() => void} save the outbox has changed
 * @property {(room: Room, message: Message, mention: boolean) => void} onMessage a message of another user has arrived
 * @property {(invitation: import("../state/types.js").Invitation) => void} onInvited somebody invites me to a room
 */

export class Session {
  /** @param {{state: State, transport: Transport, hooks: Hooks}} options */
  constructor({ state, transport, hooks }) {
    this.state = state;
    this.transport = transport;
    this.hooks = hooks;
    this.asked = new Asked((frame) => transport.send(frame));
    this.admission = new Admission(this);
    this.identity = new Identity({
      state,
      ask: (type, frame) => this.asked.put(frame, (answer) => this.#onIdentity(type, answer), (error) => this.#onIdentityRefused(type, error)),
      onKnown: (stranger) => this.#onKnown(stranger),
      onOther: hooks.onOther,
      onTokenRefused: hooks.onTokenRefused,
    });
    this.entrance = new Entrance(this);
    this.delivery = new Delivery({
      outbox: state.outbox,
      send: (frame) => transport.send(frame),
      onChange: () => this.saveOutbox(),
      edited: (room) => state.ui.editing.get(room)?.id,
      remove: async ({ room, seq }) => {
        await this.ask({ type: "delete", room, seq });
        state.toast(words.trouble.hadArrived);
      },
    });
    this.membership = new Membership(this);
    this.reader = new Reader(this);
    transport.onState = () => this.#onState();
    transport.onFrame = (frame) => this.#onFrame(frame);
    /** @type {import("../state/frames.js").Effects} */
    this.effects = {
      now: Date.now,
      steady,
      removed: (room, reason, frame) => this.entrance.onRemoved(room, reason, frame),
      arrived: (room, message, mention) => this.#onArrived(room, message, mention),
      invited: (invitation) => this.hooks.onInvited(invitation),
      recount: () => this.membership.ask(),
      add: (name, peer) => this.membership.enrol(name, peer),
      redraw: (milliseconds) => setTimeout(() => state.changed(), milliseconds + 50),
    };
  }

  // --- commands ------------------------------------------------------------------------------------------------------

  /** Send a command, as `Asked.ask`. @param {{type: string, [field: string]: unknown}} frame @returns {Promise<any>} */
  ask(frame) {
    return this.asked.ask(frame);
  }

  /** Send what has no answer. @param {object} frame @returns {boolean} whether it was handed to an open connection */
  tell(frame) {
    return this.state.known && this.transport.send(frame);
  }

  /** Connect. */
  start() {
    this.delivery.outbox = this.state.outbox;
    this.transport.connect();
  }

  /** Send what is due in a room. @param {Room} room */
  flush(room) {
    const { known, me, outbox, ui } = this.state;
    const edit = ui.editing.get(room.name);
    const entry = edit?.id === undefined ? undefined : outbox.get(edit.id);
    if (edit && entry && entry.seq !== null) { // it has arrived: what is edited is the message
      ui.edits.delete(editKey(room.name, edit.id));
      ui.edits.set(editKey(room.name, entry.seq), Object.assign(edit, { id: undefined, seq: entry.seq }));
    }
    if (known && me && room.status === "joined") this.delivery.flush(room, me);
    this.state.changed();
  }

  saveOutbox() {
    this.hooks.save();
    this.state.late = this.delivery.late;
    this.state.changed();
  }

  get isGuest() {
    return kindOf(this.state.me?.id ?? "") === "guest";
  }

  // --- the connection ------------------------------------------------------------------------------------------------

  #onState() {
    const { state } = this.transport;
    this.state.connection = state;
    if (state.name === "open") this.identity.onOpen();
    else this.#onDisconnect();
    if (state.name === "stopped" && state.code !== 1000) this.admission.onStopped(state.code ?? 0);
    if (state.name === "waiting") this.hooks.onAway();
    if (state.name === "connecting") this.admission.onConnecting();
    this.state.changed();
  }

  #onDisconnect() {
    this.identity.onDisconnect();
    this.entrance.onDisconnect();
    this.delivery.onDisconnect();
    for (const room of this.state.rooms.values()) room.onDisconnect();
    this.asked.onDisconnect();
  }

  /** @param {any} sent */
  #onFrame(sent) {
    const frame = readable(sent) ?? { type: "unreadable", id: sent.id, kind: sent.type };
    // A message bears its author's id, which is no answer.
    const asked = sent.type === "message" || frame.id === undefined ? undefined : this.asked.take(frame.id);
    if (frame.type === "unreadable") this.#onUnreadable(frame.kind, asked);
    else if (frame.type === "error") this.#onError(frame, asked);
    else {
      this.#onOther(frame, asked !== undefined);
      asked?.resolve(frame);
    }
    this.state.changed();
  }

  /** The page goes on without a frame that it cannot read, unless it needs it. @param {string} kind @param {Awaited} [asked] */
  #onUnreadable(kind, asked) {
    const message = words.trouble.unreadable;
    if (kind === "welcome") {
      this.transport.stop();
      this.admission.giveUp(message);
    } else if (asked) asked.refuse({ code: "", message, retryable: false });
    else if (["joined", "synced"].includes(kind)) this.state.toast(message, { error: true, key: kind, action: { label: words.common.reload, run: () => location.reload() } });
  }

  /** @param {any} frame @param {boolean} asked whether it answers a command, whose sender does the rest */
  #onOther(frame, asked) {
    const { state } = this;
    const room = state.rooms.get(frame.room);
    switch (frame.type) {
      case "welcome":
        return this.#onWelcome(frame);
      case "goodbye":
        return this.transport.comeBackAfter(Number(frame.reconnect_after) || 0);
      case "ack":
        for (const { id, seq } of frame.ids) {
          if (state.outbox.get(id)) this.delivery.onAck(id);
          else this.#onAck(id, seq);
        }
        return undefined;
      case "joined":
        return room && !asked ? this.entrance.onJoined(room, frame) : undefined;
      case "room":
        if (asked && frame.action !== "update_room") this.membership.add(frame.room, frame.peer).status = "joining"; // `joined` follows
        else if (room?.code === "no_such_room") this.entrance.enter(room); // somebody has made me a member
        break;
      case "read":
        if (!room && state.isMine(frame.user.id)) this.membership.onElsewhere(frame.room);
        break;
      case "left":
        if (frame.reason === "name") this.identity.renames();
        break;
    }
    apply(state, frame, this.effects);
    if (frame.type === "message" && this.delivery.onMessage(frame) && room) return this.flush(room);
    if (frame.type === "retracted") this.delivery.onRetracted(frame);
    if (frame.type === "synced" && room) this.flush(room);
    return undefined;
  }

  /** A change is stored. @param {string} id @param {number} seq */
  #onAck(id, seq) {
    this.asked.take(id)?.resolve({ type: "ack", seq });
  }

  /** @param {any} error @param {Awaited} [asked] */
  #onError(error, asked) {
    const { state } = this;
    const entry = error.id === undefined ? undefined : state.outbox.get(error.id);
    const room = state.rooms.get(entry?.room ?? error.room);
    const lost = error.code === "not_joined" && room?.status === "joined"; // the server knows better
    if (entry) this.#onMessageRefused(entry, error, lost);
    else if (asked) asked.refuse(error);
    else if (error.id === undefined) this.admission.onComplaint(error);
    if (room && lost) this.entrance.join(room);
  }

  /** @param {import("../state/types.js").Unsent} entry @param {any} error @param {boolean} lost */
  #onMessageRefused(entry, error, lost) {
    const room = this.state.rooms.get(entry.room);
    const seconds = error.retry_after ?? 0;
    if (room && error.code === "slow_mode") room.slowUntil = steady() + seconds * 1000;
    if (room && error.code === "muted") {
      room.mute = { until: seconds ? steady() + seconds * 1000 : Infinity, reason: room.mute?.reason ?? "" };
    }
    this.delivery.onError(entry, { ...this.asGuest(error, room), retryable: error.retryable || lost });
    if (room) this.flush(room);
  }

  /** A refusal for what a room allows guests to do, in words that say so. @param {any} error @param {Room} [room] */
  asGuest(error, room) {
    if (!this.isGuest || !room) return error;
    if (room.guests === "read" && error.code === "forbidden") return { ...error, message: words.trouble.guestsRead };
    const no = room.guests === "no" && ["forbidden", "no_such_room"].includes(error.code);
    return no ? { ...error, message: words.trouble.guestsNo } : error;
  }

  // --- who I am ------------------------------------------------------------------------------------------------------

  /** @param {any} welcome */
  #onWelcome(welcome) {
    if (welcome.limits) this.state.limits = { ...DEFAULT_LIMITS, ...welcome.limits };
    if (welcome.heartbeat) this.transport.heartbeat = Math.max(5, welcome.heartbeat) * 1000;
    this.delivery.maxFrameBytes = this.state.limits.max_frame_bytes;
    this.identity.onWelcome(welcome);
  }

  /** @param {"hello"|"name"} type @param {any} answer */
  #onIdentity(type, answer) {
    if (type === "name" && answer.type === "pong") this.identity.onNameTaken();
  }

  /** @param {"hello"|"name"} type @param {any} error */
  #onIdentityRefused(type, error) {
    if (type === "hello" && refusesName(error)) this.admission.refuseName(sentence(error));
    else if (type === "hello") this.identity.onRefused(error);
  }

  /** @param {boolean} stranger */
  #onKnown(stranger) {
    const { trouble } = words;
    if (stranger) this.state.toast(() => (this.state.outbox.entries.length ? trouble.strangerUnsent : trouble.stranger), { error: true, key: "stranger" });
    this.state.entryError = this.state.ended = null;
    this.admission.settle("");
    this.membership.onKnown();
  }

  // --- small parts ---------------------------------------------------------------------------------------------------

  /** @param {Room} room @param {Message} message @param {boolean} mention */
  #onArrived(room, message, mention) {
    this.membership.onArrived();
    this.hooks.onMessage(room, message, mention);
  }

  /** Learn the names of those who wrote. @param {Message[]} messages */
  meetAuthors(messages) {
    this.state.meet(messages.map((message) => ({ id: message.alias_of ?? message.sender_id, name: message.sender })));
  }
}
