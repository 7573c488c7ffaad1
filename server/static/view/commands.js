import { Refused } from "../net/api.js";
import { comparable } from "../state/people.js";
import { commands as words } from "../words/completion.js";
import { goTo } from "./go.js";
import { named } from "./token.js";

/**
 * What is typed after a slash. Each does what a button does elsewhere; the server decides whether it may be done.
 *
 * @typedef {import("../state/state.js").State} State
 * @typedef {import("../state/room.js").Room} Room
 * @typedef {import("../state/types.js").User} User
 * @typedef {{state: State, act: any, room: Room, rest: string}} Call `rest`: what follows the command's name
 * @typedef {{name: keyof typeof words.about, moderates?: boolean, bare?: boolean, run: (call: Call) => unknown}} Command
 *   `moderates`: for moderators; `bare`: nothing follows
 */

/** Why a command is not carried out, as a sentence next to the message box. @param {string} text */
const refused = (text) => new Refused("command", text);

/** @type {Command[]} */
const COMMANDS = [
  { name: "join", run: ({ state, act, rest }) => goTo(state, act, named(needed(rest, "join"))) },
  { name: "leave", bare: true, run: ({ act, room }) => act.rooms.leave(room.name) },
  { name: "topic", moderates: true, run: ({ act, room, rest }) => act.rooms.update(room.name, { topic: rest }) },
  { name: "invite", moderates: true, run: async (call) => call.act.people.invite(call.room.name, (await target(call, "invite")).id) },
  { name: "kick", moderates: true, run: (call) => onPerson(call, "kick") },
  { name: "ban", moderates: true, run: (call) => onPerson(call, "ban") },
  { name: "mute", moderates: true, run: (call) => onPerson(call, "mute") },
  { name: "unmute", moderates: true, run: (call) => onPerson(call, "unmute") },
  { name: "help", bare: true, run: () => {} },
];

/** The commands that one may use in a room. @param {Room} room @returns {Command[]} */
export function commandsFor(room) {
  return COMMANDS.filter((command) => !command.moderates || room.mayModerate);
}

/**
 * Carry out what was typed. Nothing of it is sent to the room.
 * @param {State} state @param {any} act @param {string} name of the room in which it was typed @param {string} text
 * @returns {Promise<string>} what is left in the message box
 * @throws {Refused} also for a command that does not exist
 */
export async function runCommand(state, act, name, text) {
  const [, typed, rest] = /** @type {RegExpMatchArray} */ (text.match(/^\/(\p{L}+)\s*([^]*)$/u));
  const command = COMMANDS.find((each) => each.name === typed.toLowerCase());
  if (!command) throw refused(words.unknown(typed));
  const room = state.rooms.get(name);
  if (!room || !commandsFor(room).includes(command)) throw refused(words.notNow(command.name));
  await command.run({ state, act, room, rest: rest.trim() });
  return command.name === "help" ? "/" : "";
}

/** @param {string} rest @param {Command["name"]} name */
function needed(rest, name) {
  if (!rest) throw refused(words.usage(words.usages[name]));
  return rest;
}

/** `ann 10m flooding`, or `@[Ann B] flooding`. @param {Call} call @param {"kick"|"ban"|"mute"|"unmute"} verb */
async function onPerson(call, verb) {
  const user = await target(call, verb);
  const after = call.rest.slice(first(call.rest).length).trim();
  const time = verb === "ban" || verb === "mute" ? after.match(/^(\d+)\s*([smhd])(?=\s|$)/i) : null;
  if (!time && (verb === "ban" || verb === "mute") && /^\d/.test(after)) throw refused(words.badTime);
  const reason = after.slice(time?.[0].length ?? 0).trim();
  const seconds = time ? Number(time[1]) * { s: 1, m: 60, h: 3600, d: 86400 }[/** @type {"s"} */ (time[2].toLowerCase())] : undefined;
  await call.act.people[verb](call.room.name, user.id, { ...(seconds ? { seconds } : {}), ...(reason ? { reason } : {}) });
}

/** The name at the beginning of what follows a command. @param {string} rest */
function first(rest) {
  return rest.match(/^[@]?(?:\[(?:[^\]\\]|\\.)*\]|\S+)/u)?.[0] ?? "";
}

/** The user who is meant. @param {Call} call @param {Command["name"]} verb @returns {Promise<User>} */
async function target({ state, act, room, rest }, verb) {
  const name = named(first(needed(rest, verb)));
  /** @type {Map<string, User>} */ const found = new Map();
  const look = (/** @type {User[]} */ users) => {
    for (const user of users) if (comparable(user.name) === comparable(name)) found.set(user.id, user);
  };
  look([...room.presence.members.values()]);
  look(room.messages.map((message) => ({ id: message.alias_of ?? message.sender_id, name: message.sender })));
  if (!found.size && verb === "invite") look([...state.names].map(([id, each]) => ({ id, name: each })));
  if (!found.size) look((await act.people.members(room.name)).members);
  if (found.size > 1) throw refused(words.several(name));
  const [user] = found.values();
  if (!user) throw refused(words.nobody(name));
  return user;
}
