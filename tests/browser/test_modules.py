"""The modules of the client that use neither page nor socket, called directly in a browser."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from model.limits import Limits
from server.dialects import NATIVE
from server.spec.asyncapi import asyncapi
from tests.support.page import static

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "server" / "static"

MESSAGE = """const message = (seq, more = {}) => ({ room: 'r', seq, version: seq, sender: 'bob', sender_id: 'g_b',
  content: `m${seq}`, timestamp: '2026-11-21T08:31:11.000001Z', ...more });
const joined = (more = {}) => ({ epoch: 'e', head: 0, recovered: true, members: [], count: 0, ...more });"""


async def run(page: Page, modules: dict[str, str], script: str) -> Any:
    """Run the body of a function with these names imported from these modules, and return what it returns."""
    imports = "".join(f"const {{ {names} }} = await import('{static(path)}');" for path, names in modules.items())
    return await page.evaluate(f"async () => {{ {imports} {MESSAGE} {script} }}")


def test_no_module_turns_text_into_markup() -> None:
    """The APIs that turn text into elements or code do not occur in the client.

    lit-html itself makes elements of the constant parts of its templates; its directives for other text are not copied.
    """
    words = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser|setHTML|"
        r"createContextualFragment|unsafe-?(?:html|svg|mathml)|unsafeStatic",
        re.IGNORECASE,
    )
    assert not [path for path in STATIC.rglob("*") if words.search(path.name)]
    for path in {*STATIC.rglob("*.js")} - {*(STATIC / "vendor").rglob("*.js")}:
        code = re.sub(r"/\*.*?\*/|//.*", "", path.read_text(), flags=re.DOTALL)
        assert not words.search(code), path


def test_every_command_is_sent_and_every_frame_is_understood() -> None:
    """A command that a person needs, and what the server tells, is not forgotten when the protocol grows."""
    operations = asyncapi(host="localhost", limits=Limits())["operations"]
    code = "".join(path.read_text() for part in ("actions", "net", "state") for path in (STATIC / part).glob("*.js"))
    for name, operation in operations.items():
        if not name.startswith(f"{NATIVE.name}."):
            continue
        for message in operation["messages"]:
            words = re.sub(r"(?:Command|Event)$", "", message["$ref"].rpartition("/")[2])
            word = re.sub(r"(?<!^)(?=[A-Z])", "_", words).lower()
            if operation["action"] == "receive":
                assert re.search(rf"""(?:type: |act\()"{word}\"""", code), f"{word} is never sent"
            else:
                assert re.search(rf"""^  {word}\(state|"{word}\"""", code, re.MULTILINE), f"{word} is not understood"


async def test_what_a_new_log_has_lost(page: Page) -> None:
    """After a crash: nothing if the newest message is there, or not on this page; or else the newest ones, or all."""
    answers = await run(
        page,
        {"state/window.js": "lostOf"},
        """const list = (...seqs) => seqs.map((seq) => message(seq));
        const lost = (had, seqs, more, head = 9) =>
          lostOf(list(...had), { messages: list(...seqs), has_older: false, ...more }, head);
        return [lost([1, 2, 3], [1, 2, 3, 4]), lost([1, 2, 3], [3, 4], { has_older: true }),
          lost([1, 2, 3], [7, 8], { has_older: true }), lost([1, 2, 3, 4], [1, 2], { has_newer: true }),
          lost([1, 2, 3], [1, 2], {}, 2), lost([1, 2, 3], [1, 2, 5]), lost([1, 2, 3], [1], { has_newer: true }, 2),
          lost([1, 2, 3], [], {}, 0), lost([1, 2, 3], [5])];""",
    )
    assert answers == ["", "", "", "", *["newestLost"] * 3, "anew", "anew"]


