import { avatar } from "./avatar.js";
import { byId, el, icon, setText } from "./dom.js";
import { mark } from "./mark.js";

/**
 * The rooms of this tab, the people in the current one, and me. Next to the log if there is space, else a drawer.
 *
 * @typedef {import("../room.js").Room} Room
 * @typedef {import("../protocol.js").User} User
 * @typedef {{enter: (room: string) => void, leave: (room: Room) => void, quit: () => void,
 *   account: () => void, link: (room: string) => string}} Actions
 */
const WIDE = matchMedia("(min-width: 50rem)");

export class Sidebar {
  #side = byId("sidebar");
  #toggle = byId("menu");
  #main = byId("main");
  #rooms = byId("rooms");
  #people = byId("people");
  #drawn = { rooms: "", people: "" };
  #open = false;

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.#toggle.addEventListener("click", () => this.#show(!this.#open));
    byId("menu-close").addEventListener("click", () => this.#show(false));
    byId("backdrop").addEventListener("click", () => this.#show(false));
    byId("quit").addEventListener("click", () => actions.quit());
    byId("account-open").addEventListener("click", () => {
      this.#show(false);
      actions.account();
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#open && this.#show(false));
    WIDE.addEventListener("change", () => this.#show(false));
    byId("new-room").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const input = byId("new-room-name");
      const name = input.value.normalize("NFC").trim();
      if (!name) return input.focus();
      input.value = "";
      this.#show(false);
      actions.enter(name);
    });
    this.#show(false);
  }

  /** @param {Map<string, Room>} rooms @param {Room} active @param {User | null} me @param {string} name
   * @param {boolean} signedIn */
  render(rooms, active, me, name, signedIn) {
    setText(byId("account-open"), signedIn ? "Account" : "Sign in");
    const people = active.presence.list(me?.id);
    this.#renderRooms([...rooms.values()], active);
    this.#renderPeople(people, active.presence.count, me, active.status === "closed");
    const mine = byId("me");
    if (mine.dataset.shows !== `${me?.id} ${me?.name ?? name}`) {
      mine.dataset.shows = `${me?.id} ${me?.name ?? name}`;
      mine.title = me?.name ?? name; // there is little space for it
      mine.replaceChildren(avatar(me?.id ?? "", me?.name ?? name), el("bdi", { class: "me-name" }, me?.name ?? name));
    }
  }

  /** @param {boolean} open */
  #show(open) {
    const had = this.#side.contains(document.activeElement);
    this.#open = open;
    document.body.classList.toggle("drawer-open", open);
    this.#toggle.setAttribute("aria-expanded", String(open));
    // The page under an open drawer, and a closed drawer, are inert for the keyboard and screen readers.
    this.#side.inert = !open && !WIDE.matches;
    this.#main.inert = open;
    if (open) byId("menu-close").focus();
    else if (had && !WIDE.matches) this.#toggle.focus();
  }

  /** @param {Room[]} rooms @param {Room} active */
  #renderRooms(rooms, active) {
    const drawn = rooms.map((room) => `${room.name}\n${room.unread}\n${room === active}`).join("\n\n");
    if (drawn === this.#drawn.rooms) return;
    this.#drawn.rooms = drawn;
    const order = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });
    rooms.sort((a, b) => order.compare(a.name, b.name));
    const focused = /** @type {HTMLElement} */ (document.activeElement).dataset.control;
    this.#rooms.replaceChildren(...rooms.map((room) => this.#roomItem(room, room === active, rooms.length > 1)));
    // The unread count of another room may change while the user is about to click it.
    if (focused) for (const each of this.#rooms.querySelectorAll("[data-control]")) {
      if (each.dataset.control === focused) each.focus();
    }
  }

  /** @param {Room} room @param {boolean} active @param {boolean} leavable */
  #roomItem(room, active, leavable) {
    const link = el(
      "a",
      {
        href: this.actions.link(room.name),
        class: "room",
        "data-control": `enter ${room.name}`,
        "aria-current": active ? "page" : undefined,
        click: (/** @type {MouseEvent} */ event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab is another user
          event.preventDefault();
          this.#show(false);
          this.actions.enter(room.name);
        },
      },
      el("span", { class: "hash", "aria-hidden": "true" }, "#"),
      el("bdi", { class: "room-name" }, room.name),
    );
    if (room.unread) {
      link.append(el("span", { class: "badge" }, room.unread > 99 ? "99+" : String(room.unread), el("span", { class: "sr" }, " unread")));
    }
    const item = el("li", {}, link);
    if (!leavable) return item;
    const label = `Leave ${room.name}`;
    const leave = el("button", { type: "button", class: "icon-button leave", "aria-label": label, title: label });
    leave.dataset.control = `leave ${room.name}`;
    leave.addEventListener("click", () => this.actions.leave(room));
    leave.append(icon("close"));
    item.append(leave);
    return item;
  }

  /** @param {User[]} people @param {number} count @param {User | null} me @param {boolean} closed */
  #renderPeople(people, count, me, closed) {
    const drawn = `${closed}\n${count}\n${me?.id}\n${people.map((user) => `${user.id} ${user.name}`).join("\n")}`;
    if (drawn === this.#drawn.people) return;
    this.#drawn.people = drawn;
    const known = count > 0; // 0, without even me: the room is not entered yet
    setText(byId("people-count"), known ? String(count) : "");
    this.#toggle.dataset.count = known ? String(count) : "";
    setText(byId("room-count"), closed ? "You are not in this room" : !known ? "Entering…" : count === 1 ? "Only you are here" : `${count} people here`);
    const items = people.map((user) => {
      const you = user.id === me?.id ? el("span", { class: "you" }, "you") : "";
      return el("li", {}, avatar(user.id, user.name), el("bdi", { class: "person" }, user.name), mark(user.id), you);
    });
    if (count > people.length) items.push(el("li", { class: "more" }, `and ${count - people.length} more`));
    this.#people.replaceChildren(...items);
  }
}
