/**
 * The lines of a room's log: messages, unsent messages of the outbox, notices, days, and where the unread messages
 * begin. A pure function of the state; the page only draws it.
 *
 * @typedef {import("./notices.js").Notice} Notice
 * @typedef {import("./outbox.js").Entry} Entry
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./room.js").Room} Room
 *
 * @typedef {"sent"|"shown"|"sending"|"queued"|"failed"} Delivered `shown`: in the room, but not acked yet
 * @typedef {{kind: "message", key: string, was: string, seq: number|null, author: string, name: string, own: boolean,
 *   text: string, edited: string, at: number, start: boolean, end: boolean, state: Delivered,
 *   entry: Entry|undefined}} MessageLine
 *   `was`: the key it had in the outbox; `edited`: when, "" for never; `start`, `end`: of a run by one author within a minute
 * @typedef {{kind: "day", key: string, at: number}} DayLine
 * @typedef {{kind: "unread", key: string}} UnreadLine
 * @typedef {{kind: "notice", key: string, at: number, notice: Notice}} NoticeLine
 * @typedef {MessageLine|DayLine|UnreadLine|NoticeLine} Line
 */

/** @type {WeakMap<Message, number>} */
const times = new WeakMap();

/** @param {Message} message @returns {number} epoch milliseconds */
function timeOf(message) {
  let at = times.get(message);
  if (at === undefined) {
    at = Date.parse(message.timestamp) || 0;
    times.set(message, at);
  }
  return at;
}

/** Local midnight before `at`, equal for two times of one day. @param {number} at */
export function dayOf(at) {
  return new Date(at).setHours(0, 0, 0, 0);
}

/**
 * @param {Room} room
 * @param {Entry[]} entries the room's part of the outbox
 * @param {(senderId: string) => boolean} isMine
 * @returns {Line[]}
 */
export function timeline(room, entries, isMine) {
  const waiting = new Map(entries.map((entry) => [`${entry.author.id}/${entry.id}`, entry]));
  const notices = [...room.notices.list];
  /** @type {Line[]} */
  const lines = [];
  let dayEnd = -Infinity;

  // Days never go back, because the clocks of this machine and the server differ, and each day is drawn once.
  const at = (/** @type {number} */ time) => {
    if (time < dayEnd) return;
    const day = dayOf(time);
    dayEnd = new Date(day).setDate(new Date(day).getDate() + 1);
    lines.push({ kind: "day", key: `day:${day}`, at: day });
  };
  const notice = (/** @type {number} */ before) => {
    while (notices.length && notices[0].after < before) {
      const [next] = notices.splice(0, 1);
      at(next.at);
      lines.push({ kind: "notice", key: next.key, at: next.at, notice: next });
    }
  };

  for (const message of room.messages) {
    notice(message.seq);
    at(timeOf(message));
    if (message.seq === room.firstUnread) lines.push({ kind: "unread", key: "unread" });
    const id = `${message.sender_id}/${message.id}`;
    const entry = message.id === undefined ? undefined : waiting.get(id);
    if (entry) waiting.delete(id);
    lines.push({
      kind: "message",
      key: `seq:${message.seq}`,
      was: `out:${id}`,
      seq: message.seq,
      author: message.alias_of ?? message.sender_id,
      name: message.sender,
      own: isMine(message.alias_of ?? message.sender_id),
      text: message.content,
      edited: message.edited_at ?? "",
      at: timeOf(message),
      start: true,
      end: true,
      state: entry ? "shown" : "sent",
      entry,
    });
  }
  notice(Infinity);
  for (const [id, entry] of waiting) {
    at(entry.at);
    lines.push({
      kind: "message",
      key: `out:${id}`,
      was: "",
      seq: null,
      author: entry.author.id,
      name: entry.author.name,
      own: true,
      text: entry.content,
      edited: "",
      at: entry.at,
      start: true,
      end: true,
      state: entry.state === "sent" ? "sending" : entry.state,
      entry,
    });
  }
  group(lines);
  return lines;
}

/** Runs of one author within one minute are drawn as one. @param {Line[]} lines */
function group(lines) {
  for (let i = 1; i < lines.length; i += 1) {
    const [before, line] = [lines[i - 1], lines[i]];
    if (before.kind !== "message" || line.kind !== "message") continue;
    const same = before.author === line.author && before.name === line.name;
    if (!same || Math.floor(before.at / 60000) !== Math.floor(line.at / 60000)) continue;
    before.end = false;
    line.start = false;
  }
}
