"""The modules of the client that act for an account, called directly in a browser."""

import base64
import json

from playwright.async_api import Page

from server.web.accounts.shared import DEVICE_CHARS
from tests.browser.test_modules import run

TAB = """
const kept = {};
const store = { get: (key) => kept[key] ?? null,
  set: (key, value) => { kept[key] = structuredClone(value); return true; },
  remove: (key) => { delete kept[key]; }, keys: (start) => Object.keys(kept).filter((key) => key.startsWith(start)) };
const seen = [];
/** A tab of one browser. */
const tab = (token = null) => {
  const own = { get: (key) => (key === 'token' ? token : null), set: () => true, remove: () => { token = null; } };
  const state = new State({ browser: store, tab: own, onChange: () => {} });
  const identity = new Identity({ state, ask: (type) => seen.push(type), onOther: () => seen.push('other'),
    onKnown: (stranger) => seen.push(`known ${stranger}`), onTokenRefused: () => seen.push('refused') });
  return { state, identity };
};
const welcome = (id, name, more = {}) => ({ type: 'welcome', session: 's_1', user: { id, name }, token: 't', ...more });
"""
IDENTITY = {"net/identity.js": "Identity", "state/state.js": "State"}


async def test_a_tab_acts_for_its_account_and_for_no_other(page: Page) -> None:
    """The first `welcome` settles it; one for another user, or an account in a guest's tab, is not accepted."""
    seen, mine = await run(
        page,
        IDENTITY,
        TAB
        + """
        const one = tab();
        one.identity.signIn({ id: 'a_1', name: 'ann' });
        one.identity.take('bob');
        one.identity.onWelcome(welcome('a_1', 'Ann'));
        const mine = [one.state.name, one.state.me.id, one.state.known, Object.keys(kept)];
        one.identity.onDisconnect();
        one.identity.onWelcome(welcome('a_2', 'eve'));
        one.identity.onWelcome(welcome('g_1', 'ann'));
        const guest = tab();
        guest.identity.take('ann');
        guest.identity.onWelcome(welcome('a_1', 'Ann'));
        return [seen, mine];
        """,
    )
    assert seen == ["known false", "other", "other", "other"]
    assert mine == ["Ann", "a_1", True, []]


async def test_tabs_that_are_opened_at_once_become_one_guest(page: Page) -> None:
    """The second one to be created finds the first, although it began without it."""
    seen, mine = await run(
        page,
        IDENTITY,
        TAB
        + """
        const [one, other] = [tab(), tab()];
        one.identity.take('ann');
        other.identity.take('ann');
        one.identity.onWelcome(welcome('g_1', 'ann', { token: 'first' }));
        other.identity.onWelcome(welcome('g_2', 'ann', { token: 'second' }));
        other.identity.onWelcome(welcome('g_1', 'ann', { id: 'q', token: 'first' }));
        return [seen, [one, other].map(({ state }) => state.me.id)];
        """,
    )
    assert seen == ["known false", "hello", "known false"]
    assert mine == ["g_1", "g_1"]


async def test_a_guest_is_kept_until_it_signs_out(page: Page) -> None:
    """An account that is signed in meanwhile does not remove it, whatever its name."""
    steps = await run(
        page,
        IDENTITY,
        TAB
        + """
        const guest = tab();
        guest.identity.take('ann');
        guest.identity.onWelcome(welcome('g_1', 'ann'));
        const account = tab();
        account.identity.signIn({ id: 'a_1', name: 'ann' });
        const before = [account.identity.token ?? null, account.state.isMine('g_1'), account.state.person];
        account.identity.forget();
        const again = tab();
        again.identity.take('ann');
        const known = [again.identity.token, again.state.me.id];
        again.identity.forget();
        return [before, known, again.state.me, Object.keys(kept)];
        """,
    )
    assert steps == [[None, False, "a_1"], ["t", "g_1"], None, []]


