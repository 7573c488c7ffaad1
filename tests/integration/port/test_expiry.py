"""A connection ends when its account's token expires, in every dialect, unless a `hello` sends another in time."""

import time

import pytest

from server.app import Server
from server.auth.tokens import sign_account
from tests.support.rawws import NATIVE, RawClient, command
from tests.support.serving import Serve

SECRET = "the secret of an application, 32 characters or more"
EXPIRED = (4104, "token_expired")


def token(seconds: float, userid: str = "7") -> str:
    return sign_account(SECRET, userid=userid, username="ann", role="user", expires=time.time() + seconds)


async def quick(serve: Serve, **environment: str) -> Server:
    """A server that checks for expired tokens many times a second."""
    return await serve(JWT_SECRET=SECRET, HEAD_SECONDS="0.2", **environment)


@pytest.mark.parametrize(
    ("path", "headers", "said"),
    [
        ("/api/chat?room=den", [], '{"event":"error","content":"the token has expired"'),
        ("/chat?r=den", NATIVE, '"code":"unauthorized","message":"the token has expired"'),
        ("/chat?r=den", [], '{"sender":"SYSTEM","room":"den","content":"the token has expired"'),
        ("/ws", [], '{"type":"error","payload":{"code":"unauthorized","message":"the token has expired"'),
    ],
    ids=["events", "native", "plain", "rooms"],
)
async def test_a_connection_is_closed_when_its_token_expires(
    serve: Serve, path: str, headers: list[tuple[str, str]], said: str
) -> None:
    server = await quick(serve)
    bearer = ("Authorization", f"Bearer {token(1)}")
    async with await RawClient.open(server.port, path, [*headers, bearer]) as ann:
        heard = ""
        while (frame := await ann.frame()).opcode == 1:
            heard = frame.payload.decode()
        assert said in heard
        assert (int.from_bytes(frame.payload[:2]), frame.payload[2:].decode()) == EXPIRED
        ann.send_close(4104)
        assert await ann.rest() == b""


async def test_a_token_in_hello_expires_like_one_in_the_head(serve: Serve) -> None:
    server = await quick(serve, GUESTS="off")
    async with await RawClient.open(server.port, headers=NATIVE) as ann:
        ann.send(command(type="hello", token=token(1)))
        await ann.expect("welcome")
        await ann.refused("unauthorized")
        assert await ann.closing() == EXPIRED


async def test_a_timely_hello_keeps_the_connection(serve: Serve) -> None:
    """A second connection with the first token shows that it has expired."""
    server = await quick(serve)
    first = ("Authorization", f"Bearer {token(1)}")
    async with (
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, first]) as ann,
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, first]) as other,
    ):
        await ann.expect("joined")
        ann.send(command(type="hello", id="h", token=token(600)))
        await ann.expect("welcome", id="h")
        ann.send(command(type="hello", id="x", token=token(600, "8")))
        await ann.refused("principal_fixed", id="x")
        while (await other.message())["type"] != "error":
            pass
        assert await other.closing() == EXPIRED
        ann.send(command(type="message", id="1", room="den", content="still here"))
        await ann.expect("message", id="1")


async def test_a_hello_may_shorten_the_connections_life(serve: Serve) -> None:
    server = await quick(serve)
    async with await RawClient.open(server.port, headers=NATIVE) as ann:
        await ann.expect("welcome")
        for seconds in (600, 1):
            ann.send(command(type="hello", id="h", token=token(seconds)))
            await ann.expect("welcome", id="h")
        await ann.refused("unauthorized")
        assert await ann.closing() == EXPIRED


async def test_guests_do_not_expire_and_leave_nothing_behind(serve: Serve) -> None:
    server = await quick(serve)
    async with await RawClient.native(server.port) as guest:
        bearer = ("Authorization", f"Bearer {token(600)}")
        async with await RawClient.open(server.port, headers=[*NATIVE, bearer]) as ann:
            await ann.expect("welcome")
            assert len(server.shared.expiries) == 1
        while len(server.shared.connections) > 1:
            guest.send(command(type="ping"))
            await guest.expect("pong")
        assert len(server.shared.expiries) == 0
