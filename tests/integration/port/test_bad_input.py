"""Any input gets a named error, does not affect other clients, and logs no internal error."""

import asyncio
import itertools
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model.errors import CLOSE_CODES, ERRORS
from server.app import Server
from tests.support import contract
from tests.support.examples import examples
from tests.support.rawws import (
    BINARY,
    CLOSE,
    CONT,
    NATIVE,
    PING,
    PONG,
    TEXT,
    RawClient,
    command,
    frame,
    request,
    text,
    upgrade,
)
from tests.support.serving import NewCluster, Serve, serving

EVENTS = {"welcome", "joined", "left", "message", "synced", "ack", "history", "presence", "pong", "error"}
CODES = {1000, 1001, 1002, 1007, 1009, *(close.code for close in CLOSE_CODES)}


class LiveServer:
    """A server and its own event loop, for hypothesis, which calls plain functions repeatedly."""

    def __init__(self, new_cluster: NewCluster | None, **environment: str) -> None:
        self.runner = asyncio.Runner()
        self._serving = serving(new_cluster, {"CLOSE_SECONDS": "0.1"})
        self.server = self.runner.run(self._start(environment))
        self.port = self.server.port

    async def _start(self, environment: dict[str, str]) -> Server:
        serve = await self._serving.__aenter__()
        return await serve(**environment)

    def close(self) -> None:
        self.runner.run(self._serving.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture
def live(new_cluster: NewCluster | None) -> Iterator[LiveServer]:
    server = LiveServer(new_cluster, RATE_LIMIT_MESSAGES="0", MAX_FRAME_BYTES="2048")
    yield server
    server.close()


repeatedly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(100))


async def assert_serves(port: int) -> None:
    """Assert that a new client can join, post and be acked."""
    async with await RawClient.native(port) as client:
        client.send(command(type="join", id="j", room="fresh"))
        await client.expect("joined", id="j")
        client.send(command(type="message", id="m", room="fresh", content="still here"))
        await client.expect("ack")