async def test_what_comes_under_a_resting_pointer_is_not_clicked(page: Page) -> None:
    clicked = await run(
        page,
        {"view/resting.js": "guardClicks"},
        """const box = document.createElement("div");
        const clicked = [];
        const [a, b] = ["a", "b"].map((name) => {
          const button = document.createElement("button");
          button.addEventListener("click", () => clicked.push(name));
          box.append(button);
          return button;
        });
        guardClicks(box);
        const usual = { bubbles: true, cancelable: true, pointerType: "mouse", detail: 1 };
        const send = (on, type, screenX, more) =>
          on.dispatchEvent(new PointerEvent(type, { ...usual, screenX, ...more }));
        send(a, "pointermove", 5);
        send(a, "click", 5);
        send(b, "click", 5); // it has come there, and the hand was on a
        send(b, "pointerover", 5);
        send(b, "click", 5);
        clicked.push("-");
        send(b, "click", 5, { pointerType: "touch" });
        send(b, "click", 5, { detail: 0 }); // by a key
        send(b, "pointermove", 6);
        send(b, "click", 6);
        return clicked.join("");""",
    )
    assert clicked == "a-bbb"


async def test_backoff_is_fully_jittered_and_capped(page: Page) -> None:
    """Any value from 0 to a bound that doubles up to 30 s; `reset` starts again."""
    bounds = await run(
        page,
        {"net/backoff.js": "Backoff"},
        """
        const top = new Backoff({ random: () => 1 });
        const bounds = Array.from({ length: 2000 }, () => top.next());
        top.reset();
        const low = new Backoff({ random: () => 0 });
        return [...bounds.slice(0, 7), bounds.at(-1), top.next(), low.next()];
        """,
    )
    assert bounds == [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 1000, 0]


async def test_a_room_takes_the_newest_version_of_a_message_once(page: Page) -> None:
    """In any order of arrival: sorted by seq, each once, the newer version wins, retracted ones do not come back."""
    seen = await run(
        page,
        {"state/room.js": "Room"},
        """
        const room = new Room('r');
        room.onJoined(joined());
        room.onPage({ messages: [message(10), message(20)], has_older: true });
        const taken = [message(30), message(30), message(20, { version: 40, content: 'new' }), message(20), message(25)]
          .map((each) => room.onMessage(each)); // whether it is later than everything seen before
        room.onMessage(message(5, { version: 50 })); // of a page that was not read: its neighbours are not here
        room.onRetracted(30);
        room.onRetracted(99);
        room.onMessage(message(99));
        return [taken, room.messages.map((each) => `${each.seq}:${each.content}`), room.resume()];
        """,
    )
    assert seen == [[True, False, False, False, False], ["10:m10", "20:new", "25:m25"], {"since": 99, "epoch": "e"}]


async def test_an_interrupted_resume_continues_where_it_stopped(page: Page) -> None:
    """The head of `joined` counts only once everything before it has arrived."""
    since = await run(
        page,
        {"state/room.js": "Room"},
        """
        const room = new Room('r');
        room.onJoined(joined({ head: 10 }));
        room.onPage({ messages: [message(10)], has_older: false });
        room.onJoined(joined({ head: 40 }));
        const atOnce = room.resume().since;
        room.onMessage(message(20));
        const half = room.resume().since;
        room.onMessage(message(40));
        room.onSynced({ head: 45 });
        return [atOnce, half, room.resume().since];
        """,
    )
    assert since == [10, 20, 45]


async def test_messages_arriving_while_the_newest_page_loads_are_kept(page: Page) -> None:
    """If a room was not recovered, the old copy is dropped, live messages are kept, and nothing is there twice."""
    seqs = await run(
        page,
        {"state/room.js": "Room"},
        """
        const room = new Room('r');
        room.onJoined(joined());
        room.onPage({ messages: [message(1), message(2)], has_older: false });
        const read = room.onJoined(joined({ epoch: 'f', head: 50, recovered: false }));
        room.awaitPage();
        room.onMessage(message(60));
        room.onMessage(message(70));
        room.onPage({ messages: [message(40), message(50), message(60)], has_older: true });
        return [read, room.messages.map((each) => each.seq), room.resume(), room.hasOlder];
        """,
    )
    assert seqs == [True, [40, 50, 60, 70], {"since": 70, "epoch": "f"}, True]


async def test_what_happened_before_the_first_page_came_is_kept_if_it_is_not_older(page: Page) -> None:
    """Before the first message of a room as well; but not before a page that has older messages above it."""
    kept = await run(
        page,
        {"state/room.js": "Room"},
        """
        return [false, true].map((has_older) => {
          const room = new Room('r');
          room.onJoined(joined());
          room.notices.say(room.last, 0, { what: 'renamed' });
          room.onPage({ messages: [message(1), message(2)], has_older });
          return room.notices.list.length;
        });
        """,
    )
    assert kept == [1, 0]


