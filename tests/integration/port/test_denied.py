"""Connections end when their login, account, key or address may no longer act, in every dialect; and those by cookie
live as long as the login.
"""

import json
from collections.abc import Awaitable, Callable

import pytest

from model.account import AccountChange
from model.errors import ACCOUNT_CHANGED, BLOCKED, REFUSED, SIGNED_OUT, SUSPENDED, TOKEN_EXPIRED, CloseCode
from model.room import FOREVER
from server.app import Server
from server.auth.access_tokens import ACCESS_SECONDS, sign_pair
from storage.ports.storage import Storage
from tests.support.accounts import DAY, account, noted, stored
from tests.support.rawws import NATIVE, RawClient, command, fetch, upgrade
from tests.support.serving import Serve
from tests.support.signed import Headers, SignedIn, bot, now_us, signed_in

DIALECTS: list[tuple[str, Headers]] = [
    ("/api/chat?room=den", []),
    ("/chat?r=den", list(NATIVE)),
    ("/chat?r=den", []),
    ("/ws", []),
]
in_every_dialect = pytest.mark.parametrize(("path", "headers"), DIALECTS, ids=["events", "native", "plain", "rooms"])


async def end_login(storage: Storage, ann: SignedIn) -> None:
    await storage.logins.end(ann.account.account_id, only=ann.login.login_id, entry=noted("session_end", at=now_us()))


async def suspend(storage: Storage, ann: SignedIn) -> None:
    await storage.access.suspend(ann.account.account_id, FOREVER, "spam", noted("suspend", at=now_us()))


async def rename(storage: Storage, ann: SignedIn) -> None:
    await storage.accounts.change(ann.account.account_id, AccountChange(name="Anna"), noted("name", at=now_us()))


Decide = Callable[[Storage, SignedIn], Awaitable[None]]
DECISIONS: list[tuple[Decide, CloseCode, str]] = [
    (end_login, SIGNED_OUT, "this login has ended"),
    (suspend, SUSPENDED, "this account is suspended: spam"),
    (rename, ACCOUNT_CHANGED, "the account has changed"),
]


async def until_known(server: Server) -> None:
    """Wait until a server has read the notices; its edge too reads them by itself."""
    await server.accounts.follower.catch_up()


async def end_of(client: RawClient) -> tuple[str, tuple[int | None, str]]:
    """Return the last frame of a connection, and how it was closed."""
    last = ""
    while (frame := await client.frame()).opcode != 8:
        last = frame.payload.decode()
    return last, (int.from_bytes(frame.payload[:2]), frame.payload[2:].decode())


@in_every_dialect
@pytest.mark.parametrize(("decide", "close", "said"), DECISIONS, ids=lambda one: getattr(one, "reason", None))
async def test_a_connection_ends_with_its_login_or_account(
    serve: Serve, path: str, headers: Headers, decide: Decide, close: CloseCode, said: str
) -> None:
    server = await serve()
    ann, ben = await signed_in(server), await signed_in(server)
    other = await signed_in(server, ann.account)
    async with (
        await RawClient.open(server.port, path, [*headers, *ann.bearer]) as client,
        await RawClient.open(server.port, path, [*headers, *ben.bearer]) as stranger,
        await RawClient.open(server.port, path, [*headers, *other.bearer]) as device,
    ):
        await decide(server._storage, ann)
        last, closed = await end_of(client)
        assert said in last
        assert closed == (close.code, close.reason)
        if decide is end_login:
            await device.pong()
        else:
            assert (await end_of(device))[1] == closed
        await stranger.pong()
    await until_known(server)  # the owner of an edge may have closed them first
    async with await RawClient.connect(server.port) as again:
        again.send(upgrade(path, [*headers, *ann.bearer]))
        reply = await again.reply()
        assert reply.status == (403 if decide is suspend else 401)
        assert said in reply.body.decode()
    reply = await fetch(server.port, "/api/users", ann.bearer)
    assert reply.status == (403 if decide is suspend else 401)


