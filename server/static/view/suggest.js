import { comparable, order } from "../state/people.js";
import { isHere } from "../state/standing.js";
import { commands } from "../words/completion.js";
import { commandsFor } from "./commands.js";
import { findEmoji, loadEmoji, toned } from "./emoji.js";
import { mention } from "./token.js";

/**
 * What may be meant by what is typed.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("./token.js").Token} Token
 * @typedef {{text: string, name: string, hint: string, sign: string, id?: string, here?: boolean}} Suggestion `text`: what
 *   is written; `sign`: what is shown before the name; `here`: whether that user is in the room
 */

const MOST = 8;
const MOST_PAGES = 10; // of a room's members, at once
/** How far they were read, by the map of a room: the cursor, "" for the end. @type {WeakMap<object, string>} */
const read = new WeakMap();

/**
 * What this page knows by itself.
 * @param {Token} token @param {State} state @param {Room} room
 * @returns {Suggestion[]}
 */
export function suggest(token, state, room) {
  if (token.kind === "user") return users(token.typed, people(state, room));
  if (token.kind === "room") return rooms(token.typed, [...state.rooms.values()].filter((each) => !each.direct));
  if (token.kind === "emoji") return emoji(token.typed, state);
  return commandsFor(room)
    .filter(({ name }) => name.startsWith(token.typed.toLowerCase()))
    .map(({ name, bare }) => ({ text: `/${name}${bare ? "" : " "}`, name: commands.usages[name], hint: commands.about[name], sign: "" }));
}

/**
 * What is not known yet: absent members, rooms that one is not in, the table of emoji.
 * @param {Token} token @param {State} state @param {any} act @param {Room} room
 * @returns {Promise<Suggestion[]> | null} null if there is no more
 */
export function suggestMore(token, state, act, room) {
  const { kind, typed } = token;
  if (kind === "emoji") return loadEmoji().then(() => emoji(typed, state));
  if (!typed || state.connection.name !== "open") return null;
  if (kind === "user" && room.stays) return members(typed, state, act, room);
  if (kind !== "room") return null;
  return act.rooms.list(typed).then((/** @type {{rooms: {room: string, title?: string}[]}} */ found) => {
    const mine = [...state.rooms.values()].filter((each) => !each.direct);
    return rooms(typed, [...mine, ...found.rooms.map(({ room: name, title }) => ({ name, title: title || name }))]);
  });
}

/** Those who belong to a room: its list is read until enough are found. @param {string} typed @param {State} state @param {any} act
 * @param {Room} room */
async function members(typed, state, act, room) {
  const known = room.members; // another one after the room was joined again
  for (let page = 0; ; page += 1) {
    const more = [...known.values()].filter(({ id }) => isHere(room, id) && !state.isMine(id));
    const found = users(typed, [...people(state, room), ...more.map(({ id, name, online }) => ({ id, name, here: online === true }))]);
    const cursor = read.get(known);
    if (found.length === MOST || cursor === "" || page === MOST_PAGES) return found;
    read.set(known, (await act.people.members(room.name, cursor ? { cursor } : {})).cursor ?? "");
  }
}

/** Those who are in the room, then those who have written. @param {State} state @param {Room} room */
function people(state, room) {
  const here = [...room.presence.members.values()].map(({ id, name }) => ({ id, name, here: true }));
  const wrote = room.messages.map((each) => ({ id: each.alias_of ?? each.sender_id, name: each.sender, here: false }));
  return [...here, ...wrote.reverse()].filter(({ id }) => !state.isMine(id));
}

/** A mention names a user, so that namesakes are one. @param {string} typed
 * @param {{id: string, name: string, here: boolean}[]} all @returns {Suggestion[]} */
function users(typed, all) {
  /** @type {Map<string, {id: string, name: string, here: boolean}>} */ const byName = new Map();
  for (const each of all) {
    const known = byName.get(comparable(each.name));
    if (!known || (each.here && !known.here)) byName.set(comparable(each.name), each);
  }
  return best([...byName.values()], typed, ({ name }) => [name], (each) => (each.here ? 0 : 1))
    .map(({ id, name, here }) => ({ text: `${mention("@", name)} `, name, hint: "", sign: "", id, here }));
}

/** @param {string} typed @param {{name: string, title: string}[]} all @returns {Suggestion[]} */
function rooms(typed, all) {
  const byName = new Map(all.map((each) => [each.name, each]));
  return best([...byName.values()], typed, ({ name, title }) => [name, title], () => 0)
    .map(({ name, title }) => ({ text: `${mention("#", name)} `, name: title, hint: title === name ? "" : name, sign: "#" }));
}

/** @param {string} typed @param {State} state @returns {Suggestion[]} */
function emoji(typed, state) {
  return findEmoji(typed, MOST, state.settings.get("emoji")).map((found) => {
    const sign = toned(found, state.settings.get("tone"));
    const code = found.codes.find((each) => each.startsWith(typed.toLowerCase())) ?? found.codes[0];
    return { text: `${sign} `, name: `:${code}:`, hint: found.label, sign };
  });
}

/**
 * Those whose name begins with what is typed, then those of which another word does.
 * @template T @param {T[]} all @param {string} typed @param {(each: T) => string[]} names @param {(each: T) => number} weigh
 */
function best(all, typed, names, weigh) {
  const wanted = comparable(typed);
  const rank = (/** @type {T} */ each) => {
    const known = names(each).map(comparable);
    if (known.some((name) => name.startsWith(wanted))) return 0;
    if (known.some((name) => name.split(/[^\p{L}\p{M}\p{N}]+/u).some((word) => word.startsWith(wanted)))) return 1;
    return known.some((name) => name.includes(wanted)) ? 2 : 3;
  };
  return all.map((each) => ({ each, rank: rank(each) }))
    .filter(({ rank }) => rank < 3)
    .sort((a, b) => a.rank - b.rank || weigh(a.each) - weigh(b.each) || order.compare(names(a.each)[0], names(b.each)[0]))
    .slice(0, MOST)
    .map(({ each }) => each);
}