async def test_the_outbox_sends_one_at_a_time_and_never_reorders(page: Page) -> None:
    """No message overtakes a pending one; one that failed or was seen in the room delays no other."""
    steps = await run(
        page,
        {"state/outbox.js": "Outbox"},
        """
        const outbox = new Outbox();
        const author = { id: 'g_me', name: 'me' };
        const add = (id, room) => outbox.add({ id, room, content: id, author, at: 0, replyTo: null, closed: false });
        for (const id of 'abcd') add(id, 'r');
        add('z', 'other');
        const due = (now = 0) => { const { send, wakeAt } = outbox.due('r', now);
          return [send.map((each) => each.id).join(''), wakeAt === Infinity ? null : wakeAt]; };
        const steps = [due()];
        outbox.get('a').state = 'sent';
        steps.push(due());
        outbox.get('a').seq = 1;
        steps.push(due());
        outbox.postpone(outbox.get('b'), 'later', 100);
        steps.push(due(), due(100));
        outbox.fail(outbox.get('b'), 'never');
        steps.push(due());
        outbox.onDisconnect();
        steps.push(due());
        const again = Outbox.from(JSON.parse(JSON.stringify(outbox)));
        return [steps, again.entries.map((each) => each.id + each.state[0])];
        """,
    )
    assert steps == [
        [["a", None], ["", None], ["b", None], ["", 100], ["b", None], ["c", None], ["ac", None]],
        ["aq", "bf", "cq", "dq", "zq"],
    ]


async def test_a_tampered_outbox_is_harmless(page: Page) -> None:
    """Data from the browser's storage is validated, not trusted."""
    entries = await run(
        page,
        {"state/outbox.js": "Outbox"},
        """
        const good = { id: 'a', room: 'r', content: 'c', author: { id: 'g', name: 'n' }, state: 'sent', extra: 1 };
        return [null, 5, {}, [null, 5, { id: 1 }, { ...good, author: null }, good]]
          .map((saved) => Outbox.from(saved).entries.map((each) => each.state));
        """,
    )
    assert entries == [[], [], [], ["queued"]]


async def test_no_entry_of_a_long_outbox_is_dropped(page: Page) -> None:
    """A tab adds no more than some hundred, but takes over those of several tabs that were closed."""
    kept = await run(
        page,
        {"state/outbox.js": "Outbox, OUTBOX_LIMIT"},
        """
        const entry = { room: 'r', content: 'c', author: { id: 'g', name: 'n' } };
        const saved = Array.from({ length: 2 * OUTBOX_LIMIT }, (_, i) => ({ ...entry, id: `m${i}` }));
        const outbox = Outbox.from(saved);
        return [outbox.entries.length === saved.length, outbox.full];
        """,
    )
    assert kept == [True, True]


async def test_a_silent_connection_is_detected(page: Page) -> None:
    """After a heartbeat without frames the client pings; without a response it reconnects."""
    await page.clock.install()
    steps = await run(
        page,
        {"net/transport.js": "Transport"},
        """
        const made = [];
        class Socket {
          constructor() { made.push(this); this.sent = []; this.readyState = 1; setTimeout(() => this.onopen(), 1); }
          send(text) { this.sent.push(JSON.parse(text).type); }
          close() { this.closed = true; }
        }
        window.made = made;
        window.states = [];
        const transport = new Transport({ url: () => 'ws://x', onFrame: () => {}, Socket,
          onState: (state) => window.states.push(state.name) });
        transport.connect();
        """,
    )
    assert steps is None
    await page.clock.run_for(15_000)
    await page.evaluate("made[0].onmessage({ data: '{}' })")
    await page.clock.run_for(15_000)  # 15 s since the last frame: no ping yet
    assert await page.evaluate("made[0].sent") == []
    await page.clock.run_for(6_000)
    assert await page.evaluate("made[0].sent") == ["ping"]
    await page.evaluate("made[0].onmessage({ data: '{}' })")
    await page.clock.run_for(25_000)
    assert await page.evaluate("made[0].sent") == ["ping", "ping"]
    assert await page.evaluate("states") == ["connecting", "open"]
    await page.clock.run_for(11_000)
    assert await page.evaluate("[made[0].closed, states.slice(0, 4)]") == [
        True,
        ["connecting", "open", "waiting", "connecting"],
    ]


