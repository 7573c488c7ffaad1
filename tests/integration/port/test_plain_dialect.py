"""The plain dialect, as old pages use it: raw text out, JSON with four fields in, public history."""

import json
import re
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.rawws import NATIVE, RawClient, command, text
from tests.support.serving import Serve

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def heard(client: RawClient) -> tuple[str, str, str]:
    """Return room, sender and content of the next frame, with exactly the fields of the dialect; guests are marked."""
    frame = await client.message()
    notice = frame["sender"] == "SYSTEM"
    assert list(frame) == ["sender", "room", "content", "timestamp", *([] if notice else ["kind"])]
    assert notice or frame["kind"] == "guest"
    assert TIMESTAMP.fullmatch(frame["timestamp"])
    return frame["room"], frame["sender"], frame["content"]


async def test_every_client_receives_every_message_including_its_own(port: int) -> None:
    async with await RawClient.open(port, "/chat?r=den&u=ann") as ann:
        assert await heard(ann) == ("den", "SYSTEM", "User ann entered the chat")
        async with await RawClient.open(port, "/chat?r=den&u=bob") as bob:
            for client in (ann, bob):
                assert await heard(client) == ("den", "SYSTEM", "User bob entered the chat")
            bob.send(text('{"type":"message"} is just text, <b>and</b> so is this\n\ttabbed'))
            for client in (ann, bob):
                said = ("den", "bob", '{"type":"message"} is just text, <b>and</b> so is this\n\ttabbed')
                assert await heard(client) == said
            bob.send_close()
            await bob.closing()
        assert await heard(ann) == ("den", "SYSTEM", "User bob left the chat")


@pytest.mark.parametrize("target", ["/chat", "/chat?", "/chat?r=&u=", "/chat?other=x", "/chat?r=general&u=Anonymous"])
async def test_the_defaults_are_general_and_anonymous(port: int, target: str) -> None:
    async with await RawClient.open(port, target) as client:
        assert await heard(client) == ("general", "SYSTEM", "User Anonymous entered the chat")
        client.send(text("hi"))
        assert await heard(client) == ("general", "Anonymous", "hi")


async def test_names_in_the_address_are_decoded(port: int) -> None:
    async with await RawClient.open(port, "/chat?r=caf%C3%A9+%26+bar&u=J%C3%BCrgen%20%E2%9C%93") as client:
        assert await heard(client) == ("café & bar", "SYSTEM", 'User "Jürgen ✓" entered the chat')


async def test_rooms_are_separate(port: int) -> None:
    async with await RawClient.open(port, "/chat?r=one&u=ann") as ann, await RawClient.open(port, "/chat?r=two") as two:
        await heard(ann)
        await heard(two)
        ann.send(text("only here"))
        assert await heard(ann) == ("one", "ann", "only here")
        two.send(text("only there"))
        assert await heard(two) == ("two", "Anonymous", "only there")


async def test_two_sessions_with_one_name_are_two_users(port: int) -> None:
    """A name is for display: a second user with the same name disconnects nobody."""
    async with await RawClient.open(port, "/chat?r=den&u=ann") as first:
        await heard(first)
        async with await RawClient.open(port, "/chat?r=den&u=ann") as second:
            assert await heard(first) == await heard(second) == ("den", "SYSTEM", "User ann entered the chat")
            second.send(text("me too"))
            assert await heard(first) == await heard(second) == ("den", "ann", "me too")


async def test_clients_of_both_dialects_share_a_room(port: int) -> None:
    async with (
        await RawClient.open(port, "/chat?r=den&u=old") as old,
        await RawClient.native(port, "/chat?r=den&u=new") as new,
    ):
        assert await heard(old) == ("den", "SYSTEM", "User old entered the chat")
        assert await heard(old) == ("den", "SYSTEM", "User new entered the chat")
        await new.expect("joined")
        new.send(command(type="message", id="m", room="den", content="from the new one"))
        assert await heard(old) == ("den", "new", "from the new one")
        await new.expect("ack")
        old.send(text("from the old one"))
        message = await new.expect("message", sender="old")
        assert message["content"] == "from the old one"
        assert "id" not in message
        new.send(command(type="leave", room="den"))
        assert await heard(old) == ("den", "old", "from the old one")
        assert await heard(old) == ("den", "SYSTEM", "User new left the chat")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("", "a message must contain at least one visible character"),
        (" \n\t ", "a message must contain at least one visible character"),
        ("x" * 4001, "a message can have at most 4000 characters"),
        ("a\x00b", "content contains a control character"),
        ("\x1b[2J", "content contains a control character"),
    ],
    ids=["empty", "white", "long", "NUL", "escape"],
)
async def test_an_error_is_a_notice_only_to_its_author(port: int, wrong: str, sentence: str) -> None:
    async with (
        await RawClient.open(port, "/chat?r=den&u=ann") as ann,
        await RawClient.open(port, "/chat?r=den&u=bob") as bob,
    ):
        assert "bob" in (await heard(bob))[2]
        ann.send(text(wrong) + text("fine"))
        while (got := await heard(ann))[2].startswith("User"):
            pass
        assert got == ("den", "SYSTEM", sentence)
        assert await heard(ann) == ("den", "ann", "fine")
        assert await heard(bob) == ("den", "ann", "fine")


