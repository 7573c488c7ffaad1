/**
 * The lines of a room's log: messages, unsent ones, notices, days, and where the unread messages begin. A pure function
 * of the state; the page only draws it.
 *
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Unsent} Unsent
 * @typedef {import("./notices.js").Notice} Notice
 * @typedef {{messages: Message[], notices: {list: Notice[]}, firstUnread: number|null}} Room what is needed of a room
 *
 * @typedef {"sent"|"shown"|"sending"|"queued"|"failed"} Delivered `shown`: in the room, but not acked yet
 * @typedef {{kind: "message", key: string, was: string, seq: number|null, message: Message|null, unsent: Unsent|null,
 *   author: string, name: string, own: boolean, at: number, start: boolean, last: boolean, delivered: Delivered}} MessageLine
 *   `was`: the key it had in the outbox, "" if none; `author`: the account, if the guest who wrote it has become one;
 *   `start`: the first of a run by one author; `last`: my newest message
 * @typedef {{kind: "deleted"|"blocked", key: string, seq: number, at: number, seqs: number[], author: string, name: string}}
 *   HiddenLine a run of messages that are not shown, each by its seq: deleted ones of one author, or those of all blocked ones
 * @typedef {{kind: "day", key: string, at: number}} DayLine
 * @typedef {{kind: "unread", key: string}} UnreadLine
 * @typedef {{kind: "notice", key: string, at: number, notice: Notice}} NoticeLine
 * @typedef {MessageLine|HiddenLine|DayLine|UnreadLine|NoticeLine} Line
 */

/** One author's messages are one run while the first is not older than this. */
const RUN = 5 * 60_000;

/** @type {WeakMap<Message, number>} */
const times = new WeakMap();

/** @param {Message} message @returns {number} epoch milliseconds */
export function timeOf(message) {
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
 * @param {Unsent[]} unsent the room's part of the outbox
 * @param {(id: string) => boolean} isMine
 * @param {(message: Message) => "deleted"|"blocked"|""} [hides] why a message that is there is not shown: it is about to
 *   be deleted, or its author is blocked
 * @returns {Line[]}
 */
export function timeline(room, unsent, isMine, hides = () => "") {
  const waiting = new Map(unsent.map((entry) => [`${entry.author.id}/${entry.id}`, entry]));
  /** @type {Line[]} */ const lines = [];
  let dayEnd = -Infinity;

  // Days never go back, because the clocks of this machine and the server differ, and each day is drawn once.
  const day = (/** @type {number} */ time) => {
    if (time < dayEnd) return;
    const start = dayOf(time);
    dayEnd = new Date(start).setDate(new Date(start).getDate() + 1);
    lines.push({ kind: "day", key: `day:${start}`, at: start });
  };
  let told = 0;
  const notices = (/** @type {number} */ before) => {
    for (; told < room.notices.list.length && room.notices.list[told].after < before; told += 1) {
      const notice = room.notices.list[told];
      day(notice.at);
      lines.push({ kind: "notice", key: notice.key, at: notice.at, notice });
    }
  };

  for (const message of room.messages) {
    const at = timeOf(message);
    notices(message.seq);
    day(at);
    if (message.seq === room.firstUnread) lines.push({ kind: "unread", key: "unread" });
    const hidden = message.deleted_at ? "deleted" : hides(message);
    if (hidden) hide(lines, hidden, message, at);
    else {
      const id = `${message.sender_id}/${message.id}`;
      const entry = (message.id && waiting.get(id)) || null;
      if (entry) waiting.delete(id);
      const author = message.alias_of ?? message.sender_id;
      lines.push({
        kind: "message",
        key: `seq:${message.seq}`,
        was: message.id ? `out:${id}` : "",
        seq: message.seq,
        message,
        unsent: entry,
        author,
        name: message.sender,
        own: isMine(author) || isMine(message.sender_id),
        at,
        start: true,
        last: false,
        delivered: entry ? "shown" : "sent",
      });
    }
  }
  notices(Infinity);
  for (const [id, entry] of waiting) {
    day(entry.at);
    lines.push({
      kind: "message",
      key: `out:${id}`,
      was: "",
      seq: null,
      message: null,
      unsent: entry,
      author: entry.author.id,
      name: entry.author.name,
      own: true,
      at: entry.at,
      start: true,
      last: false,
      delivered: entry.state === "sent" ? "sending" : entry.state,
    });
  }
  group(lines);
  return lines;
}

/** @param {Line[]} lines @param {"deleted"|"blocked"} kind @param {Message} message @param {number} at */
function hide(lines, kind, { seq, sender, sender_id, alias_of = sender_id }, at) {
  const last = lines.at(-1);
  if (last?.kind === kind && (kind === "blocked" || last.author === alias_of)) last.seqs.push(seq);
  else lines.push({ kind, key: `seq:${seq}`, seq, at, seqs: [seq], author: alias_of, name: sender });
}

/** Find the runs, and my newest message. @param {Line[]} lines */
function group(lines) {
  /** @type {MessageLine|null} */ let first = null; // of the run
  /** @type {MessageLine|null} */ let mine = null;
  for (const line of lines) {
    if (line.kind !== "message") {
      first = null;
      continue;
    }
    if (line.own) mine = line;
    const reply = line.message?.reply_to ?? line.unsent?.replyTo;
    const goes = first?.author === line.author && first.name === line.name && guestOf(first) === guestOf(line);
    if (first && goes && !reply && Math.abs(line.at - first.at) < RUN) line.start = false;
    else first = line;
  }
  if (mine) mine.last = true;
}

/** The guest who wrote a message that is an account's now. @param {MessageLine} line */
const guestOf = (line) => (line.message?.alias_of ? line.message.sender_id : "");