async def test_a_silent_connection_is_detected_after_the_clock_was_set_back(page: Page) -> None:
    """By hours, as when a computer that kept a wrong time gets the right one: before a `ping`, and after it."""
    await page.clock.install()
    await run(
        page,
        {"net/transport.js": "Transport"},
        """
        window.sent = [];
        class Socket {
          constructor() { window.socket = this; this.readyState = 1; setTimeout(() => this.onopen(), 1); }
          send(text) { window.sent.push(JSON.parse(text).type); }
          close() {}
        }
        window.states = [];
        const transport = new Transport({ url: () => 'ws://x', onFrame: () => {}, Socket,
          onState: (state) => window.states.push(state.name) });
        transport.connect();
        """,
    )

    async def set_back() -> None:
        now = await page.evaluate("Date.now()")
        await page.clock.set_system_time(now / 1000 - 8 * 3600)

    await page.clock.run_for(10_000)
    await set_back()
    await page.clock.run_for(25_000)
    assert await page.evaluate("sent") == ["ping"]
    await set_back()
    await page.clock.run_for(10_000)
    assert await page.evaluate("states.slice(0, 3)") == ["connecting", "open", "waiting"]


async def test_a_message_that_waits_is_sent_in_time_after_the_clock_was_set_back(page: Page) -> None:
    await page.clock.install()
    await run(
        page,
        {"state/outbox.js": "Outbox", "net/delivery.js": "Delivery", "state/room.js": "Room"},
        """
        const outbox = new Outbox();
        const me = { id: 'g_me', name: 'me' };
        const room = new Room('r');
        window.sent = [];
        const delivery = new Delivery({ outbox, send: (frame) => window.sent.push(frame.id), onChange: () => {} });
        outbox.add({ id: 'm', room: 'r', content: 'c', author: me, at: 0, replyTo: null, closed: false });
        delivery.flush(room, me);
        delivery.onError(outbox.get('m'), { code: 'rate_limited', message: 'slow', retryable: true, retry_after: 5 });
        delivery.flush(room, me);
        """,
    )
    await page.clock.set_system_time(await page.evaluate("Date.now()") / 1000 - 8 * 3600)
    await page.clock.run_for(6_000)
    assert await page.evaluate("sent") == ["m", "m"]


async def test_the_delay_in_goodbye_is_used_once(page: Page) -> None:
    """The reconnect after the goodbye waits as long as the server requested; later ones use the backoff."""
    pauses = await run(
        page,
        {"net/transport.js": "Transport"},
        """
        Math.random = () => 1;
        const made = [], pauses = [];
        class Socket {
          constructor() { made.push(this); }
          send() {}
          close() {}
        }
        const transport = new Transport({ url: () => 'ws://x', onFrame: () => {}, Socket,
          onState: (state) => { if (state.name === 'waiting') pauses.push(state.until - Date.now()); } });
        transport.connect();
        transport.comeBackAfter(7);
        for (let number = 0; number < 3; number++) {
          made.at(-1).onclose({ code: 1001, reason: '' });
          transport.connect();
        }
        transport.stop();
        return pauses;
        """,
    )
    assert [round(pause, -2) for pause in pauses] == [7000, 1000, 2000]


async def test_typed_text_is_cleaned_as_the_server_requires(page: Page) -> None:
    """No control characters, no lone surrogates, no blank lines around; the first line's indentation is kept."""
    cleaned = await run(
        page,
        {"state/content.js": "cleanContent, countChars"},
        r"""
        const typed = '\n \n  a\r\nb\u0000\u0007\u009f\ud800c\t\n\n ';
        return [cleanContent(typed), cleanContent(' \n '), countChars('a😀é')];
        """,
    )
    assert cleaned == ["  a\nbc", "", 3]


