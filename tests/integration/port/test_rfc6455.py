"""All of RFC 6455, with frames packed by hand. Section numbers are those of the RFC."""

import asyncio
import json
import struct
from itertools import pairwise

import pytest

from server.wire.websocket import most_fragments
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
    text,
    upgrade,
)
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("frames are read by the node to which the client is connected")

PING_COMMAND = b'{"type":"ping","id":"p"}'


async def assert_serves(port: int) -> None:
    """Assert that a new client can join, post and be acked."""
    async with await RawClient.native(port) as client:
        client.send(command(type="join", id="j", room="afterwards"))
        await client.expect("joined", id="j")
        client.send(command(type="message", id="m", room="afterwards", content="still here"))
        await client.expect("message", content="still here")
        await client.expect("ack")


# --- messages, whole and in pieces (5.4, 5.6) ------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(5,), (0, 0, 5), (5, 5, 24), (1, 2, 3, 4, 5, 6)], ids=str)
async def test_a_fragmented_text_is_one_message(port: int, cuts: tuple[int, ...]) -> None:
    bounds = [0, *cuts, len(PING_COMMAND)]
    pieces = [PING_COMMAND[a:b] for a, b in pairwise(bounds)]
    async with await RawClient.native(port) as client:
        for number, piece in enumerate(pieces):
            client.send(frame(CONT if number else TEXT, piece, fin=number == len(pieces) - 1))
        await client.expect("pong", id="p")


