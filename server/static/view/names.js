import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { comparable, kindOf } from "../state/people.js";
import { words } from "../words.js";

/**
 * Names prove nothing: guests choose theirs freely, and two users may have the same one.
 *
 * @typedef {import("../state/types.js").User} User
 */

const LEAST = 3; // letters of an id: fewer look like a typo

/** How a name looks, and how its letters are told: names with one look are told apart. `view/lookalikes.js` knows more about this
 * than the first view. */
export const looks = { of: comparable, spelled: (/** @type {string} */ name) => name };

/** The mark of users whose name proves nothing; accounts have none. @param {string} id */
export function mark(id) {
  const kind = kindOf(id);
  return kind ? html`<span class="mark" title=${words.common.kindMeanings[kind]}>${words.common.kinds[kind]}</span>` : nothing;
}

/**
 * The users among these whose name looks like that of another one, with the end of their id that tells them apart.
 * @param {Iterable<User>} users @returns {Map<string, string>} id -> "x7p"
 */
export function namesakes(users) {
  /** @type {Map<string, Set<string>>} */ const ids = new Map();
  for (const { id, name } of users) {
    const key = looks.of(name);
    const known = ids.get(key);
    if (known) known.add(id);
    else ids.set(key, new Set([id]));
  }
  /** @type {Map<string, string>} */ const found = new Map();
  for (const group of ids.values()) {
    if (group.size < 2) continue;
    let length = LEAST;
    const ends = () => new Set([...group].map((id) => id.slice(-length)));
    while (ends().size < group.size && length < 64) length += 1;
    for (const id of group) found.set(id, id.slice(-length));
  }
  return found;
}

/**
 * The rooms whose title looks like that of another one, with what tells them apart: the name, its letters if the names look alike,
 * too, and of direct rooms the end of the other user's id.
 * @param {Iterable<{name: string, title: string, peer?: User | null}>} rooms @returns {Map<string, string>} name -> "board15", "#x7p"
 */
export function twins(rooms) {
  /** @type {Map<string, string[]>} */ const names = new Map();
  /** @type {Map<string, string>} */ const found = new Map();
  const peers = namesakes([...rooms].flatMap((room) => room.peer ?? []));
  for (const { name, title, peer } of rooms) {
    const end = peer && peers.get(peer.id);
    if (end) found.set(name, `#${end}`);
    if (!peer) names.set(looks.of(title), [...(names.get(looks.of(title)) ?? []), name]);
  }
  for (const group of names.values()) {
    const alike = (/** @type {string} */ name) => group.some((other) => other !== name && looks.of(other) === looks.of(name));
    if (group.length > 1) for (const name of group) found.set(name, alike(name) ? looks.spelled(name) : name);
  }
  return found;
}

/** What stands beside a room's title: what tells it from its twins, the mark of a guest. @param {import("../state/room.js").Room} room @param {Map<string, string>} alike */
export function beside({ name, title, peer }, alike) {
  const more = alike.get(name);
  return html`${more && more !== title ? html`<bdi class="id-end">${more}</bdi>` : nothing}${peer ? mark(peer.id) : nothing}`;
}

/** A name in a text of any direction, with what tells namesakes apart. @param {User} user @param {Map<string, string>} [alike] */
export function nameOf({ id, name }, alike) {
  const end = alike?.get(id);
  return html`<bdi class="person">${name}</bdi>${end ? html`<span class="id-end" dir="ltr" title=${id}>#${end}</span>` : nothing}`;
}