async def test_a_full_presence_snapshot_leaves_no_ghosts(page: Page) -> None:
    told = await run(
        page,
        {"state/presence.js": "Presence"},
        """
        const user = (id) => ({ id, name: id });
        const presence = new Presence();
        presence.reset([user("a"), user("b"), user("c")], 3);
        const { came, went } = presence.apply({ joined: [user("c"), user("d")], count: 2, all: true });
        return [came, went, presence.list("d")].map((users) => users.map((each) => each.id));
        """,
    )
    assert told == [["d"], ["a", "b"], ["d", "c"]]


async def test_a_token_that_comes_later_is_saved_and_changes_nothing_else(page: Page) -> None:
    """The server could not sign it when it sent the first `welcome` of the connection."""
    me, asked, saved, early = await run(
        page,
        {"net/identity.js": "Identity", "state/state.js": "State"},
        """
        const tab = (saved) => {
          const kept = saved ? { 'guest:ann': saved } : {};
          const store = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; }, remove: () => {},
            keys: (start) => Object.keys(kept).filter((key) => key.startsWith(start)) };
          const state = new State({ browser: store, tab: store, onChange: () => {} });
          const asked = [];
          const identity = new Identity({ state, ask: (type) => asked.push(type), onKnown: () => {} });
          identity.take('ann');
          return { identity, kept, state, asked };
        };
        const ann = { id: 'g_1', name: 'ann' }, guest = { id: 'g_2', name: 'ann' };
        const welcome = (token, more = {}) => ({ type: 'welcome', session: 's_1', user: ann, token, ...more });
        const one = tab();
        one.identity.onWelcome(welcome(''));
        one.identity.onWelcome(welcome('later'));
        one.identity.onDisconnect();
        one.identity.onWelcome(welcome('of another connection', { session: 's_2', user: guest }));
        // A known guest, whose `hello` is not answered yet, or was answered.
        const other = tab({ token: 'known', user: ann, name: 'ann', former: [], at: 1 });
        other.identity.onWelcome(welcome('', { user: guest }));
        other.identity.onWelcome(welcome('of the guest', { user: guest }));
        const early = [...other.asked];
        other.identity.onWelcome(welcome('renewed', { id: 'q-1' }));
        other.identity.onWelcome(welcome('again'));
        other.identity.onWelcome(welcome('of the guest', { user: guest }));
        const tokens = [one.kept['guest:ann'].token, other.kept['guest:ann'].token];
        return [one.state.me.id, one.asked, tokens, early];
        """,
    )
    assert me == "g_1"
    assert asked == ["hello"]
    assert saved == ["later", "again"]
    assert early == ["hello"]


async def test_a_room_keeps_a_window_of_its_log(page: Page) -> None:
    """At most 450 messages: those above are dropped while its end is read, those below while the past is read."""
    told = await run(
        page,
        {"state/room.js": "Room"},
        """
        const page = (from, to, more) =>
          ({ messages: Array.from({ length: to - from + 1 }, (_, i) => message(from + i)), ...more });
        const room = new Room('r');
        const window = () => [room.oldest, room.last, room.messages.length, room.hasOlder, room.hasNewer];
        room.onJoined(joined());
        room.onPage(page(1001, 1400, { has_older: true, has_newer: false }));
        for (let seq = 1401; seq <= 1460; seq++) { room.onMessage(message(seq)); room.trim(true); }
        const atEnd = window();
        room.onOlderPage(page(901, 1021, { has_older: true }));
        const past = window();
        const late = room.onMessage(message(1500)); // of the present, which is not here
        room.onMessage(message(950, { version: 1501, content: 'changed' }));
        const changed = [late, window(), room.message(950).content, room.resume().since];
        room.awaitPage();
        room.onMessage(message(1510));
        room.onNewerPage(page(room.last + 1, 1500, { has_newer: false }));
        return [atEnd, past, changed, window(), room.last];
        """,
    )
    at_end, past, changed, window, last = told
    assert at_end == [1022, 1460, 439, True, False]
    assert past == [901, 1330, 430, True, True]
    assert changed == [True, [901, 1330, 430, True, True], "changed", 1501]
    assert window[3:] == [True, False]
    assert last == 1510


