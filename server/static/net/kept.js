/**
 * What the browser keeps of the rooms of a person: the end of their logs, to be read without a server. In IndexedDB, since
 * `localStorage` has 5 MB, which the outbox must not share with this.
 *
 * @typedef {import("../state/room.js").Kept} KeptRoom
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("./membership.js").Membership} Membership
 */

const MESSAGES = 50; // of a room
const ROOMS = 10; // of a person
const PAUSE = 2000; // ms: several changes at once are written once
const TABLE = "rooms";

export class Kept {
  /** What was written last of each room, so that nothing is written again. @type {Map<string, string>} */ #written = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** Writing is over: the person has signed out. */ #over = false;

  /** @param {State} state @param {Membership} membership */
  constructor(state, membership) {
    this.state = state;
    this.membership = membership;
    // What was deleted is to be gone, also if the page is closed now.
    document.addEventListener("visibilitychange", () => document.hidden && this.#save());
  }

  /** The state has changed: write what is new, when the browser has time. */
  onChange() {
    this.#timer ??= setTimeout(() => whenIdle(() => this.#save()), PAUSE);
  }

  /** Show what was kept of a room until the server has answered. @param {import("../state/room.js").Room} room */
  async preview(room) {
    const key = [this.#me, room.name];
    const kept = /** @type {KeptRoom | undefined} */ (await inTable("readonly", (table) => table.get(key)));
    if (!kept || room.loaded || room.status === "closed" || key[0] !== this.#me) return;
    room.preview = kept.messages;
    this.state.changed();
  }

  /** Show what was kept, in rooms that have nothing yet. */
  async show() {
    const { state, membership } = this;
    const { me } = state;
    const found = await this.#all();
    if (state.known || state.me?.id !== me?.id) return;
    const away = new Set(membership.hidden);
    for (const kept of found) {
      const known = state.rooms.get(kept.name);
      if (known ? known.loaded || known.status === "closed" : away.has(kept.name)) continue;
      const room = known ?? membership.add(kept.name);
      room.doubtful = !known;
      room.onKept(kept);
      state.meet(kept.messages.map(({ sender_id, alias_of, sender }) => ({ id: alias_of ?? sender_id, name: sender })));
    }
    state.changed();
  }

  /** Remove a room that I have left, or may not enter any more. @param {string} room */
  async remove(room) {
    const key = [this.#me, room];
    this.#written.delete(room);
    await inTable("readwrite", (table) => table.delete(key));
  }

  /** The list of my rooms is here: remove those that are no longer mine. */
  async retain() {
    const { rooms } = this.state;
    const found = await this.#all();
    const mine = (/** @type {string} */ name) => rooms.has(name) && rooms.get(name)?.status !== "closed";
    for (const { name } of found) if (!mine(name)) await this.remove(name);
  }

  /** Remove everything of a user who has signed out. @param {string} [user] an id, mine by default */
  async forget(user = this.#me) {
    this.#over ||= user === this.#me;
    const all = of(user);
    await inTable("readwrite", (table) => table.delete(all));
  }

  /** My id: a guest may get another name. */
  get #me() {
    return this.state.me?.id ?? "";
  }

  /** @returns {Promise<KeptRoom[]>} */
  async #all() {
    const mine = of(this.#me);
    return (await inTable("readonly", (table) => table.getAll(mine))) ?? [];
  }

  async #save() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { rooms, known } = this.state;
    const me = this.#me;
    if (this.#over || !known || !me) return; // a page without a connection has nothing new
    /** @type {KeptRoom[]} */ const changed = [];
    for (const room of rooms.values()) {
      const kept = room.status === "joined" ? room.toKeep(MESSAGES) : null;
      const mark = kept && [me, kept.epoch, kept.head, kept.messages.length, kept.read, kept.unread, room.title].join("/");
      if (!kept || !mark || this.#written.get(room.name) === mark) continue;
      this.#written.set(room.name, mark);
      changed.push(kept);
    }
    if (!changed.length) return;
    await inTable("readwrite", async (table) => {
      for (const kept of changed) table.put({ ...kept, at: Date.now() }, [me, kept.name]);
      const all = await done(table.getAll(of(me)));
      const old = all.sort((a, b) => b.at - a.at).slice(ROOMS);
      for (const { name } of old) table.delete([me, name]);
    });
  }
}

/** @param {() => void} work */
function whenIdle(work) {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(work, { timeout: PAUSE });
  else work(); // Safari
}

/** The rooms of a user: keys are [user, room], and an array is greater than any text. @param {string} user */
const of = (user) => IDBKeyRange.bound([user], [user, []]);

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Do something with the table, in one transaction. The database has the address of the page, like all that it keeps.
 * @param {IDBTransactionMode} mode @param {(table: IDBObjectStore) => IDBRequest<any> | Promise<any>} work
 * @returns {Promise<any>} the result, once it is written; undefined if the browser keeps nothing
 */
async function inTable(mode, work) {
  try {
    return await inOpenTable(mode, work);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    console.info("Messages cannot be kept:", error); // storage is full or disabled: the page does without it
    return undefined;
  }
}

/** @param {IDBTransactionMode} mode @param {(table: IDBObjectStore) => IDBRequest<any> | Promise<any>} work @returns {Promise<any>} */
async function inOpenTable(mode, work) {
  if (!globalThis.indexedDB) return undefined;
  const opening = indexedDB.open(`parley kept ${new URL(".", document.baseURI).pathname}`, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  const database = await done(opening);
  try {
    const transaction = database.transaction(TABLE, mode);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const asked = work(transaction.objectStore(TABLE));
    const [result] = await Promise.all([asked instanceof IDBRequest ? done(asked) : asked, ended]);
    return result;
  } finally {
    database.close();
  }
}
