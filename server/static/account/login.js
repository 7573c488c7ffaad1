import { Refused, csrfToken } from "../net/api.js";
import { words } from "../words.js";
import { LINKED } from "./index.js";

/**
 * What this page does when the browser's login changes: it acts for the account that the cookies name, for the user of an
 * application's token, or for a guest. Wherever that becomes another one, the page begins again, and keeps its rooms and
 * unsent messages.
 *
 * @typedef {import("./account.js").Account} Account
 * @typedef {import("./fragment.js").Link} Link
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../net/session.js").Session} Session
 * @typedef {import("../state/state.js").State} State
 */

export class TabLogin {
  /** Whether the page is about to begin again. */ reloading = false;
  /** Whether the login ended while this page acted for it. */ #ended = false;
  /** Whether the user was shown that a login is required. */ #required = false;

  /**
   * @param {{account: Account, state: State, session: () => Session, pages: () => Pages,
   *   start: (name: string, room: string) => void, forget: (unsent: boolean) => void}} options `forget`: what this page
   *   knows of the person who signs out, and with `unsent` what was not sent
   */
  constructor({ account, state, session, pages, start, forget }) {
    this.account = account;
    this.state = state;
    this.session = session;
    this.pages = pages;
    this.start = start;
    this.forget = forget;
  }

  /** Begin again. @param {string} [news] what to tell the user then */
  reload(news = "") {
    if (news) this.state.tab.set("news", news);
    this.reloading = true;
    location.reload();
  }

  /** Forget the person, and the address of the room. @param {boolean} unsent whether also what was not sent
   * @param {string} [news] */
  signOut(unsent, news) {
    this.session().transport.stop();
    this.forget(unsent);
    history.replaceState(null, "", location.pathname);
    this.reload(news);
  }

  /** Tell the user what was to be told when the page began again. */
  tellNews() {
    const news = this.state.tab.get("news");
    this.state.tab.remove("news");
    if (typeof news === "string") this.session().say(news);
  }

  /** Have a valid token in the cookie. @param {boolean} doubtful see `Account.ready` @returns {Promise<boolean>} */
  async renew(doubtful) {
    try {
      if (await this.account.ready(doubtful)) {
        if (this.account.me) this.session().identity.signIn(this.account.me);
        return true;
      }
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 403) throw error;
      this.session().transport.stop();
      this.pages().open("denied", { lead: error.message });
      return false;
    }
    if (csrfToken()) this.reload();
    else this.#signedOut();
    return false;
  }

  /** Another tab has signed in or out, or changed the account. */
  async onTabs() {
    const before = this.account.me?.id;
    const me = await this.account.load(() => {});
    if (before && !me) return this.signOut(false);
    if (me?.id !== before) return this.reload();
    if (me) this.session().identity.signIn(me);
    return this.state.changed();
  }

  /** The server takes this page for another user than the one that it acts for. */
  async onOther() {
    const session = this.session();
    const before = this.account.me?.id;
    session.transport.stop();
    const now = await this.account.load(() => {});
    if (now?.id !== before) return this.reload();
    // Reloading would meet the same: the server does not take its own page for its own, or the browser keeps no cookies.
    return session.refuse(words.trouble.loginNotAccepted);
  }

  /** @param {number} code @returns {boolean} whether a page about accounts says what has happened */
  onStopped(code) {
    if (code === 4101) {
      this.require(false);
      return true;
    }
    if (code !== 4105 || !this.account.me) return false;
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
    if (guests || this.account.me || this.session().identity.applied) return;
    this.session().refuse(words.trouble.closed[4101]);
    if (!this.pages().title && !this.#required) this.pages().open("signIn", { lead: words.trouble.closed[4101] });
    this.#required = true; // "Back" leads to the form, which has nothing for guests
  }

  /** Accept an invite link as a new guest, for which a connection is needed first. @param {string} name @param {string} token */
  async acceptAsGuest(name, token) {
    const session = this.session();
    if (!this.state.known || this.state.name !== name) {
      const settled = session.settled();
      this.start(name, "");
      const wrong = await settled;
      this.state.entryError = null;
      if (wrong) throw new Refused("reserved_name", wrong, { fields: { name: wrong } });
    }
    const { room } = await this.account.api.ask("POST", "links/accept", { token }, { token: session.identity.token });
    this.state.tab.remove("invite");
    this.pages().enter(room);
  }

  /**
   * Show the page that a link leads to, at first or after signing in.
   * @param {Link | null} link the one in the address @returns {boolean} whether there is one
   */
  follow(link) {
    if (link?.kind === "token") return this.#apply(link.token);
    if (link?.kind === "invite" && link.token) this.state.tab.set("invite", link.token);
    const invited = this.state.tab.get("invite");
    if (link && !link.token) this.pages().open("incomplete");
    else if (link && link.kind !== "invite") this.pages().open(LINKED[link.kind], { token: link.token });
    else if (typeof invited === "string") this.pages().open("invite", { token: invited });
    return Boolean(link ?? invited);
  }

  /** The application has given a token to the page that is open: act for its user. @param {string} token */
  #apply(token) {
    if (!token) return false;
    this.session().identity.apply(token);
    this.reload();
    return true;
  }

  /** The login has ended: the page keeps its rooms and unsent messages for when the user signs in again. */
  #signedOut() {
    this.session().transport.stop();
    this.#ended = true;
    this.pages().open("signIn", { lead: words.trouble.signInAgain, username: this.account.me?.username });
  }
}