async def test_the_counts_of_the_server_hold_but_nothing_that_has_arrived_since_is_forgotten(page: Page) -> None:
    told = await run(
        page,
        {
            "state/room.js": "Room",
            "state/state.js": "State",
            "state/frames.js": "apply",
            "state/unread.js": "onListed",
        },
        """
        const kept = {};
        const store = { get: (key) => kept[key], set: () => true, remove: () => {}, keys: () => [] };
        const state = new State({ browser: store, tab: store, onChange: () => {} });
        state.me = { id: 'g_me', name: 'Ännchen' };
        const room = new Room('r');
        state.rooms.set('r', room);
        room.onJoined(joined({ head: 10, read: 10 }));
        let recounts = 0;
        const effects = { now: () => 0, steady: () => 0, arrived: () => {}, recount: () => { recounts += 1; } };
        const take = (frame) => apply(state, { room: 'r', ...frame }, effects);
        const counts = () => [room.unread, room.mentions, room.firstUnread];
        const steps = [];
        take({ type: 'message', ...message(11, { mentions: ['ännchen'] }) });
        take({ type: 'message', ...message(12) });
        take({ type: 'message', ...message(13, { sender_id: 'g_me' }) });
        take({ type: 'message', ...message(12) }); // again, as after a resume
        steps.push(counts());
        take({ type: 'read', user: state.me, seq: 11, unread: 0, mentions: 0 }); // counted before 12 was stored
        steps.push(counts());
        take({ type: 'deleted', seq: 12, version: 14, sender: 'bob' });
        steps.push(counts());
        onListed(state, room, { read: 11, unread: 100, mentions: 3 });
        take({ type: 'message', ...message(15) });
        steps.push(counts());
        take({ type: 'deleted', seq: 12, version: 16, sender: 'bob' });
        return [steps, recounts];
        """,
    )
    assert told == [[[2, 1, 11], [1, 0, 11], [0, 0, None], [100, 3, 15]], 1]


async def test_reactions_keep_their_order(page: Page) -> None:
    told = await run(
        page,
        {"state/room.js": "Room", "state/state.js": "State", "state/frames.js": "apply"},
        """
        const store = { get: () => null, set: () => true, remove: () => {}, keys: () => [] };
        const state = new State({ browser: store, tab: store, onChange: () => {} });
        const room = new Room('r');
        state.rooms.set('r', room);
        room.onJoined(joined());
        room.onPage({ messages: [message(1, { reactions: { a: ['g_1'], b: ['g_1'] } })], has_older: false });
        let version = 1;
        const react = (id, emoji, on) => {
          version += 1;
          apply(state, { type: 'reaction', room: 'r', seq: 1, version, user: { id, name: id }, emoji, on }, {});
          return Object.entries(room.message(1).reactions).map(([each, ids]) => `${each}${ids.length}`).join('');
        };
        return [react('g_2', 'a', true), react('g_2', 'a', true), react('g_1', 'a', false), react('g_2', 'a', false),
          react('g_2', '__proto__', true), react('g_1', 'c', true)];
        """,
    )
    assert told == ["a2b1", "a2b1", "a1b1", "b1", "b1__proto__1", "b1__proto__1c1"]


async def test_a_page_from_before_a_guest_became_an_account_knows_it(page: Page) -> None:
    told = await run(
        page,
        {"state/room.js": "Room"},
        """
        const room = new Room('r');
        room.onJoined(joined());
        room.onAdopted({ guest: 'g_1', account: { id: 'a_1', name: 'Ann' } });
        const messages = [message(1, { sender_id: 'g_1', sender: 'x' }), message(2, { sender_id: 'g_2', sender: 'y' })];
        room.onPage({ messages, has_older: false });
        return room.messages.map(({ sender, sender_id, alias_of }) => [sender, sender_id, alias_of ?? '']);
        """,
    )
    assert told == [["Ann", "g_1", "a_1"], ["y", "g_2", ""]]


async def test_a_time_to_wait_has_the_unit_that_people_use(page: Page) -> None:
    said = await run(
        page,
        {"net/api.js": "withWait"},
        "return [undefined, 0.2, 90, 91, 600, 5401, 86400, 604800].map((wait) => withWait('No.', wait));",
    )
    ends = ["1 second", "90 seconds", "2 minutes", "10 minutes", "2 hours", "24 hours", "7 days"]
    assert said == ["No.", *(f"No. Try again in {end}." for end in ends)]