async def test_too_many_messages_at_once_is_a_notice(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_MESSAGES="1")
    async with await RawClient.open(server.port, "/chat?r=den&u=ann") as ann:
        await heard(ann)
        ann.send(b"".join(text(str(number)) for number in range(4)))
        got = [await heard(ann) for _ in range(4)]
        assert sorted(got) == [
            ("den", "SYSTEM", "too many requests; slow down"),
            *(("den", "ann", str(number)) for number in range(3)),
        ]


@pytest.mark.parametrize(
    "target",
    [
        "/chat?u=SYSTEM",
        "/chat?u=s.y-s_tem",
        "/chat?u=a%00",
        "/chat?r=" + "x" * 65,
        "/chat?r=%E2%80%AE",
        "/chat?r=a%0D%0Ab",
    ],
)
async def test_an_invalid_address_is_reported_and_closed_with_4102(port: int, target: str) -> None:
    async with await RawClient.open(port, target) as client:
        _, sender, reason = await heard(client)
        assert sender == "SYSTEM"
        assert "entered" not in reason
        assert await client.closing() == (4102, "refused")


async def test_the_plain_dialect_is_refused_if_guests_are_disabled(serve: Serve) -> None:
    server = await serve(GUESTS="off")
    async with await RawClient.open(server.port) as client:
        assert (await heard(client))[1] == "SYSTEM"
        assert (await client.closing())[0] == 4102


async def test_stopping_closes_with_1001(serve: Serve) -> None:
    server = await serve(CLOSE_SECONDS="0.1")
    async with await RawClient.open(server.port) as client:
        await heard(client)
        await server.stop()
        assert await client.closing() == (1001, "going away")


# --- an old page -----------------------------------------------------------------------------------------------------


async def receive(socket: ClientConnection, kind: type = dict) -> Any:
    got = json.loads(await socket.recv())
    assert type(got) is kind
    return got


async def test_an_old_page_works_unchanged(port: int) -> None:
    """What such a page does: `new WebSocket(url)`, `send(text)`, `JSON.parse(data).sender`, `fetch(history)`.

    It comes from another origin than the server, and its library speaks plain RFC 6455 with compression on offer.
    """
    origin = "https://an.old.page"
    address = f"ws://127.0.0.1:{port}/chat?r=lobby&u=Grandpa"
    async with connect(address, origin=origin, proxy=None) as socket:  # type: ignore[arg-type]  # a NewType of str
        assert socket.response is not None
        assert (await receive(socket))["content"] == "User Grandpa entered the chat"
        await socket.send("hello from 2014 ☺")
        message = await receive(socket)
        assert (message["sender"], message["room"], message["content"]) == ("Grandpa", "lobby", "hello from 2014 ☺")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/history?r=lobby", headers={"Origin": origin}) as answer,
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            history = await answer.json()
        assert [{name: line[name] for name in ("sender", "room", "content", "timestamp")} for line in history] == [
            {name: value for name, value in message.items() if name != "kind"}
        ]


async def test_a_refused_binary_frame_keeps_the_librarys_connection(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/chat?r=lobby", proxy=None) as socket:
        await receive(socket)
        await socket.send(b"\x00\x01")
        assert (await receive(socket))["content"] == "binary frames are not supported; send text"
        await socket.send("text")
        assert (await receive(socket))["content"] == "text"


async def test_the_library_sees_an_oversize_frame_refused(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/chat?r=lobby", proxy=None) as socket:
        await receive(socket)
        await socket.send("x" * 1_000_000)
        assert (await receive(socket))["content"] == "a frame can have at most 65536 bytes"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_the_library_sends_fragments_and_pings(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/chat?r=lobby", proxy=None) as socket:
        await receive(socket)
        await (await socket.ping(b"are you there"))
        await socket.send(["in ", "three ", "pieces"])
        assert (await receive(socket))["content"] == "in three pieces"


async def test_the_library_closes_at_once(port: int) -> None:
    """Its Close is answered and the connection ended by the server, without waiting for a time-out."""
    async with connect(f"ws://127.0.0.1:{port}/chat", subprotocols=[NATIVE[0][1]], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "parley.v1"
        assert (await receive(socket))["type"] == "welcome"
    assert (socket.close_code, socket.close_reason) == (1000, "")


async def test_the_library_is_closed_at_once(serve: Serve) -> None:
    """The library answers the server's Close and waits for the server to end TCP, which happens at once."""
    server = await serve(GUESTS="off", HELLO_SECONDS="0.02", CLOSE_SECONDS="60")
    async with connect(f"ws://127.0.0.1:{server.port}/chat", subprotocols=[NATIVE[0][1]], proxy=None) as socket:  # type: ignore[list-item]
        await socket.wait_closed()
    assert (socket.close_code, socket.close_reason) == (4101, "hello_timeout")