@in_every_dialect
async def test_a_blocked_address_is_closed_and_refused(serve: Serve, path: str, headers: Headers) -> None:
    """Connections from there are closed, and requests refused."""
    server = await serve()
    ann = await signed_in(server)
    async with (
        await RawClient.open(server.port, path, [*headers, *ann.bearer], source="127.0.0.9") as client,
        await RawClient.open(server.port, path, [*headers, *ann.bearer], source="127.0.0.10") as other,
        await RawClient.open(server.port, path, [*headers, *ann.bearer]) as elsewhere,
    ):
        await server._storage.access.block("127.0.0.8/30", now_us() + DAY, "flood", noted("block", at=now_us()))
        for blocked in (client, other):
            last, closed = await end_of(blocked)
            assert "this address is blocked: flood" in last
            assert closed == (BLOCKED.code, BLOCKED.reason)
        await elsewhere.pong()
        await until_known(server)
        for source, status in (("127.0.0.9", 403), ("127.0.0.12", 101)):
            async with await RawClient.connect(server.port, source) as again:
                again.send(upgrade(path, [*headers, *ann.bearer]))
                assert (await again.reply()).status == status
        async with await RawClient.connect(server.port, "127.0.0.9") as again:
            again.send(b"GET /api/rooms HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reply = await again.reply()
            assert (reply.status, json.loads(reply.body)["error"]["code"]) == (403, "blocked")


async def test_a_bot_acts_with_its_key_until_it_is_revoked(serve: Serve) -> None:
    """Over both transports, and with `hello` too."""
    server = await serve(GUESTS="off")
    secret, key = await bot(server._storage)
    await until_known(server)
    bearer = [("Authorization", f"Bearer {secret}")]
    assert (await fetch(server.port, "/api/users", bearer)).status == 200
    async with (
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *bearer]) as client,
        await RawClient.open(server.port, "/chat", NATIVE) as later,
    ):
        welcome = await client.expect("welcome")
        assert (welcome["user"], welcome["token"]) == ({"id": key.bot_id, "name": "bot"}, "")
        later.send(command(type="hello", id="h", token=secret))
        assert (await later.expect("welcome", id="h"))["user"]["id"] == key.bot_id
        await server._storage.access.revoke_key(key.key_id, noted("key_revoke", at=now_us()))
        for one in (client, later):
            assert await one.closing() == (SIGNED_OUT.code, SIGNED_OUT.reason)
    await until_known(server)
    reply = await fetch(server.port, "/api/users", bearer)
    assert (reply.status, reply.json()["error"]["code"]) == (401, "unauthorized")


async def test_a_guest_loses_a_name_that_gets_registered(serve: Serve) -> None:
    server = await serve()
    ann = account()
    async with (
        await RawClient.open(server.port, f"/chat?r=den&u={ann.username.upper()}", NATIVE) as guest,
        await RawClient.open(server.port, "/chat?r=den&u=other", NATIVE) as other,
    ):
        await stored(server._storage.accounts, ann)
        await guest.refused("reserved_name")
        assert await guest.closing() == (REFUSED.code, REFUSED.reason)
        await other.pong()
    await until_known(server)
    async with await RawClient.open(server.port, f"/chat?u={ann.username}", NATIVE) as again:
        assert (await again.expect("welcome"))["user"]["name"].startswith("guest-")
        await again.refused("reserved_name")


async def test_an_access_token_and_a_key_expire(serve: Serve) -> None:
    """With a code that says so, unless `hello` has brought a newer token in time."""
    server = await serve(HEAD_SECONDS="0.2")
    ann, ben = await signed_in(server), await signed_in(server)
    almost = now_us() - (ACCESS_SECONDS - 2) * 1_000_000
    soon = [one._replace(pair=sign_pair(server._keys, one.account, one.login, (), almost)) for one in (ann, ben)]
    secret, _ = await bot(server._storage, days=2 / 86_400)
    await until_known(server)
    async with (
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *soon[0].bearer]) as expires,
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *soon[1].bearer]) as renewed,
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, ("Authorization", f"Bearer {secret}")]) as robot,
    ):
        renewed.send(command(type="hello", id="h", token=ben.pair.access))
        await renewed.expect("welcome", id="h")
        for client in (expires, robot):
            await client.refused("unauthorized")
            assert await client.closing() == (TOKEN_EXPIRED.code, TOKEN_EXPIRED.reason)
        await renewed.pong()


