/**
 * What a user does with their own account. All reject with `Refused`.
 *
 * @typedef {import("./index.js").Context} Context
 * @typedef {{id: string, device: string, address: string, created_at: string, refreshed_at: string, current: boolean}} Device
 * @typedef {Record<string, string>} Proof the password, and a code of the second factor
 */

/** @param {Context} context */
export function meActions({ state, session, api, app, messages: { settle } }) {
  const { login } = app;

  /** The account has changed. */
  function show() {
    if (login.me) session.identity.signIn(login.me);
    state.changed();
  }

  /** @param {object} changes */
  function note(changes) {
    if (login.me) Object.assign(login.me, changes);
    show();
  }

  return {
    /** @param {object} fields */
    async change(fields) {
      await login.change(fields);
      show();
    },

    /** Make what a guest of this browser wrote the account's. @param {string} name */
    async keepGuest(name) {
      await login.keep(state.guests.get(name)?.token ?? "");
      session.membership.adopt(`guest:${name}`);
      app.keeping.drop(state.guests.get(name)?.user?.id);
      state.moved(`guest:${name}`, false);
      state.guests.forget(name); // its token says nothing any more
    },

    /** @returns {Promise<Device[]>} this one is the first */
    async devices() {
      const { sessions } = await api.ask("GET", "me/sessions");
      return sessions.sort((/** @type {Device} */ a, /** @type {Device} */ b) => Number(b.current) - Number(a.current));
    },

    /** Sign one out. @param {string} id */
    endDevice: (id) => api.ask("DELETE", `me/sessions/${encodeURIComponent(id)}`),
    /** Sign all out but this one. */
    endOtherDevices: () => api.ask("DELETE", "me/sessions"),

    /** @param {Proof} proof @returns {Promise<{secret: string, uri: string}>} */
    beginFactor: (proof) => api.ask("POST", "me/totp", proof),

    /** @param {Proof} proof @returns {Promise<string[]>} recovery codes */
    async confirmFactor(proof) {
      const { recovery_codes: codes } = await api.ask("POST", "me/totp/confirm", proof);
      note({ second_factor: true, recovery_codes: codes.length });
      return codes;
    },

    /** @param {Proof} proof @returns {Promise<string[]>} new recovery codes */
    async newCodes(proof) {
      const { recovery_codes: codes } = await api.ask("POST", "me/totp/codes", proof);
      note({ recovery_codes: codes.length });
      return codes;
    },

    /** @param {Proof} proof */
    async endFactor(proof) {
      await api.ask("DELETE", "me/totp", proof);
      note({ second_factor: false });
    },

    /** Everything that the server holds about me. @returns {Promise<Blob>} */
    download: () => api.download("me/export"),

    /** Delete the account. @param {Proof} proof @param {boolean} messages whether to delete its messages, too
     * @param {string} news what to tell the user then */
    async remove(proof, messages, news) {
      const lost = await settle();
      await api.ask("DELETE", "me", { ...proof, messages: messages ? "delete" : "keep" });
      login.announce(login.me?.id);
      app.changeover.signOut(true, [news, lost].join(" ").trim());
    },
  };
}
