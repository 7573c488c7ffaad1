"""What the log of a room consists of, line by line, and which of its lines are drawn: modules without a page."""

import json
from typing import Any

from playwright.async_api import Page

from tests.browser.test_modules import run

TIMELINE = {"state/timeline.js": "timeline"}
SLICE = {"view/log/slice.js": "Slice"}
# `told` names each line shortly: an uppercase letter begins a run, "=" stands for a separator.
LINES = """
  const start = new Date(2026, 10, 21, 12, 0, 0).getTime();
  const at = (minutes, who = "bob", more = {}) => { at.seq = (at.seq ?? 0) + 1; return { room: "r", seq: at.seq,
    version: at.seq, sender: who, sender_id: `g_${who}`, content: who[0], id: `i${at.seq}`,
    timestamp: new Date(start + minutes * 60000).toISOString(), ...more }; };
  const unsent = (content, more = {}) => ({ id: content, room: "r", content, author: { id: "g_me", name: "me" },
    at: start, state: "queued", seq: null, reason: "", retryAt: 0, replyTo: null, ...more });
  const told = (messages, { notices = [], firstUnread = null, out = [], hides } = {}) =>
    timeline({ messages, notices: { list: notices }, firstUnread }, out, (id) => id === "g_me", hides).map((line) => {
      if (line.kind === "message") {
        const letter = line.start ? line.name[0].toUpperCase() : line.name[0];
        return letter + (line.delivered === "sent" ? "" : `:${line.delivered}`) + (line.last ? "!" : "");
      }
      if (line.kind === "deleted" || line.kind === "blocked") return `${line.kind}(${line.seqs.length})`;
      return line.kind === "notice" ? "notice" : `=${line.kind}`;
    });
  const notice = (after, minutes) => ({ key: `n${after}`, after, at: start + minutes * 60000, came: new Map(),
    went: new Map() });
"""


async def told(page: Page, script: str) -> Any:
    return await run(page, TIMELINE, LINES + script)


async def test_messages_of_one_author_within_five_minutes_are_one_run(page: Page) -> None:
    """Whatever the minute of the clock: 12:00:59 and 12:01:01 are one; another author, a gap and a reply begin anew."""
    seen = await told(
        page,
        """return [
          told([at(0.98), at(1.02), at(4.9), at(6)]),
          told([at(0), at(1, "ann"), at(2)]),
          told([at(0), at(1, "bob", { reply_to: { seq: 1, sender: "x" } }), at(2)]),
          told([at(0), at(1, "bob", { sender: "boris" }), at(2, "bob", { sender_id: "g_other" })]),
          told([at(0), at(1, "bob", { deleted_at: "x" }), at(2)]),
          told([at(0), at(1, "bob", { alias_of: "g_bob2" })]),
        ]""",
    )
    assert seen == [
        ["=day", "B", "b", "b", "B"],
        ["=day", "B", "A", "B"],
        ["=day", "B", "B", "b"],
        ["=day", "B", "B", "B"],
        ["=day", "B", "deleted(1)", "B"],
        ["=day", "B", "B"],
    ]


async def test_days_notices_and_the_unread_line_are_between_the_messages(page: Page) -> None:
    """Each day once, also when clocks disagree; a line in between ends a run."""
    seen = await told(
        page,
        """const day = 24 * 60;
        const [a, b, c] = [at(0), at(1), at(day)];
        return [
          told([a, b, c]),
          told([a, b], { firstUnread: b.seq }),
          told([a, b], { notices: [notice(a.seq, 0), notice(b.seq, day)] }),
          told([c, at(0), at(0, "ann")]),
          told([], { notices: [notice(0, 0)] }),
          told([]),
        ]""",
    )
    assert seen == [
        ["=day", "B", "b", "=day", "B"],
        ["=day", "B", "=unread", "B"],
        ["=day", "B", "notice", "B", "=day", "notice"],
        ["=day", "B", "B", "A"],
        ["=day", "notice"],
        [],
    ]


