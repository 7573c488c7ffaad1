"""The modules of the client that act for an account, called directly in a browser."""

import json

import pytest_asyncio
from playwright.async_api import Page

from server.web.accounts.shared import DEVICE_CHARS
from tests.browser.test_modules import run
from tests.support.browser import Pages
from tests.support.server import ServerProcess


@pytest_asyncio.fixture(loop_scope="session")
async def page(server: ServerProcess, new_page: Pages) -> Page:
    """A page of the client that has not joined."""
    return await new_page(f"{server.http_url}/client.html")


TAB = """
const kept = {};
const store = { get: (key) => kept[key] ?? null, set: (key, value) => { kept[key] = value; return true; },
  remove: (key) => { delete kept[key]; } };
const seen = [];
const identity = () => new Identity({ store, ask: (type) => seen.push(type), onOther: () => seen.push('other'),
  onKnown: (stranger) => seen.push(`known ${stranger}`) });
const welcome = (id, name, more = {}) => ({ type: 'welcome', session: 's_1', user: { id, name }, token: 't', ...more });
"""


async def test_a_tab_acts_for_its_account_and_for_no_other(page: Page) -> None:
    """The first `welcome` settles it; one for another user, or an account in a guest's tab, is not accepted."""
    seen, mine = await run(
        page,
        {"identity.js": "Identity"},
        TAB
        + """
        const one = identity();
        one.signIn({ id: 'a_1', name: 'ann' });
        one.take('bob');
        one.onWelcome(welcome('a_1', 'Ann'));
        const mine = [one.name, one.me.id, one.known, kept.identity ?? null];
        one.onDisconnect();
        one.onWelcome(welcome('a_2', 'eve'));
        one.onWelcome(welcome('g_1', 'ann'));
        const guest = identity();
        guest.take('ann');
        guest.onWelcome(welcome('a_1', 'Ann'));
        return [seen, mine];
        """,
    )
    assert seen == ["known false", "other", "other", "other"]
    assert mine == ["Ann", "a_1", True, None]


async def test_a_guest_stays_stored_until_the_account_takes_it_over(page: Page) -> None:
    """Then its token is forgotten."""
    steps = await run(
        page,
        {"identity.js": "Identity"},
        TAB
        + """
        const guest = identity();
        guest.take('ann');
        guest.onWelcome(welcome('g_1', 'ann'));
        const one = identity();
        one.signIn({ id: 'a_1', name: 'Ann' });
        const before = [one.guestToken, one.isMine('g_1')];
        one.keepGuest();
        const again = identity();
        return [before, one.guestToken, again.guestToken, again.me];
        """,
    )
    assert steps == [["t", False], "", "", None]


async def test_a_guest_keeps_its_token_under_another_name_only_if_its_name_was_refused(page: Page) -> None:
    steps = await run(
        page,
        {"identity.js": "Identity"},
        TAB
        + """
        const guest = identity();
        guest.take('ann');
        guest.onWelcome(welcome('g_1', 'ann'));
        guest.refuseName();
        guest.take('SYSTEM');
        guest.take('annie');
        const [refused, reloaded] = [guest.guestToken, identity()];
        reloaded.take('eve');
        return [refused, reloaded.guestToken];
        """,
    )
    assert steps == ["t", ""]


async def test_a_guests_unsent_message_is_not_sent_as_an_account_of_the_same_name(page: Page) -> None:
    """Nor the other way round: it stays, with the reason, until the user retries. A new guest of that name sends it."""
    states = await run(
        page,
        {"outbox.js": "Outbox", "delivery.js": "Delivery", "room.js": "Room"},
        """
        const states = [];
        const pairs = ['g_1 a_1', 'a_1 g_1', 'a_1 a_2', 'g_1 g_2', ' g_1', ' a_1'];
        for (const [author, me] of pairs.map((pair) => pair.split(' '))) {
          const outbox = new Outbox();
          outbox.add('m', 'r', 'text', { id: author, name: 'ann' }, 0);
          const delivery = new Delivery({ outbox, send: () => true, onChange: () => {} });
          const room = new Room('r');
          room.onJoined(joined());
          room.onNewestPage({ messages: [], has_older: false });
          delivery.flush(room, { id: me, name: 'ann' });
          states.push(outbox.get('m').state);
        }
        return states;
        """,
    )
    assert states == ["failed", "failed", "failed", "sent", "sent", "failed"]


