import { words } from "../../words.js";
import { STRETCHES, quick } from "../beginning.js";
import { plain } from "../markdown/text.js";

/**
 * Says new messages of others to a screen reader, in a region of its own: what the log draws and redraws, and history that
 * is loaded, is not announced.
 *
 * @typedef {import("../../state/room.js").Room} Room
 * @typedef {import("../../state/timeline.js").Line} Line
 */

const KEPT = 10; // what is said stays for a while: a screen reader may come to it late
const BULK = 8; // more at once than anybody wants to hear are counted

export class Announcer {
  /** @type {Room | null} */ #room = null;
  #heard = 0;

  /** @param {HTMLElement} region with `aria-live` */
  constructor(region) {
    this.region = region;
  }

  /** @param {Room} room @param {Line[]} lines */
  tell(room, lines) {
    const last = room.messages.at(-1)?.seq ?? 0;
    if (room !== this.#room || !room.loaded || !this.#heard) {
      if (room !== this.#room) this.region.replaceChildren();
      this.#room = room;
      this.#heard = room.loaded ? Math.max(last, 1) : 0;
      return;
    }
    if (room.hasNewer) this.#heard = Math.max(this.#heard, room.head); // what is read on the way to the present is not new
    if (last <= this.#heard) return;
    const fresh = [];
    for (let i = lines.length - 1; i >= 0; i -= 1) {
      const line = lines[i];
      if (line.kind === "message" && line.seq !== null && line.seq <= this.#heard) break;
      if (line.kind === "message" && line.message && !line.own) fresh.unshift(line);
    }
    this.#heard = last;
    if (fresh.length > BULK) this.#say(words.log.newMessages(fresh.length));
    else for (const { name, message } of fresh) this.#say(words.log.said(name, quick(plain(message?.content ?? ""), STRETCHES)));
  }

  /** @param {string} text */
  #say(text) {
    const said = document.createElement("p");
    said.textContent = text;
    this.region.append(said);
    while (this.region.children.length > KEPT) this.region.firstChild?.remove();
  }
}
