import { byId, setText } from "./dom.js";

/**
 * The entry form: a name and a room.
 *
 * @typedef {{field: "name"|"room"|"password"|"", text: string}} Refused
 */
export class EntryView {
  #form = byId("entry");
  #name = byId("name");
  #room = byId("room");
  #signedIn = false;
  /** Whether there is nothing to fill in: the server has no guests. */ #closed = false;
  /** @type {Refused | null} */ #refused = null;

  /** @param {(name: string, room: string) => void} start @param {(page: string) => void} account open a page about accounts */
  constructor(start, account) {
    for (const [id, page] of [["entry-sign-in", "signIn"], ["entry-register", "register"], ["entry-account", "profile"]]) {
      byId(id).addEventListener("click", () => account(page));
    }
    this.#form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const name = this.#name.value.normalize("NFC").trim();
      const room = this.#room.value.normalize("NFC").trim() || "general";
      if (!name && !this.#signedIn) return this.refuse({ field: "name", text: "Choose a name that others will see." });
      this.#clear();
      start(name, room);
    });
    for (const input of [this.#name, this.#room]) input.addEventListener("input", () => this.#clear());
  }

  #drawn = false;
  /** @param {import("../state/state.js").State} state */
  draw(state) {
    if (!this.#drawn) this.open(state.name, new URLSearchParams(location.search).get("r") ?? "general", state.account !== null);
    this.#drawn = true;
    this.refuse(state.entryError);
  }

  /** @param {string} name @param {string} room @param {boolean} signedIn whether the name is that of an account */
  open(name, room, signedIn) {
    this.#signedIn = signedIn;
    byId("entry-name").hidden = signedIn;
    byId("entry-as").hidden = !signedIn;
    byId("entry-guest").hidden = signedIn;
    setText(byId("lead"), signedIn ? "Pick a room, talk." : "Pick a name, pick a room, talk.");
    setText(byId("entry-me"), signedIn ? name : "");
    this.#name.value = name;
    this.#room.value = room;
    (name ? byId("join") : this.#name).focus();
  }

  /** Leave only the ways to an account. */
  requireAccount() {
    this.#closed = true;
    for (const id of ["entry-name", "entry-room", "join"]) byId(id).hidden = true;
    setText(byId("lead"), "This server requires an account.");
    byId("entry-sign-in").focus();
  }

  /** Show why entering failed, next to the field concerned. @param {Refused | null} refused */
  refuse(refused) {
    if (!refused || refused === this.#refused || this.#closed) return;
    this.#refused = refused;
    this.#clear();
    const field = refused.field === "room" || this.#signedIn ? "room" : "name";
    setText(byId(`${field}-error`), refused.text);
    const input = field === "room" ? this.#room : this.#name;
    input.setAttribute("aria-invalid", "true");
    input.focus();
    input.select();
  }

  #clear() {
    for (const input of [this.#name, this.#room]) {
      input.removeAttribute("aria-invalid");
      setText(byId(`${input.id}-error`), "");
    }
  }
}
