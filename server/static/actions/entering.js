import { Refused } from "../net/api.js";
import { words } from "../words.js";

/**
 * Coming in: as a guest, with an account, by a link. All ask the server, and reject with `Refused`. They are part of
 * `act.account`.
 *
 * @typedef {import("./index.js").Context} Context
 * @typedef {{registers: boolean, room?: string, title?: string, mine: boolean}} Invite what an invite link is for; `mine`: I am in that room
 */

/** @param {Context} context */
export function enteringActions(context) {
  const { state, session, api, app } = context;
  const { identity } = session;
  const { ui } = state;

  /** A name as the server spells it. @param {string} typed */
  const clean = (typed) => typed.normalize("NFC").trim().replace(/\s+/g, " ");

  /** Connect, as a guest or as who I am. @param {string} typed @throws {Refused} with what is wrong with the name */
  async function connect(typed) {
    const wrong = await app.connect(clean(typed));
    if (!wrong) {
      ui.stranger = "";
      state.guests.use(state.kept);
      return;
    }
    const refused = state.entryError?.text === wrong; // for another reason than the name
    throw new Refused("reserved_name", wrong, { fields: refused ? {} : { name: wrong } });
  }

  /** Enter a room, which may refuse the name of a guest: that stays the same one under another name.
   * @param {string} room @param {{password?: string, create?: boolean, seq?: number}} [options] @throws {Refused} */
  async function admit(room, options) {
    try {
      await context.rooms.open(room, options);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "reserved_name" || error.fields.room) throw error;
      identity.renames();
      throw new Refused(error.code, error.message, { fields: { name: error.message } });
    }
  }

  /** Whether a room is listed as mine. @param {string} room */
  async function isMine(room) {
    if (state.known || !(state.proven || identity.token)) return state.rooms.has(room);
    try {
      const { rooms } = await api.ask("GET", "rooms?mine=true&limit=500", undefined, { token: identity.token });
      return rooms.some((/** @type {any} */ each) => each.room === room);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return false;
    }
  }

  /** Enter a room from a page about accounts. @param {string} room */
  function goTo(room) {
    ui.page = null;
    ui.view = ui.back;
    if (state.known) context.rooms.enter(room, { stays: true });
    else app.start(state.name, room);
  }

  return {
    /**
     * Enter a room from the entry page.
     * @param {string} name of a guest, ignored for others @param {string} room
     * @param {{password?: string, create?: boolean}} [options] `create`: make the room if there is none
     * @throws {Refused} `no_such_room`: there is none, or it is private, or the password is wrong; `fields.name` if that is wrong
     */
    async enter(name, room, { password = "", create = false } = {}) {
      state.entryError = null;
      await connect(name);
      const seq = room === ui.proposed ? ui.seq : undefined;
      try {
        await admit(clean(room), { password, create, seq });
      } catch (error) {
        if (!(error instanceof Refused) || !error.retryable || !create) throw error;
        context.rooms.enter(clean(room), { seq }); // which tries again
      }
    },

    /** Forget a guest that this browser knows. @param {string} name */
    async forgetGuest(name) {
      const { user, former = [] } = state.guests.get(name) ?? {};
      for (const id of [user?.id, ...former]) app.keeping.drop(id);
      state.drop(`guest:${name}`, true);
      if (state.kept === name) identity.forget();
      else state.guests.forget(name);
      state.changed();
    },

    /** Call the guest that I am something else. @param {string} typed @throws {Refused} the name stays as it was */
    async rename(typed) {
      const [name, before] = [clean(typed), state.name];
      if (name === before) return;
      if (state.guests.get(name)) throw new Refused("", words.trouble.nameOfOther, { fields: { name: words.trouble.nameOfOther } });
      identity.renames();
      try {
        await connect(name);
      } catch (error) {
        await app.connect(before);
        throw error;
      }
    },

    /**
     * Sign in, register, or make the first admin's account by its link. The page begins again.
     * @param {"login"|"register"|"admin/first"} path @param {object} fields
     * @param {{news?: string, used?: boolean}} [options] `news`: what to tell the user then; `used`: the invite link of this
     *   tab was for this
     */
    async signIn(path, fields, { news, used = false } = {}) {
      await app.login.signIn(path, fields);
      if (used) context.account.forgetLink(); // one to a room is accepted next
      state.tab.set("offer", state.kept); // to be offered what it wrote
      app.changeover.onSignedIn(news);
    },

    /** Ask for a mail to reset the password. @param {string} who a username or an address */
    askReset: (who) => api.ask("POST", "reset", who.includes("@") ? { email: who } : { username: who }),

    /** @param {string} token of the link in the mail @param {string} password the new one */
    resetPassword: (token, password) => api.ask("POST", "reset/confirm", { token, password }),

    /** @param {string} token of the link in the mail */
    async confirmEmail(token) {
      await api.ask("POST", "email/confirm", { token });
      app.login.announce();
    },

    /** Find out where an invite link leads. @param {string} token @returns {Promise<Invite>} */
    async findLink(token) {
      const found = await api.ask("POST", "links/find", { token });
      return { ...found, mine: !found.registers && (await isMine(found.room)) };
    },

    /** Enter the room of an invite link, in which I am already. @param {string} room */
    async openLinked(room) {
      context.account.forgetLink();
      goTo(room);
    },

    /** Accept an invite link to a room, and enter that. @param {string} token @param {string} [name] of a guest */
    async acceptLink(token, name) {
      if (name !== undefined) await connect(name);
      const before = state.tab.get("accepted"); // and then the room has refused my name: a used link is not accepted twice
      const again = before?.token === token && before.by === state.me?.id;
      const { room } = again ? before : await api.ask("POST", "links/accept", { token }, { token: identity.token });
      state.tab.set("accepted", { token, by: state.me?.id, room });
      if (name !== undefined) await admit(room);
      context.account.forgetLink();
      goTo(room);
    },
  };
}
