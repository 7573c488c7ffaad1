import { Refused, csrfToken } from "./api.js";
import { LINKED } from "./index.js";

/**
 * What this tab does when the browser's login changes: it acts for the account that the cookies name, or for a guest.
 * Wherever that becomes another one, the page begins again, and keeps its rooms and unsent messages.
 *
 * @typedef {import("./account.js").Account} Account
 * @typedef {import("./fragment.js").Link} Link
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../session.js").Session} Session
 * @typedef {import("../storage.js").TabStore} TabStore
 */

const REQUIRED = "This server requires an account.";

export class TabLogin {
  /** Whether the page is about to begin again. */ reloading = false;
  /** Whether the login ended while this tab acted for it. */ #ended = false;
  /** Whether the user was shown that a login is required. */ #required = false;

  /**
   * @param {{account: Account, store: TabStore, session: () => Session, pages: () => Pages,
   *   start: (name: string, rooms: string[], active: string) => void}} options
   */
  constructor({ account, store, session, pages, start }) {
    this.account = account;
    this.store = store;
    this.session = session;
    this.pages = pages;
    this.start = start;
  }

  /** Begin again. @param {string} [news] what to tell the user then */
  reload(news = "") {
    if (news) this.store.set("news", news);
    this.reloading = true;
    location.reload();
  }

  /** Forget the account, and the address of its room. @param {boolean} unsent whether also what was not sent
   * @param {string} [news] */
  signOut(unsent, news) {
    this.session().signOut(unsent);
    history.replaceState(null, "", location.pathname);
    this.reload(news);
  }

  /** Tell the user what was to be told when the page began again. */
  tellNews() {
    const news = this.store.get("news");
    this.store.remove("news");
    if (typeof news === "string") this.session().alert(news, true);
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
    return this.session().onChange();
  }

  /** The server takes this tab for another user than the one that it acts for. */
  async onOther() {
    const session = this.session();
    const before = this.account.me?.id;
    session.transport.stop();
    const now = await this.account.load(() => {});
    if (now?.id !== before) return this.reload();
    // Reloading would meet the same: the server does not take its own page for its own, or the browser keeps no cookies.
    return session.alert("The server did not accept the login of this browser. Its operator has to check PUBLIC_URL.");
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
    if (guests || this.account.me) return;
    this.session().refuse(REQUIRED);
    if (!this.pages().title && !this.#required) this.pages().open("signIn", { lead: REQUIRED });
    this.#required = true; // "Back" leads to the form, which has nothing for guests
  }

  /** Accept an invite link as a new guest, for which a connection is needed first. @param {string} name @param {string} token */
  async acceptAsGuest(name, token) {
    const session = this.session();
    if (!session.identity.known || session.identity.name !== name) {
      const settled = session.settled();
      this.start(name, [], "");
      const wrong = await settled;
      session.refused = null;
      if (wrong) throw new Refused("reserved_name", wrong, { fields: { name: wrong } });
    }
    const guest = { token: session.identity.guestToken };
    const { room } = await this.account.api.ask("POST", "links/accept", { token }, guest);
    this.store.remove("invite");
    this.pages().enter(room);
  }

  /**
   * Show the page that a link leads to, at first or after signing in.
   * @param {Link | null} link the one in the address @returns {boolean} whether there is one
   */
  follow(link) {
    if (link?.kind === "invite" && link.token) this.store.set("invite", link.token);
    const invited = this.store.get("invite");
    if (link && !link.token) this.pages().open("incomplete");
    else if (link && link.kind !== "invite") this.pages().open(LINKED[link.kind], { token: link.token });
    else if (typeof invited === "string") this.pages().open("invite", { token: invited });
    return Boolean(link ?? invited);
  }

  /** The login has ended: the tab keeps its rooms and unsent messages for when the user signs in again. */
  #signedOut() {
    this.session().transport.stop();
    this.#ended = true;
    this.pages().open("signIn", { lead: "You were signed out. Sign in to continue.", username: this.account.me?.username });
  }
}