async def test_a_connection_waits_until_its_token_is_renewed(page: Page) -> None:
    """No socket before; none at all if the login has ended or the attempt was given up; a new try after a failure."""
    steps = await run(
        page,
        {"transport.js": "Transport"},
        """
        const made = [], doubts = [], states = [];
        class Socket {
          constructor() { made.push(this); this.readyState = 1; }
          close() {}
        }
        let answer;
        const ready = (doubtful) => { doubts.push(doubtful); return answer; };
        const transport = new Transport({ url: () => 'ws://x', onFrame: () => {}, Socket, ready,
          onState: (state) => states.push(state.name) });
        const settle = () => new Promise((resolve) => setTimeout(resolve));
        const steps = [];
        const step = async () => { await settle(); steps.push([made.length, transport.state.name]); };
        answer = Promise.resolve(true);
        transport.connect();
        steps.push([made.length, transport.state.name]);
        await step();
        made[0].onopen();
        made[0].onclose({ code: 4003, reason: 'account_changed' });
        answer = Promise.reject(new Error('no answer'));
        transport.connect();
        await step();
        answer = Promise.resolve(true);
        transport.connect();
        transport.stop();
        await step();
        answer = Promise.resolve(false);
        transport.connect();
        await step();
        transport.stop();
        return [steps, doubts];
        """,
    )
    assert steps == [
        [[0, "connecting"], [1, "connecting"], [1, "waiting"], [1, "stopped"], [1, "connecting"]],
        [False, True, True, True],
    ]


async def test_ids_tell_how_users_are_marked(page: Page) -> None:
    marks = await run(
        page,
        {"protocol.js": "kindOf, shownName"},
        """
        const ids = ['g_1', 'w_1', 'b_1', 'a_1', 'u_1', 'x', ''];
        return [ids.map(kindOf), shownName({ id: 'g_1', name: 'ann' }), shownName({ id: 'a_1', name: 'ann' })];
        """,
    )
    assert marks == [["guest", "claimed", "bot", "", "", "", ""], "ann (guest)", "ann"]


# User-Agents as browsers send them; the ones of Chromium have the same version in all fields but one.
LIKE = "AppleWebKit/537.36 (KHTML, like Gecko)"
IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": "Firefox on Linux",
    "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0": "Firefox on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/128.0 "
    "Mobile/15E148 Safari/605.1.15": "Firefox on iPhone",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {LIKE} Chrome/126.0.0.0 Safari/537.36": "Chrome on Windows",
    f"Mozilla/5.0 (Linux; Android 10; K) {LIKE} Chrome/126.0.0.0 Mobile Safari/537.36": "Chrome on Android",
    f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {IOS} CriOS/126.0 Mobile/15E148 Safari/604.1": "Chrome on iPad",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {LIKE} Chrome/126.0.0.0 Safari/537.36": "Chrome on ChromeOS",
    f"Mozilla/5.0 (X11; Linux x86_64) {LIKE} HeadlessChrome/126.0.0.0 Safari/537.36": "Chrome on Linux",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {LIKE} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0": "Edge on Windows",
    f"Mozilla/5.0 (X11; Linux x86_64) {LIKE} Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0": "Opera on Linux",
    f"Mozilla/5.0 (Linux; Android 13; SM-G991B) {LIKE} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36": (
        "Samsung Internet on Android"
    ),
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {IOS} Version/17.5 Safari/605.1.15": "Safari on macOS",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {IOS} Version/17.5 Mobile/15E148 Safari/604.1": (
        "Safari on iPhone"
    ),
    "curl/8.8.0": "curl",
    "python-requests/2.32.3": "python-requests",
    "Phone": "Phone",
    "": "Unknown device",
    "/": "Unknown device",
}


async def test_devices_have_the_names_that_their_users_know(page: Page) -> None:
    """Those of programs are their own; all fit into what the server keeps of them."""
    assert max(map(len, AGENTS)) <= DEVICE_CHARS
    names = await run(
        page,
        {"account/devices.js": "deviceName"},
        f"return {json.dumps(list(AGENTS))}.map((agent) => deviceName(agent));",
    )
    assert dict(zip(AGENTS, names, strict=True)) == AGENTS