def read_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the frames that the server has sent, which are always well-formed."""
    while data:
        first, size = data[0], data[1]
        assert first & 0x80, "the server sends whole messages only"
        assert not first & 0x70
        assert size < 0x80, "the server does not mask"
        at = 2
        if size == 126:
            (size,) = struct.unpack("!H", data[2:4])
            at = 4
        assert size != 127
        assert len(data) >= at + size, "the last frame is all there"
        yield first & 0x0F, data[at : at + size]
        data = data[at + size :]


def check_answers(data: bytes) -> None:
    """Assert that every frame is an event of the protocol, no error is unknown or internal, and a Close is last."""
    frames = list(read_frames(data))
    for number, (opcode, payload) in enumerate(frames):
        if opcode == TEXT:
            event = json.loads(payload)
            contract.hold("parley.v1", event)
            assert event["type"] in EVENTS
            if event["type"] == "error":
                assert event["code"] in set(ERRORS) - {"internal"}, event
                assert event["retryable"] == ERRORS[event["code"]].retryable
                assert event["message"]
        elif opcode == CLOSE:
            assert not payload or struct.unpack("!H", payload[:2])[0] in CODES | {3000, 4999}, payload
            assert number == len(frames) - 1, "nothing comes after a Close"
        else:
            assert opcode in (PING, PONG)


# --- the frame level -------------------------------------------------------------------------------------------------

good = st.sampled_from(
    [
        command(type="ping", id="p"),
        command(type="join", room="den"),
        command(type="message", id="m", room="den", content="x" * 130),
        frame(PING, b"x"),
        frame(TEXT, b'{"type":', fin=False) + frame(PING) + frame(CONT, b'"ping"}'),
    ]
)
odd_frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=140),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1, 2, 4, 7]),
    masked=st.sampled_from([True, True, True, False]),
    mask=st.binary(min_size=4, max_size=4),
    announced=st.sampled_from([None, None, None, 0, 125, 126, 2048, 2049, 65536, 2**31, 2**63 - 1, 2**63, 2**64 - 1]),
)
closes = st.builds(
    lambda code, reason: frame(CLOSE, struct.pack("!H", code) + reason),
    st.sampled_from([0, 999, 1000, 1001, 1005, 1006, 3000, 4999, 5000]),
    st.sampled_from([b"", b"bye", b"\xff", "é".encode()]),
)
streams = st.lists(st.one_of(good, odd_frames, closes, st.binary(max_size=40)), min_size=1, max_size=8).map(b"".join)


async def send_in_pieces(client: RawClient, data: bytes, seed: int) -> None:
    """Send in packets of random length, so that frames are cut anywhere."""
    pieces = random.Random(seed)
    while data:
        size = pieces.choice((1, 2, 3, 7, 100, 10_000))
        client.send(data[:size])
        data = data[size:]
        await asyncio.sleep(0)  # the server's turn


def test_random_frames_return_named_errors(live: LiveServer) -> None:
    async def drive(stream: bytes, seed: int) -> None:
        async with await RawClient.open(live.port, "/chat?u=ann", NATIVE) as client:
            await send_in_pieces(client, stream, seed)
            client.send_eof()
            check_answers(await client.rest())

    @repeatedly
    @given(stream=streams, seed=st.integers(0, 3))
    @example(stream=frame(TEXT, b"x" * 3000)[:10] + b"\x81\x80", seed=0)
    @example(stream=frame(TEXT, b"", fin=False) + frame(TEXT, b"x"), seed=0)
    @example(stream=frame(BINARY, b"", fin=False) + frame(CONT, b'{"type":"ping"}'), seed=0)
    def check(stream: bytes, seed: int) -> None:
        live.runner.run(drive(stream, seed))

    check()
    live.runner.run(assert_serves(live.port))


def test_random_frames_on_an_open_stream_are_handled(live: LiveServer) -> None:
    """As above, but the client stays connected: the server closes or keeps responding, and never hangs."""

    async def drive(stream: bytes) -> None:
        async with await RawClient.open(live.port, "/chat?u=ann", NATIVE) as client:
            # Enough bytes to end any incomplete frame that is not oversize; then Closes.
            client.send(stream + b"".join(text('{"type":"ping"}' + " " * 2000) for _ in range(2)))
            client.send(frame(CLOSE, struct.pack("!H", 1000)) * 500)
            check_answers(await client.rest())

    @repeatedly
    @given(stream=st.lists(st.one_of(good, closes, st.binary(max_size=40)), min_size=1, max_size=8).map(b"".join))
    def check(stream: bytes) -> None:
        live.runner.run(drive(stream))

    check()
    live.runner.run(assert_serves(live.port))


# --- the head --------------------------------------------------------------------------------------------------------


def test_random_heads_are_answered_or_disconnected(live: LiveServer) -> None:
    async def drive(data: bytes, seed: int) -> None:
        async with await RawClient.connect(live.port) as client:
            await send_in_pieces(client, data, seed)
            client.send_eof()
            got = await client.rest()
            assert not got or got.startswith(b"HTTP/"), got
            assert got[9:10] != b"5" or got[9:12] == b"505", got

    whole = upgrade("/chat?u=ann", NATIVE)
    mutated = st.builds(
        lambda head, at, cut, junk: head[: at % len(head)] + junk + head[at % len(head) + cut :],
        st.sampled_from([whole, request("/history?r=x&limit=3"), request("/health") * 2]),
        st.integers(0, 400),
        st.integers(0, 6),
        st.one_of(
            st.binary(max_size=6), st.sampled_from([b"\r\n", b"\n\n", b"\r\n\r\n", b" ", b":", b"%", b"//[", b"\x00"])
        ),
    )

    @repeatedly
    @given(data=st.one_of(mutated, st.binary(max_size=200)), seed=st.integers(0, 3))
    @example(data=upgrade("//["), seed=0)
    @example(data=request("/history?before=" + "0" * 5000 + "1"), seed=3)
    def check(data: bytes, seed: int) -> None:
        live.runner.run(drive(data, seed))

    check()
    live.runner.run(assert_serves(live.port))


# --- the command level -----------------------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(["", " ", "den", "x" * 65, "\x00", "\u202e", "e\u0301", "SYSTEM", "p"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    "id",
    "room",
    "content",
    "resend",
    "token",
    "since",
    "epoch",
    "limit",
    "before",
    "after",
    "sender",
    "q",
    "extra",
]
TYPES = ["hello", "join", "leave", "message", "history", "ping"]
commands = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.one_of(st.sampled_from(TYPES), st.sampled_from(TYPES), values),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=6),
)
likely = st.builds(
    lambda kind, fields, changed: {"type": kind, "room": "den", "content": "x", "token": "t", **fields, **changed},
    st.sampled_from(TYPES),
    st.fixed_dictionaries({"id": st.sampled_from(["a", "b"])}),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=1),
)
texts = st.one_of(
    commands.map(json.dumps),
    likely.map(json.dumps),
    values.map(json.dumps),
    st.text(max_size=60).filter(lambda t: t.isprintable()),
    st.builds(lambda value, at: json.dumps(value)[: at % 60], likely, st.integers(0, 59)),
)


def test_random_commands_return_named_errors(live: LiveServer) -> None:
    async def drive(said: list[str]) -> None:
        async with await RawClient.open(live.port, "/chat?u=ann&r=den", NATIVE) as client:
            for one in said:
                client.send(frame(TEXT, one.encode("utf-8", "surrogatepass")))
            client.send(command(type="ping", id="the end"))
            ended = False
            while not ended:
                event = await client.message()
                assert event["type"] in EVENTS
                if event["type"] == "error":
                    assert event["code"] in set(ERRORS) - {"internal"}, event
                    assert event["code"] != "bad_field" or event["field"], event
                ended = event["type"] == "pong" and event.get("id") == "the end"

    @repeatedly
    @given(said=st.lists(texts, min_size=1, max_size=10))
    @example(said=["[" * 2000, '{"type":"ping","id":"\\ud800"}', '{"type":"ping","x":' + "[" * 1900])
    @example(said=['{"type":"join","room":"den","since":1e400}', '{"type":"ping","type":"join"}', "null", ""])
    @example(said=['{"type":"message","room":"den","content":"\\u0000"}', '{"type":"x`y - at `$.z`"}'])
    def check(said: list[str]) -> None:
        live.runner.run(drive(said))

    check()
    live.runner.run(assert_serves(live.port))


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def test_random_text_in_the_plain_dialect_is_handled(live: LiveServer) -> None:
    """Every frame comes back as the message, or as a notice to its author."""
    rooms = itertools.count()

    async def drive(said: list[str]) -> None:
        async with await RawClient.open(live.port, f"/chat?u=ann&r=plain{next(rooms)}") as client:
            assert (await client.message())["content"] == "User ann entered the chat"
            for one in said:
                client.send(text(one))
                got = await client.message()
                notice = got["sender"] == "SYSTEM"
                assert set(got) == {"sender", "room", "content", "timestamp"} | (set() if notice else {"kind"})
                assert notice or (got["sender"], got["content"], got["kind"]) == ("ann", unix(one), "guest")
                if one.strip() and one.isprintable():
                    assert got["sender"] == "ann"

    @repeatedly
    @given(said=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=5))
    def check(said: list[str]) -> None:
        live.runner.run(drive(said))

    check()


# --- named errors ----------------------------------------------------------------------------------------------------

HUGE = "9" * 400
REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("", {"code": "bad_json"}),
    ("not json", {"code": "bad_json"}),
    ("[]", {"code": "bad_json"}),
    ('"message"', {"code": "bad_json"}),
    ("null", {"code": "bad_json"}),
    ('{"type":"ping"', {"code": "bad_json"}),
    ('{"type":"ping"} {}', {"code": "bad_json"}),
    ("{'type':'ping'}", {"code": "bad_json"}),
    ('{"type":"ping","id":"\\ud800"}', {"code": "bad_json"}),
    ("[" * 2000, {"code": "bad_json"}),
    ('{"type":"ping","x":' + "[" * 1900, {"code": "bad_json"}),
    ("{}", {"code": "bad_field", "field": "type"}),
    ('{"id":"7"}', {"code": "bad_field", "field": "type", "id": "7"}),
    ('{"type":7,"id":"7"}', {"code": "bad_field", "field": "type", "id": "7"}),
    ('{"type":null}', {"code": "bad_field", "field": "type"}),
    ('{"type":"fly","id":"7"}', {"code": "unknown_type", "id": "7"}),
    ('{"type":"Message"}', {"code": "unknown_type"}),
    ('{"type":""}', {"code": "unknown_type"}),
    ('{"type":"ping","id":7}', {"code": "bad_field", "field": "id"}),
    ('{"type":"ping","id":""}', {"code": "bad_field", "field": "id"}),
    (f'{{"type":"ping","id":"{"x" * 65}"}}', {"code": "bad_field", "field": "id"}),
    ('{"type":"join","id":"7"}', {"code": "bad_field", "field": "room", "id": "7"}),
    ('{"type":"join","room":null,"id":"7"}', {"code": "bad_field", "field": "room", "id": "7"}),
    ('{"type":"join","room":"","id":"7"}', {"code": "bad_field", "field": "room", "id": "7"}),
    (f'{{"type":"join","room":"{"x" * 65}","id":"7"}}', {"code": "bad_field", "field": "room", "id": "7"}),
    ('{"type":"join","room":"a\\u200bb","id":"7"}', {"code": "bad_field", "field": "room", "id": "7"}),
    *(
        (f'{{"type":"join","room":"den","since":{since},"id":"7"}}', {"code": "bad_field", "field": "since", "id": "7"})
        for since in ("-1", "1.5", "9007199254740992", HUGE, "1e400", '"1"', "true", "[]")
    ),
    ('{"type":"join","room":"den","epoch":5,"id":"7"}', {"code": "bad_field", "field": "epoch", "id": "7"}),
    ('{"type":"message","room":"den","id":"7"}', {"code": "bad_field", "field": "content", "id": "7"}),
    ('{"type":"message","content":"x","id":"7"}', {"code": "bad_field", "field": "room", "id": "7"}),
    ('{"type":"message","room":"den","content":7,"id":"7"}', {"code": "bad_field", "field": "content", "id": "7"}),
    ('{"type":"message","room":"den","content":"","id":"7"}', {"code": "empty", "id": "7"}),
    ('{"type":"message","room":"den","content":" \\n\\t\\u3000","id":"7"}', {"code": "empty", "id": "7"}),
    (
        '{"type":"message","room":"den","content":"a\\u0000","id":"7"}',
        {"code": "bad_field", "field": "content", "id": "7"},
    ),
    ('{"type":"message","room":"den","content":"x","resend":"yes","id":"7"}', {"code": "bad_field", "field": "resend"}),
    ('{"type":"message","room":"elsewhere","content":"x","id":"7"}', {"code": "not_joined", "id": "7"}),
    (f'{{"type":"message","room":"den","content":"{"x" * 1001}","id":"7"}}', {"code": "too_large", "id": "7"}),
    ('{"type":"leave","room":"elsewhere","id":"7"}', {"code": "not_joined", "id": "7"}),
    ('{"type":"history","room":"elsewhere","id":"7"}', {"code": "not_joined", "id": "7"}),
    *(
        (
            f'{{"type":"history","room":"den","limit":{limit},"id":"7"}}',
            {"code": "bad_field", "field": "limit", "id": "7"},
        )
        for limit in ("0", "501", "-1", "1.5", HUGE, '"5"')
    ),
    ('{"type":"history","room":"den","before":-1,"id":"7"}', {"code": "bad_field", "field": "before", "id": "7"}),
    ('{"type":"history","room":"den","after":"x","id":"7"}', {"code": "bad_field", "field": "after", "id": "7"}),
    ('{"type":"history","room":"den","sender":5,"id":"7"}', {"code": "bad_field", "field": "sender", "id": "7"}),
    ('{"type":"history","room":"den","q":5,"id":"7"}', {"code": "bad_field", "field": "q", "id": "7"}),
    ('{"type":"history","room":"den","q":"...","id":"7"}', {"code": "bad_field", "field": "q", "id": "7"}),
    ('{"type":"hello","id":"7"}', {"code": "bad_field", "field": "token", "id": "7"}),
    ('{"type":"hello","token":"","id":"7"}', {"code": "unauthorized", "id": "7"}),
    ('{"type":"hello","token":"a.b.c","id":"7"}', {"code": "unauthorized", "id": "7"}),
    ('{"type":"hello","token":"\\u00e9.\\u00e9.\\u00e9","id":"7"}', {"code": "unauthorized", "id": "7"}),
]


async def test_each_error_has_its_code(serve: Serve) -> None:
    """All on one connection, which stays open: each error arrives before the pong of a ping sent directly after."""
    server = await serve(MAX_CONTENT_CHARS="1000", RATE_LIMIT_MESSAGES="0")
    async with await RawClient.native(server.port, "/chat?u=ann&r=den") as client:
        await client.expect("joined")
        for said, expected in REFUSALS:
            client.send(text(said) + command(type="ping", id="behind"))
            error = await client.refused(**expected)
            assert ("id" in error) == ("id" in expected) or "id" in error, said
            assert error["retryable"] is False
            await client.expect("pong", id="behind")


async def test_unknown_fields_are_ignored(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(command(type="ping", id="p", colour="red", more={"deep": [1, {"x": None}]}))
        await client.expect("pong", id="p")


async def test_too_many_rooms_returns_a_named_error(serve: Serve) -> None:
    server = await serve(SESSION_ROOMS="2")
    async with await RawClient.native(server.port) as client:
        for room in "abc":
            client.send(command(type="join", id=room, room=room))
        await client.refused("too_many_rooms", id="c")
        client.send(command(type="join", id="again", room="a"))  # not a third room
        await client.expect("joined", id="again")


async def test_too_many_messages_are_refused_with_a_retry_time(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_MESSAGES="2")
    async with await RawClient.native(server.port, "/chat?u=ann&r=den") as client:
        await client.expect("joined")
        client.send(b"".join(command(type="message", id=str(n), room="den", content="x") for n in range(7)))
        error = await client.refused("rate_limited", id="6", retryable=True)
        assert 0 < error["retry_after"] <= 0.5


async def test_too_many_commands_are_refused_and_the_connection_stays(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(b"".join(command(type="ping", id=str(number)) for number in range(700)))
        error = await client.refused("rate_limited", retryable=True)
        assert 0 < error["retry_after"] < 1
    await assert_serves(port)


async def test_a_second_principal_returns_a_named_error(port: int) -> None:
    async with await RawClient.open(port, headers=NATIVE) as ann, await RawClient.open(port, headers=NATIVE) as bob:
        anns, bobs = (await ann.expect("welcome"))["token"], (await bob.expect("welcome"))["token"]
        ann.send(command(type="hello", id="1", token=anns))
        await ann.expect("welcome", id="1")
        ann.send(command(type="hello", id="2", token=bobs))
        await ann.refused("principal_fixed", id="2")