async def test_runs_of_what_is_not_shown_are_one_line(page: Page) -> None:
    """Deleted messages of one author, those that are about to be deleted, and those of blocked users."""
    seen = await told(
        page,
        """const gone = { deleted_at: "x" };
        const list = [at(0), at(0, "bob", gone), at(0, "bob", gone), at(0, "ann", gone), at(1), at(1, "eve"),
          at(1, "eve"), at(2)];
        return [
          told(list),
          told(list, { hides: ({ sender }) => (sender === "eve" ? "blocked" : "") }),
          told(list, { hides: ({ seq }) => (seq === list[4].seq ? "deleted" : "") }),
        ]""",
    )
    assert seen == [
        ["=day", "B", "deleted(2)", "deleted(1)", "B", "E", "e", "B"],
        ["=day", "B", "deleted(2)", "deleted(1)", "B", "blocked(2)", "B"],
        ["=day", "B", "deleted(2)", "deleted(1)", "deleted(1)", "E", "e", "B"],
    ]


async def test_what_is_not_sent_is_last_and_becomes_the_message_in_its_place(page: Page) -> None:
    """A message that is in the room but not acked keeps the element of the entry: it is the same line."""
    seen = await told(
        page,
        """const mine = { sender: "me", sender_id: "g_me", id: "two" };
        const room = (messages) => ({ messages, notices: { list: [] }, firstUnread: null });
        const line = (messages, out) => timeline(room(messages), out, () => true)
          .filter(({ kind }) => kind === "message").map(({ key, was }) => was || key);
        return [
          told([at(0)], { out: [unsent("1", { state: "sent" }), unsent("2"), unsent("3", { state: "failed" })] }),
          told([at(0, "me", mine), at(1)], { out: [unsent("two", { state: "sent" })] }),
          told([at(0, "me", mine), at(1)]),
          [[[], [unsent("two")]], [[at(0, "me", mine)], [unsent("two")]], [[at(0, "me", mine)], []]]
            .flatMap(([messages, out]) => line(messages, out)),
        ]""",
    )
    assert seen[:3] == [
        ["=day", "B", "M:sending", "m:queued", "m:failed!"],
        ["=day", "M:shown!", "B"],
        ["=day", "M!", "B"],
    ]
    assert len(seen[3]) == 3
    assert len(set(seen[3])) == 1


async def test_a_stretch_of_the_lines_is_drawn(page: Page) -> None:
    """At the end or around a message; scrolling moves it, and what arrives outside of it changes nothing."""
    seen = await run(
        page,
        SLICE,
        """const line = (seq) => ({ kind: "message", seq });
        const lines = (from, to) => Array.from({ length: to - from }, (_, i) => line(from + i));
        const slice = new Slice();
        slice.fill(22 * 84); // 100 lines
        const shown = (list, following = false) => {
          const drawn = slice.take(list, following);
          return [drawn[0]?.seq, drawn.at(-1)?.seq, slice.above, slice.below];
        };
        const all = lines(0, 400);
        const seen = [shown(lines(0, 50), true), shown(all, true)];
        slice.up();
        seen.push(shown(all), shown(lines(0, 450)), shown(lines(-20, 450)));
        while (slice.up());
        seen.push(shown(lines(-20, 450)), shown(lines(-40, 450)));
        while (slice.down());
        seen.push(shown(lines(0, 450)));
        slice.reset(200);
        seen.push(shown(lines(0, 450)), shown([], true));
        slice.fill(22 * 84 + 1); // an odd number of them
        slice.reset(200);
        seen.push(shown(lines(0, 450)));
        return seen;""",
    )
    assert seen == [
        [0, 49, False, False],
        [300, 399, True, False],
        [284, 383, True, True],
        [284, 383, True, True],
        [284, 383, True, True],
        [-20, 79, False, True],
        [-40, 59, False, True],
        [350, 449, True, False],
        [150, 249, True, True],
        [None, None, False, False],
        [150, 249, True, True],
    ], json.dumps(seen)
