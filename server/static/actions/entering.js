import { Refused } from "../net/api.js";
import { words } from "../words.js";

/**
 * Coming in: as a guest, with an account, by a link. All ask the server, and reject with `Refused`. They are part of
 * `act.account`.
 *
 * @typedef {import("./index.js").Context} Context
 * @typedef {{registers: boolean, room?: string, title?: string}} Invite what an invite link is for
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
      if (create) return context.rooms.enter(clean(room), room === ui.proposed ? { seq: ui.seq } : {});
      try {
        await context.rooms.open(clean(room), { password });
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "reserved_name" || error.fields.room) throw error;
        identity.renames(); // the room refuses the name of a guest, who stays the same one under another name
        throw new Refused(error.code, error.message, { fields: { name: error.message } });
      }
      return undefined;
    },

    /** Forget a guest that this browser knows. @param {string} name */
    async forgetGuest(name) {
      const { user, former = [] } = state.guests.get(name) ?? {};
      for (const id of [user?.id, ...former]) app.dropKept(id);
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
    findLink: (token) => api.ask("POST", "links/find", { token }),

    /** Accept an invite link to a room, and enter that. @param {string} token @param {string} [name] of a guest */
    async acceptLink(token, name) {
      if (name !== undefined) await connect(name);
      const { room } = await api.ask("POST", "links/accept", { token }, { token: identity.token });
      context.account.forgetLink();
      goTo(room);
    },
  };
}