async def test_a_guest_keeps_its_token_under_another_name_only_if_it_is_renamed(page: Page) -> None:
    """Because the server refused the name, or the user wants another one. What it keeps goes with it. A name of another
    guest of this browser is that guest."""
    steps = await run(
        page,
        IDENTITY,
        TAB
        + """
        const guest = tab();
        guest.identity.take('ann');
        guest.identity.onWelcome(welcome('g_1', 'ann'));
        kept['drafts:guest:ann'] = { r: 'half' };
        guest.identity.onDisconnect();
        guest.identity.renames();
        guest.identity.take('SYSTEM');
        guest.identity.take('annie');
        const before = [guest.identity.guestToken, Object.keys(kept).sort(), guest.state.person];
        guest.identity.onWelcome(welcome('g_2', 'annie', { session: 's_2' }));
        guest.identity.onWelcome(welcome('g_1', 'annie', { id: 'q' }));
        const renamed = [guest.identity.guestToken, Object.keys(kept).sort(), guest.state.person];
        kept['guest:zoe'] = { token: 'z', user: { id: 'g_9', name: 'zoe' }, name: 'zoe', former: [], at: 1 };
        guest.identity.take('zoe');
        const other = [guest.identity.guestToken, kept['guest:annie'].token];
        guest.identity.take('eve');
        return [before, renamed, other, guest.identity.guestToken];
        """,
    )
    assert steps == [
        ["t", ["drafts:guest:ann", "guest:ann"], "guest:ann"],
        ["t", ["drafts:guest:annie", "guest:annie"], "guest:annie"],
        ["z", "t"],
        "",
    ]


def token_of(claims: dict[str, object]) -> str:
    """Return what an application's token looks like for the page, which cannot check it."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.x"


async def test_an_applications_token_says_who_it_is_for_at_once(page: Page) -> None:
    """So its drafts are shown before the server has answered. `hello` does not wait for a `welcome`, which a server
    without guests does not send; a refusal ends it."""
    tokens = [token_of({"userid": "7", "username": "Zoë"}), token_of({"sub": 8, "username": "Jo"}), "a.b.c"]
    seen, mine = await run(
        page,
        IDENTITY,
        TAB
        + f"const tokens = {json.dumps(tokens)};"
        + """
        const mine = tokens.map((token) => {
          const { state, identity } = tab(token);
          identity.applyKept();
          return [state.me?.id ?? null, state.person, identity.token === token];
        });
        const { state, identity } = tab(tokens[0]);
        identity.applyKept();
        identity.onOpen();
        identity.onWelcome(welcome('g_1', 'guest-1'));
        mine.push(state.known);
        identity.onWelcome(welcome('u_7', 'Zoë', { id: 'q' }));
        mine.push(state.known, Object.keys(kept));
        identity.onDisconnect();
        identity.onRefused({ code: 'unauthorized', retryable: false });
        mine.push(state.me, identity.appliedToken);
        return [seen, mine];
        """,
    )
    assert mine == [
        ["u_7", "u_7", True],
        ["u_8", "u_8", True],
        [None, "guest:", True],
        False,
        True,
        ["applied"],
        None,
        "",
    ]
    assert seen == ["hello", "known false", "refused"]


async def test_a_guests_unsent_message_is_not_sent_as_an_account_of_the_same_name(page: Page) -> None:
    """Nor the other way round: it stays, with the reason, until the user retries. A new guest of that name sends it."""
    states = await run(
        page,
        {"state/outbox.js": "Outbox", "net/delivery.js": "Delivery", "state/room.js": "Room"},
        """
        const states = [];
        const pairs = ['g_1 a_1', 'a_1 g_1', 'a_1 a_2', 'g_1 g_2', ' g_1', ' a_1'];
        for (const [author, me] of pairs.map((pair) => pair.split(' '))) {
          const outbox = new Outbox();
          const by = { id: author, name: 'ann' };
          outbox.add({ id: 'm', room: 'r', content: 'text', author: by, at: 0, replyTo: null, closed: false });
          const delivery = new Delivery({ outbox, send: () => true, onChange: () => {} });
          const room = new Room('r');
          room.onJoined(joined());
          room.onPage({ messages: [], has_older: false });
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
        {"net/transport.js": "Transport"},
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
        {"state/people.js": "kindOf, shownName"},
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
        {"view/account/devices.js": "deviceName"},
        f"return {json.dumps(list(AGENTS))}.map((agent) => deviceName(agent));",
    )
    assert dict(zip(AGENTS, names, strict=True)) == AGENTS
