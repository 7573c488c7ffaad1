import { Refused, csrfToken } from "./net/api.js";
import { userOf } from "./net/token.js";
import { words } from "./words.js";

/**
 * What the page does when its user changes: an account that the cookies name, the user of an application's token, or a
 * guest. The page then starts again, and keeps its rooms and unsent messages.
 *
 * @typedef {import("./net/fragment.js").Link} Link
 * @typedef {import("./app.js").App} App
 */

/** The pages to which links lead. */
const LINKED = /** @type {const} */ ({ reset: "reset", email: "confirmEmail", admin: "firstAdmin" });

export class Changeover {
  /** Whether the page is about to begin again. */ reloading = false;
  /** Whether the login ended while this page acted for it. */ #ended = false;
  /** Whether the user was shown that a login is required. */ #required = false;

  /** @param {App} app */
  constructor(app) {
    this.app = app;
  }

  /** Begin again. @param {string} [news] what to tell the user then @param {string} [agreed] the room in which they go on */
  reload(news = "", agreed = this.#entered) {
    const { tab } = this.app.state;
    if (news) tab.set("news", news);
    tab.set("agreed", agreed);
    this.reloading = true;
    location.reload();
  }

  /** The room in front, if the person has been in it: a link that was not answered has not been agreed to. */
  get #entered() {
    const { front } = this.app.state;
    return this.app.session.membership.recent.includes(front) ? front : "";
  }

  /** The person has signed in here, perhaps for the room that the link or the entry page proposes. @param {string} [news] */
  onSignedIn(news) {
    const { front, ui } = this.app.state;
    this.reload(news, this.#ended ? undefined : front || ui.proposed);
  }

  /** Begin again, although nobody in this tab has asked for it. @param {string} [news] */
  #interrupt(news) {
    this.app.state.tab.set("unasked", true);
    this.reload(news);
  }

  /** Forget the person, and the address of the room. @param {boolean} unsent whether also what was not sent
   * @param {string} [news] @param {boolean} [asked] whether it is asked for in this tab */
  async signOut(unsent, news, asked = true) {
    const lost = await this.app.act.messages.settle();
    this.app.session.transport.stop();
    await this.app.forget(unsent);
    history.replaceState(null, "", location.pathname);
    return asked ? this.reload(news || lost) : this.#interrupt(news || lost);
  }

  /** Tell the user what was to be told when the page began again, and after signing in offer what they wrote as a guest. */
  tellNews() {
    const { state, act, login } = this.app;
    const { tab, guests } = state;
    const news = tab.get("news");
    tab.remove("news");
    if (typeof news === "string") state.toast(news);
    state.ui.unasked = tab.get("unasked") !== null;
    tab.remove("unasked");
    if (tab.get("offer") === null || !login.me || tab.get("invite")) return; // a link comes first
    const guest = guests.get(tab.get("offer")) ?? guests.list()[0];
    tab.remove("offer");
    if (!guest || guest.offered) return;
    guests.save({ ...guest, offered: true });
    act.ui.dialog("keep", { guest: guest.name });
  }

  /** Have a valid token in the cookie. @param {boolean} doubtful see `Login.ready` @returns {Promise<boolean>} */
  async renew(doubtful) {
    const { login, session, act } = this.app;
    try {
      if (await login.ready(doubtful)) {
        if (login.me) session.identity.signIn(login.me);
        return true;
      }
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 403) throw error;
      session.transport.stop();
      this.app.state.ui.unasked = true;
      act.account.open("denied", { lead: error.message });
      return false;
    }
    if (csrfToken()) this.#interrupt();
    else this.#signedOut();
    return false;
  }

  /** Another tab has signed in or out, or changed the account. @param {string} out the id of the account that it signed out */
  async onTabs(out) {
    const { login, session, state } = this.app;
    const before = login.me?.id;
    const me = await login.load(() => {});
    if (before && !me) return this.signOut(before === out, "", false);
    if (me?.id !== before || state.ended) return this.#interrupt();
    if (me) session.identity.signIn(me);
    return state.changed();
  }

  /** Another tab has changed what the browser keeps of my guest: signed it out, renamed it, or created it as well. */
  onGuest() {
    const { login, session, state } = this.app;
    if (login.me || session.identity.applied || !state.me) return undefined;
    const saved = state.guests.get(state.kept);
    if (saved?.user?.id === state.me.id) return undefined;
    const renamed = state.guests.nameOf(state.me.id);
    if (renamed) state.tab.set("name", renamed);
    return saved || renamed ? this.#interrupt() : this.signOut(true, "", false);
  }

  /** Another tab has a new token of the application, or has signed its user out. */
  onApplied() {
    const { login, session, state } = this.app;
    const { identity } = session;
    if (login.me) return undefined;
    const user = identity.appliedUser;
    if (!user) return identity.applied ? this.signOut(true, "", false) : undefined;
    if (!identity.appliedToken) return undefined; // it has ended; this tab will be told so, too
    if (!identity.applied || state.me?.id !== user.id) return this.#interrupt(words.trouble.nowFor(user.name));
    identity.applyKept();
    return identity.onOpen(); // the connection goes on with the new one
  }

  /** The server does not accept the application's token. @param {boolean} fresh whether it is that of a link */
  onTokenRefused(fresh) {
    const { session, state } = this.app;
    if (fresh) state.tab.remove("rooms"); // it may have been a link with a forged token, which nobody has agreed to
    if (fresh && (session.identity.appliedToken || state.guests.list().length)) this.#interrupt(words.trouble.tokenRefused);
    else session.admission.refuse(words.trouble.tokenEnded);
  }

  /** The server takes this page for another user than the one that it acts for. */
  async onOther() {
    const { login, session } = this.app;
    const before = login.me?.id;
    session.transport.stop();
    const now = await login.load(() => {});
    if (now?.id !== before) return this.#interrupt();
    // Reloading would meet the same: the server does not take its own page for its own, or the browser keeps no cookies.
    return session.admission.refuse(words.trouble.loginNotAccepted);
  }

  /** @param {number} code @returns {boolean} whether a page about accounts says what has happened */
  onStopped(code) {
    if (code === 4101) {
      this.require(false);
      return true;
    }
    if (code !== 4105 || !this.app.login.me) return false;
    // The cookies of a login that has ended are removed by the answer to a refresh.
    this.renew(true).catch((error) => {
      if (!(error instanceof Refused)) throw error;
      this.#signedOut();
    });
    return true;
  }

  /** A page about accounts was closed. @returns {boolean} whether the page begins again: it has no user any more */
  onClose() {
    if (this.#ended) this.reload();
    return this.#ended;
  }

  /** Ask to sign in, once, if the server has no guests. @param {boolean} guests */
  require(guests) {
    const { login, session, state, act } = this.app;
    if (guests || login.me || session.identity.applied) return;
    if (!state.entryError) session.admission.refuse(words.trouble.closed[4101]); // else something more important is said
    if (state.ui.view !== "account" && !state.ended && !this.#required && state.entryError?.text === words.trouble.closed[4101]) {
      act.account.open("signIn", { lead: words.trouble.closed[4101] });
    }
    this.#required = true; // "Back" leads to the entry page, which has nothing for guests
  }

  /**
   * Show the page that a link leads to, at first or after signing in.
   * @param {Link | null} link the one in the address @returns {boolean} whether there is one
   */
  follow(link) {
    const { state, act } = this.app;
    if (link?.kind === "token") {
      if (this.admits(link.token)) this.reload();
      return true;
    }
    if (link?.kind === "invite" && link.token) state.tab.set("invite", link.token);
    const invited = state.tab.get("invite");
    if (link && !link.token) act.account.open("incomplete");
    else if (link && link.kind !== "invite") act.account.open(LINKED[link.kind], { token: link.token });
    else if (typeof invited === "string") act.account.open("invite", { token: invited });
    return Boolean(link ?? invited);
  }

  /**
   * Take a token of the application from a link, and act for its user when the page begins. Anybody can send such a link,
   * with a token of their own: if this browser acts for somebody else, the person is asked before.
   * @param {string} token @param {{id: string, name: string} | null} [ended] whose login has just ended
   * @param {string} [room] to which the link leads
   * @returns {boolean} whether the page may begin with it now
   */
  admits(token, ended, room) {
    const { login, session, state, act } = this.app;
    const user = userOf(token);
    if (!user) return false;
    if (login.me) {
      state.toast(words.trouble.tokenBeside(login.me.name)); // its cookies would act for it nevertheless
      return false;
    }
    const [guest] = state.guests.list();
    const before = session.identity.appliedUser ?? ended ?? (guest && { id: guest.user?.id ?? "", name: guest.name });
    if (before && before.id !== user.id) {
      act.ui.dialog("continue", { user, before, run: () => (state.tab.set("token", token), this.reload("", room)) });
      return false;
    }
    state.tab.set("token", token);
    return true;
  }

  /** The login has ended: the page keeps its rooms and unsent messages for when the user signs in again. */
  #signedOut() {
    const { session, login, act, state } = this.app;
    session.transport.stop();
    this.app.keeping.drop(); // perhaps it was ended because this device was lost
    const [lead, username] = [words.trouble.signInAgain, login.me?.username];
    const signIn = () => act.account.open("signIn", { lead, username });
    if (state.ui.view === "chat" && state.room?.loaded) {
      state.ended = { text: lead, button: "signIn", run: signIn };
      return state.changed();
    }
    this.#ended = state.ui.unasked = true;
    return signIn();
  }
}