# --- by cookie --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "more", "is_ann"),
    [
        ("http://localhost", [], True),
        ("http://localhost", [("Sec-Fetch-Site", "same-origin")], True),
        (None, [], False),
        ("http://127.0.0.1", [], False),
        ("https://localhost", [], False),
        ("null", [], False),
        ("http://localhost", [("Sec-Fetch-Site", "cross-site")], False),
    ],
)
async def test_an_upgrade_by_cookie_needs_the_own_origin(
    serve: Serve, origin: str | None, more: Headers, is_ann: bool
) -> None:
    """Pages of all origins may connect, but without the cookie they are guests."""
    server = await serve()
    ann = await signed_in(server, by_cookie=True)
    async with await RawClient.open(server.port, "/chat", [*NATIVE, *ann.cookies(origin), *more]) as client:
        welcome = await client.expect("welcome")
        assert (welcome["user"]["id"] == ann.account.account_id) is is_ann
        assert welcome["guest"] is not is_ann


async def test_the_public_url_decides_which_origin_is_the_own_one(serve: Serve) -> None:
    server = await serve(PUBLIC_URL="https://chat.example")
    ann = await signed_in(server, by_cookie=True)
    for origin, is_ann in (("https://chat.example", True), ("http://localhost", False)):
        cookies = ann.cookies(origin, "https://chat.example")
        async with await RawClient.open(server.port, "/chat", [*NATIVE, *cookies]) as client:
            assert ((await client.expect("welcome"))["user"]["id"] == ann.account.account_id) is is_ann


async def test_a_connection_by_cookie_lives_as_long_as_its_login(serve: Serve) -> None:
    """A refresh in any tab renews it, and `hello` does not."""
    server = await serve(HEAD_SECONDS="0.2")
    second = 1_000_000
    ann = await signed_in(server, by_cookie=True, ends_at=now_us() + 2 * second)
    ben = await signed_in(server, by_cookie=True, ends_at=now_us() + 2 * second)
    longer = await signed_in(server, ben.account)
    async with (
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *ann.cookies()]) as renewed,
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *ben.cookies()]) as other,
    ):
        refreshed = await server._storage.logins.refresh(
            ann.login.login_id, 0, now_us(), ends_at=now_us() + DAY, address="", entry=noted("token_reuse", at=now_us())
        )
        assert refreshed.outcome == "new"
        await other.expect("joined")
        other.send(command(type="hello", id="h", token=longer.pair.access))
        assert (await other.expect("welcome", id="h"))["user"]["id"] == ben.account.account_id
        await other.refused("unauthorized")
        assert await other.closing() == (TOKEN_EXPIRED.code, TOKEN_EXPIRED.reason)
        renewed.send(command(type="message", id="1", room="den", content="still here"))
        await renewed.expect("message", id="1")


async def test_hello_renews_a_connection_with_an_explicit_token(serve: Serve) -> None:
    """Also with a token of another login, name or role of the same account."""
    server = await serve()
    ann = await signed_in(server)
    async with await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *ann.bearer]) as client:
        await client.expect("joined")
        async with server.accounts.follower._reading:  # the notice is not known before the new token is there
            changed = await server._storage.accounts.change(
                ann.account.account_id, AccountChange(name="Anna"), noted("name", at=now_us())
            )
            assert changed is not None
            newer = await signed_in(server, changed)
            client.send(command(type="hello", id="h", token=newer.pair.access))
            welcome = await client.expect("welcome", id="h")
            assert welcome["user"] == {"id": ann.account.account_id, "name": "Anna"}
        await until_known(server)
        client.send(command(type="message", id="1", room="den", content="still here"))
        assert (await client.expect("message", id="1"))["sender"] == "Anna"