async def test_control_frames_may_arrive_between_fragments(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(frame(TEXT, PING_COMMAND[:7], fin=False))
        client.send(frame(PING, b"in between"))
        assert await client.frame() == (True, PONG, b"in between")
        client.send(frame(PONG, b"unasked"))
        client.send(frame(CONT, PING_COMMAND[7:]))
        await client.expect("pong", id="p")


async def test_fragments_may_be_cut_inside_a_character(port: int) -> None:
    async with await RawClient.native(port, "/chat?u=ann&r=cut") as client:
        await client.expect("joined")
        whole = json.dumps({"type": "message", "room": "cut", "content": "é€😀"}, ensure_ascii=False).encode()
        for number in range(len(whole)):
            client.send(frame(CONT if number else TEXT, whole[number : number + 1], fin=number == len(whole) - 1))
        assert (await client.expect("message"))["content"] == "é€😀"


async def test_frames_arrive_byte_by_byte(port: int) -> None:
    """Also the medium length form, control frames, and fragments."""
    async with await RawClient.native(port, "/chat?u=ann&r=bytes") as client:
        await client.expect("joined")
        await client.send_bytewise(
            command(type="message", room="bytes", content="x" * 200)
            + frame(PING, b"slow")
            + frame(TEXT, PING_COMMAND[:3], fin=False)
            + frame(CONT, PING_COMMAND[3:])
        )
        assert (await client.expect("message"))["content"] == "x" * 200
        assert await client.frame() == (True, PONG, b"slow")
        await client.expect("pong", id="p")


async def test_many_frames_in_one_packet_are_handled_in_order(port: int) -> None:
    async with await RawClient.native(port, "/chat?u=ann&r=packet") as client:
        await client.expect("joined")
        numbers = [str(number) for number in range(40)]
        packet = b"".join(command(type="message", room="packet", content=number) for number in numbers)
        client.send(packet[: len(packet) // 2 + 3])
        client.send(packet[len(packet) // 2 + 3 :])
        assert [(await client.expect("message"))["content"] for _ in numbers] == numbers


@pytest.mark.parametrize("size", [125, 126, 127, 65535, 65536])
async def test_every_length_form_is_read(serve: Serve, size: int) -> None:
    server = await serve(MAX_FRAME_BYTES="100000", MAX_CONTENT_CHARS="100000")
    async with await RawClient.native(server.port, "/chat?u=ann&r=sizes") as client:
        await client.expect("joined")
        empty = len(json.dumps({"type": "message", "room": "sizes", "content": ""}))
        client.send(command(type="message", room="sizes", content="x" * (size - empty)))
        assert len((await client.expect("message"))["content"]) == size - empty


async def test_a_length_need_not_be_in_its_shortest_form(port: int) -> None:
    """The server is liberal: it accepts 7 + 64 bits for a short payload."""
    async with await RawClient.native(port) as client:
        client.send(frame(TEXT, PING_COMMAND, announced=len(PING_COMMAND)))
        await client.expect("pong", id="p")


async def test_frames_may_follow_the_handshake_in_the_same_packet(port: int) -> None:
    async with await RawClient.connect(port) as client:
        client.send(upgrade("/chat?u=ann", NATIVE) + text(PING_COMMAND.decode()) + frame(PING, b"x")[:3])
        client.send(frame(PING, b"x")[3:])
        assert (await client.reply()).status == 101
        await client.expect("pong", id="p")
        assert await client.frame() == (True, PONG, b"x")


# --- ping and pong (5.5.2, 5.5.3) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\x80", b"x" * 125], ids=len)
async def test_a_ping_is_answered_with_its_payload(port: int, payload: bytes) -> None:
    async with await RawClient.native(port) as client:
        client.send(frame(PING, payload))
        assert await client.frame() == (True, PONG, payload)


async def test_an_unsolicited_pong_is_ignored(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(frame(PONG, b"nobody asked"))
        await client.pong()


async def test_the_server_pings_and_disconnects_a_silent_client(serve: Serve) -> None:
    server = await serve(HEARTBEAT="0.03")
    async with await RawClient.native(server.port) as client:
        assert await client.frame() == (True, PING, b"")
        rest = await client.rest()  # until the server disconnects it
        assert set(rest) <= set(frame(PING, masked=False))
    assert not server.shared.connections


async def test_a_client_that_answers_pings_stays_connected(serve: Serve) -> None:
    server = await serve(HEARTBEAT="0.03")
    async with await RawClient.native(server.port) as client:
        for _ in range(8):  # three of them without a pong would disconnect it
            assert await client.frame() == (True, PING, b"")
            client.send(frame(PONG))
        await client.pong()


async def test_an_idle_client_is_disconnected_if_so_configured(serve: Serve) -> None:
    server = await serve(HEARTBEAT="0.02", IDLE_TIMEOUT="0.06")
    async with await RawClient.native(server.port) as client:
        while (got := await client.frame()).opcode == PING:
            client.send(frame(PONG))
        assert got == (True, CLOSE, struct.pack("!H", 4001) + b"idle")


# --- closing (5.5.1, 7.1, 7.4) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 3000, 4000, 4999])
async def test_a_close_is_echoed_and_the_server_ends_the_connection(port: int, code: int) -> None:
    async with await RawClient.native(port) as client:
        client.send_close(code, "bye €".encode())
        assert await client.frame() == (True, CLOSE, struct.pack("!H", code) + "bye €".encode())
        assert await client.rest() == b""


async def test_a_close_without_a_code_is_answered_without_one(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send_close(None)
        assert await client.closing() == (None, "")
        assert await client.rest() == b""


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
async def test_a_code_that_must_not_be_sent_is_a_violation(port: int, code: int) -> None:
    async with await RawClient.native(port) as client:
        client.send_close(code)
        assert (await client.closing())[0] == 1002
        assert await client.rest() == b""


async def test_a_close_of_one_byte_is_a_violation(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(frame(CLOSE, b"\x03"))
        assert (await client.closing())[0] == 1002


async def test_a_close_with_a_reason_that_is_not_utf_8_is_refused(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send_close(1000, b"\xff\xfe")
        assert (await client.closing())[0] == 1007


async def test_frames_after_a_close_are_ignored(port: int) -> None:
    async with await RawClient.native(port, "/chat?u=ann&r=after") as client:
        await client.expect("joined")
        close = frame(CLOSE, struct.pack("!H", 1000))
        client.send(close + command(type="message", room="after", content="too late") + frame(PING, b"too") + close)
        assert await client.closing() == (1000, "")
        assert await client.rest() == b""
    async with await RawClient.connect(port) as client:
        client.send(b"GET /history?r=after HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.reply()).json() == []


async def test_a_close_inside_a_fragmented_message_ends_the_connection(port: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(frame(TEXT, b'{"type"', fin=False))
        client.send_close()
        assert (await client.closing())[0] in (1000, 1002)
        assert await client.rest() == b""


async def test_a_client_that_half_closes_is_disconnected(serve: Serve) -> None:
    """An end of TCP without a Close frame: the server closes its side as well and ends the session."""
    server = await serve()
    async with await RawClient.native(server.port) as client:
        client.send_eof()
        assert await client.rest() == b""
    assert not server.shared.connections


async def test_the_server_ends_tcp_once_its_close_was_answered(serve: Serve) -> None:
    """7.1.1: the server ends the TCP connection as soon as both Close frames are through, not after a time-out."""
    server = await serve(GUESTS="off", HELLO_SECONDS="0.02", CLOSE_SECONDS="60")
    async with await RawClient.open(server.port, headers=NATIVE) as client:
        assert await client.closing() == (4101, "hello_timeout")
        client.send_close(4101)
        assert await client.rest() == b""


async def test_a_client_that_does_not_answer_a_close_is_disconnected(serve: Serve) -> None:
    server = await serve(GUESTS="off", HELLO_SECONDS="0.02", CLOSE_SECONDS="0.05")
    async with await RawClient.open(server.port, headers=NATIVE) as client:
        assert await client.closing() == (4101, "hello_timeout")
        assert await client.rest() == b""  # nothing was sent, but it ends
    assert not server.shared.connections


async def test_stopping_sends_goodbye_and_closes_with_1001(serve: Serve) -> None:
    server = await serve()
    async with await RawClient.native(server.port) as client:
        stopping = asyncio.create_task(server.stop())
        goodbye = await client.expect("goodbye", reason="shutting_down")
        assert goodbye["reconnect_after"] > 0
        assert await client.closing() == (1001, "going away")
        client.send_close(1001)
        assert await client.rest() == b""
    await stopping


# --- violations (5.2, 5.3, 5.5, 8.1) ---------------------------------------------------------------------------------

VIOLATIONS = {
    "unmasked text": frame(TEXT, PING_COMMAND, masked=False),
    "unmasked ping": frame(PING, b"", masked=False),
    "unmasked close": frame(CLOSE, struct.pack("!H", 1000), masked=False),
    "RSV1": frame(TEXT, PING_COMMAND, rsv=4),
    "RSV2": frame(TEXT, PING_COMMAND, rsv=2),
    "RSV3": frame(PING, b"", rsv=1),
    **{f"reserved opcode {opcode:#x}": frame(opcode, b"x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a fragmented ping": frame(PING, b"", fin=False),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a close of 126 bytes": frame(CLOSE, struct.pack("!H", 1000) + b"x" * 124),
    "a continuation of nothing": frame(CONT, b"x"),
    "a text inside a fragmented one": frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
    "a binary inside a fragmented text": frame(TEXT, b"{", fin=False) + frame(BINARY, b"}"),
    "HTTP in place of a frame": b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser, of all things\r\n"
    * 2,
}


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS.keys())
async def test_a_violation_closes_with_1002(port: int, violation: bytes) -> None:
    """After the messages before it were posted."""
    async with await RawClient.native(port) as client:
        client.send(text(PING_COMMAND.decode()) + violation)
        await client.expect("pong", id="p")
        assert (await client.closing())[0] == 1002
        assert await client.rest() == b""
    await assert_serves(port)


BAD_UTF_8 = {
    "a lone continuation byte": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "a character cut off": "€".encode()[:2],
    "0xff": b"\xff",
}


@pytest.mark.parametrize("bad", BAD_UTF_8.values(), ids=BAD_UTF_8.keys())
@pytest.mark.parametrize("fragmented", [False, True], ids=["whole", "fragmented"])
@pytest.mark.parametrize("headers", [NATIVE, ()], ids=["native", "plain"])
async def test_text_that_is_not_utf_8_closes_with_1007(
    port: int, bad: bytes, fragmented: bool, headers: tuple[tuple[str, str], ...]
) -> None:
    payload = b'{"type":"ping","id":"' + bad + b'"}' if headers else b"good " + bad
    async with await RawClient.open(port, headers=headers) as client:
        if fragmented:
            client.send(frame(TEXT, payload[:-1], fin=False) + frame(CONT, payload[-1:]))
        else:
            client.send(frame(TEXT, payload))
        client.send(text("after the end"))
        assert (await client.closing())[0] == 1007
        assert await client.rest() == b""


# --- binary ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fragmented", [False, True], ids=["whole", "fragmented"])
async def test_binary_is_unsupported_and_keeps_the_connection(port: int, fragmented: bool) -> None:
    async with await RawClient.native(port) as client:
        if fragmented:
            client.send(frame(BINARY, b"\xff", fin=False) + frame(CONT, b"\xfe", fin=False) + frame(CONT, PING_COMMAND))
        else:
            client.send(frame(BINARY, PING_COMMAND))
        assert (await client.message())["code"] == "unsupported"
        client.send(text(PING_COMMAND.decode()))
        assert (await client.message())["type"] == "pong"


# --- size (10.4) -----------------------------------------------------------------------------------------------------


async def expect_too_large(client: RawClient) -> None:
    error = await client.message()
    assert (error["type"], error["code"], error["retryable"]) == ("error", "too_large", False)
    assert (await client.closing())[0] == 1009
    assert await client.rest() == b""


@pytest.mark.parametrize(
    "oversize",
    [
        frame(TEXT, b"x" * 2049),
        frame(TEXT, b"x" * 70_000),
        frame(BINARY, b"x" * 2049),
        frame(TEXT, announced=2049),
        frame(TEXT, announced=2**31),
        frame(TEXT, b"x" * 2000, fin=False) + frame(CONT, b"x" * 49),
        frame(TEXT, b"x" * 2048, fin=False) + frame(CONT, b"", fin=False) + frame(CONT, b"x", fin=False),
    ],
    ids=["just", "large", "binary", "just its head", "a head of 2 GiB", "fragments", "unfinished"],
)
async def test_an_oversize_message_is_reported_and_closed_with_1009(serve: Serve, oversize: bytes) -> None:
    server = await serve(MAX_FRAME_BYTES="2048")
    async with await RawClient.native(server.port) as client:
        client.send(text(PING_COMMAND.decode()) + oversize)
        await client.expect("pong", id="p")
        await expect_too_large(client)
    await assert_serves(server.port)


async def test_an_oversize_binary_in_fragments_reports_both_errors(serve: Serve) -> None:
    server = await serve(MAX_FRAME_BYTES="2048")
    async with await RawClient.native(server.port) as client:
        client.send(frame(BINARY, b"x" * 2000, fin=False) + frame(CONT, b"x" * 49))
        assert (await client.message())["code"] == "unsupported"
        await expect_too_large(client)


async def test_the_largest_frame_is_accepted(serve: Serve) -> None:
    server = await serve(MAX_FRAME_BYTES="2048")
    async with await RawClient.native(server.port) as client:
        padded = PING_COMMAND + b" " * (2048 - len(PING_COMMAND))
        client.send(frame(TEXT, padded) + frame(TEXT, padded[:1000], fin=False) + frame(CONT, padded[1000:]))
        await client.expect("pong", id="p")
        await client.expect("pong", id="p")


async def test_the_error_arrives_while_the_client_keeps_sending(serve: Serve) -> None:
    """Closing at once with unread input would reset the connection, and the error would be lost."""
    server = await serve(MAX_FRAME_BYTES="2048")
    async with await RawClient.native(server.port) as client:
        client.send(frame(TEXT, announced=64 << 20))
        for _ in range(64):
            client.send(b"x" * (1 << 20))
        await expect_too_large(client)


@pytest.mark.parametrize("fin", [0x80, 0])
async def test_a_length_with_the_high_bit_set_is_refused(port: int, fin: int) -> None:
    async with await RawClient.native(port) as client:
        client.send(struct.pack("!BBQ", fin | TEXT, 0xFF, 1 << 63) + b"mask")
        while (got := await client.frame()).opcode != CLOSE:
            assert b"too_large" in got.payload
        assert struct.unpack("!H", got.payload[:2])[0] in (1002, 1009)


async def test_an_incomplete_head_of_an_oversize_frame_waits_for_the_rest(serve: Serve) -> None:
    """The length is checked once it is complete, wherever the packets are cut."""
    server = await serve(MAX_FRAME_BYTES="2048")
    for form in (frame(TEXT, b"x" * 3000)[:12], frame(TEXT, announced=3000)):
        async with await RawClient.native(server.port) as client:
            await client.send_bytewise(form)
            await expect_too_large(client)


# --- floods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flood",
    [
        frame(TEXT, b"", fin=False) + frame(CONT, b"", fin=False) * 3000,
        frame(TEXT, b"{", fin=False) + frame(CONT, b" ", fin=False) * 3000,
        frame(BINARY, b"", fin=False) + frame(CONT, b"", fin=False) * 3000,
        frame(TEXT, b"{", fin=False) + frame(CONT, b" ", fin=False) * most_fragments(65536),
        frame(PING) * 3000,
        frame(PING, b"x" * 125) * 3000,
        frame(PONG) * 3000,
    ],
    ids=[
        "empty fragments",
        "small fragments",
        "binary fragments",
        "too many for one message",
        "pings",
        "large pings",
        "pongs",
    ],
)
async def test_a_flood_of_small_frames_is_closed_with_4103(serve: Serve, flood: bytes) -> None:
    server = await serve()
    async with await RawClient.native(server.port) as client:
        client.send(flood)
        while (got := await client.frame()).opcode != CLOSE:
            assert got.opcode == PONG or b"unsupported" in got.payload
        assert got == (True, CLOSE, struct.pack("!H", 4103) + b"flood")
        client.send_close(4103)
        await client.rest()
    await assert_serves(server.port)


async def test_fragmented_messages_count_once_toward_the_rate(serve: Serve) -> None:
    """500 messages in 5 fragments each are 500 commands, which a client may send at once, not 2,500."""
    server = await serve()
    async with await RawClient.native(server.port) as client:
        whole = json.dumps({"type": "ping", "id": "x" * 60}).encode()
        cuts = [whole[at : at + 20] for at in range(0, len(whole), 20)]
        assert len(cuts) >= 4
        message = frame(TEXT, cuts[0], fin=False) + b"".join(frame(CONT, cut, fin=False) for cut in cuts[1:])
        for _ in range(480):
            client.send(message + frame(CONT))
            assert (await client.message())["type"] == "pong"


@pytest.mark.parametrize("size", [64, 4096])
async def test_a_large_message_may_have_many_fragments_if_large_messages_are_allowed(serve: Serve, size: int) -> None:
    """As many as needed: 4 MiB in pieces of 64 bytes are 65,536."""
    server = await serve(MAX_FRAME_BYTES="16777216")
    whole = json.dumps({"type": "ping", "id": "p", "x": "y" * (1 << 22)}).encode()
    async with await RawClient.native(server.port) as client:
        client.send(frame(TEXT, b"", fin=False))
        for at in range(0, len(whole), size):
            client.send(frame(CONT, whole[at : at + size], fin=False))
        client.send(frame(CONT))
        await client.drain()
        assert (await client.message())["type"] == "pong"


async def test_a_flood_from_a_client_that_does_not_read_takes_no_memory(serve: Serve) -> None:
    """Megabytes of pings from a client that never reads a pong: the bytes queued for it stay below the slow mark."""
    server = await serve(SLOW_BYTES_LOW="16384", SLOW_BYTES_HIGH="65536", CLOSE_SECONDS="0.3")
    async with await RawClient.native(server.port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads as well
        (session,) = server.chat.parts.hub.sessions
        largest = 0
        for _ in range(60):
            if client.writer.is_closing():
                break  # already disconnected
            client.send(frame(PING, b"x" * 125) * 2000)
            await asyncio.sleep(0)  # the server's turn
            largest = max(largest, session.connection.buffered())
        while server.shared.connections:  # it drops clients that do not answer its Close
            largest = max(largest, session.connection.buffered())
            await server.shared.connection_gone()
        assert largest < 4 * 65536
    await assert_serves(server.port)
