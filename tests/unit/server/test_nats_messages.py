"""Messages are taken out of what a NATS server sends, however it is split."""

import itertools
import random

import pytest

from server.bus.messages import Messages, OversizeError

INFO = b'INFO {"server_id":"MSG a 1 5"}\r\n'
PAYLOADS = [b"hello", b"", b"\r\n", b"MSG a 1 3\r\nabc\r\n", b"PING\r\n", b"MSG ", b"x" * 5000]
STREAM = b"".join(
    (
        INFO,
        b"MSG a 1 5\r\nhello\r\n",
        b"PING\r\n",
        b"MSG parley.node.a 1 0\r\n\r\n",
        b"MSG a 1 2\r\n\r\n\r\n",
        b"M\r\nMS\r\n+OK\r\n",  # the client may make of it what it likes
        b"MSG a 1 reply 16\r\nMSG a 1 3\r\nabc\r\n\r\n",
        b"HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nMSG a\r\n",
        b"MSG a 1 6\r\nPING\r\n\r\n",
        b"PONG\r\nMSG a 1 4\r\nMSG \r\n",
        b"MSG a 1 5000\r\n" + b"x" * 5000 + b"\r\n",
        b"-ERR 'MSG a 1 5'\r\n",
    )
)
OTHERS = INFO + b"PING\r\nM\r\nMS\r\n+OK\r\nPONG\r\n-ERR 'MSG a 1 5'\r\n"


def feed(*parts: bytes) -> tuple[list[bytes], bytes]:
    got: list[bytes] = []
    messages = Messages(got.append)
    return got, b"".join(map(messages.feed, parts))


def test_messages_and_other_lines_are_told_apart_wherever_the_stream_is_split() -> None:
    assert feed(STREAM) == (PAYLOADS, OTHERS)
    for at in range(len(STREAM)):
        assert feed(STREAM[:at], STREAM[at:]) == (PAYLOADS, OTHERS), at
    assert feed(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == (PAYLOADS, OTHERS)
    dice = random.Random(1)
    for _ in range(200):
        cuts = [0, *sorted(dice.sample(range(len(STREAM)), 20)), len(STREAM)]
        assert feed(*(STREAM[a:b] for a, b in itertools.pairwise(cuts))) == (PAYLOADS, OTHERS), cuts


def test_what_is_not_the_protocol_of_nats_is_left_to_the_client() -> None:
    for line in (b"MSG a 1 five\r\n", b"MSG a 1\r\n", b"MSG a 1 -5\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0"):
        assert feed(line) == ([], line)
    endless = b"MSG " + b"x" * 10_000
    assert feed(endless[:100], endless[100:]) == ([], endless)


@pytest.mark.parametrize("line", [b"MSG a 1 67108865\r\n", b"HMSG a 1 12 99999999999\r\n"])
def test_a_message_larger_than_nats_allows_is_not_waited_for(line: bytes) -> None:
    """Everything that came after it would be kept."""
    with pytest.raises(OversizeError):
        feed(line)
    assert feed(b"MSG a 1 67108864\r\n") == ([], b"")
