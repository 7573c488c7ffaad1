"""Messages are taken out of what a NATS server sends, however it is split, and nothing in one is taken for a line."""

import itertools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.protocol import parser as of_client

from server.bus.messages import Messages, NotNatsError

INFO = b'INFO {"server_id":"MSG a 1 5"}\r\n'
LONG = b"r" * 5000
PAYLOADS = [b"hello", b"", b"\r\n", b"MSG a 1 3\r\nabc\r\n", b"PING\r\n", b"MSG ", b"x" * 5000, b"INFO {}\r\n", b"end"]
STREAM = b"".join(
    (
        INFO,
        b"MSG a 1 5\r\nhello\r\n",
        b"PING\r\n",
        b"MSG parley.node.a 1 0\r\n\r\n",
        b"MSG a 1 2\r\n\r\n\r\n",
        b"+OK\r\n",
        b"MSG a 1 reply 16\r\nMSG a 1 3\r\nabc\r\n\r\n",
        b"HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nMSG a\r\n",
        b"MSG a 1 6\r\nPING\r\n\r\n",
        b"PONG\r\nMSG a 1 4\r\nMSG \r\n",
        b"MSG a 1 5000\r\n" + b"x" * 5000 + b"\r\n",
        b"-ERR 'MSG a 1 5'\r\n",
        b"MSG a 12345 " + LONG + b" 9\r\nINFO {}\r\n\r\n",
        b"HMSG a 12345 " + LONG + b" 12 21\r\nNATS/1.0\r\n\r\nINFO {}\r\n\r\n",
        b"MSG a\x0bb\xff 1 3\r\nend\r\n",
    )
)
OTHERS = INFO + b"PING\r\n+OK\r\nPONG\r\n-ERR 'MSG a 1 5'\r\n"


def feed(*parts: bytes) -> tuple[list[bytes], bytes]:
    got: list[bytes] = []
    messages = Messages(got.append)
    return got, b"".join(map(messages.feed, parts))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    return [stream[a:b] for a, b in itertools.pairwise([0, *sorted(places), len(stream)])]


def test_messages_and_other_lines_are_told_apart_wherever_the_stream_is_split() -> None:
    assert feed(STREAM) == (PAYLOADS, OTHERS)
    for at in range(len(STREAM)):
        if len(set(STREAM[at - 2 : at + 2])) == 1:
            continue  # within one of the long runs of a letter
        assert feed(STREAM[:at], STREAM[at:]) == (PAYLOADS, OTHERS), at
    assert feed(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == (PAYLOADS, OTHERS)
    dice = random.Random(1)
    for _ in range(200):
        places = dice.sample(range(len(STREAM)), 20)
        assert feed(*cut(STREAM, places)) == (PAYLOADS, OTHERS), places


@given(st.data())
def test_no_byte_of_a_message_reaches_the_client(data: st.DataObject) -> None:
    """Whatever its subject and payload are, such as more lines of the protocol."""
    lines = [b"INFO {}\r\n", b"PING\r\n", b"MSG a 1 100000000\r\n", b"-ERR 'x'\r\n", b"\r\n", b"\n", b"x"]
    payloads = data.draw(st.lists(st.lists(st.sampled_from(lines)).map(b"".join), max_size=5))
    replies = st.sampled_from([b"", b"r ", b"r" * 4070 + b" ", b"r" * 4090 + b" "])
    stream = b"".join(b"MSG a 2 %b%d\r\n%b\r\n" % (data.draw(replies), len(each), each) for each in payloads)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    assert feed(*cut(stream, places)) == (payloads, b"")


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"MSG a 1 five\r\n", "invalid size"),
        (b"MSG a 1\r\n", "invalid size"),
        (b"MSG a 1 \r\n", "invalid size"),
        (b"MSG a 1 -5\r\n", "invalid size"),
        (b"MSG a 1 +5\r\n", "invalid size"),
        ("MSG a 1 \u0665\r\n".encode(), "invalid size"),
        (b"MSG a 1 5 \r\nhello\r\n", "invalid size"),
        (b"MSG a 1 67108865\r\n", "invalid size"),
        (b"MSG a 1 999999999999\r\n", "invalid size"),
        (b"HMSG a 1 12 99999999999\r\n", "invalid size"),
        (b"HMSG a 1 12 " + b"9" * 5000 + b"\r\n", "invalid size"),
        (b"MSG a 1 5\r\nhello, world\r\n", "does not end where it should"),
        (b"MSG a 1 5\r\nhello\n\n", "does not end where it should"),
        (b"HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nhelloMSG", "does not end where it should"),
        (b"MSG " + b"x" * 70_000, "a line of more than 65536 bytes"),
        (b"HMSG " + b"x" * 70_000 + b" 1 5\r\nhello\r\n", "a line of more than 65536 bytes"),
        (b"INFO " + b"x" * 70_000, "a line of more than 65536 bytes"),
        (b"x" * 70_000, "a line of more than 65536 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no NATS server sends: b'HTTP/1.1 400 Bad Request"),
        (b"msg a 1 5\r\nhello\r\n", "no NATS server sends"),
        (b"MSG\ta 1 5\r\nhello\r\n", "no NATS server sends"),
        (b"PING\n\r\n", "no NATS server sends"),
        (b"-ERR \r\n", "no NATS server sends"),
        (b"\r\n", "no NATS server sends"),
        (b"PUB a 5\r\nhello\r\n", "no NATS server sends"),
    ],
)
def test_what_no_nats_server_sends_ends_the_connection(stream: bytes, reason: str) -> None:
    """Also if it arrives little by little, and with what came before delivered."""
    before = b"MSG a 1 2\r\nhi\r\nPING\r\n"
    whole = before + stream
    for parts in ([before, stream], cut(whole, list(range(0, len(whole), 1 + len(whole) // 200)))):
        got: list[bytes] = []
        messages, others = Messages(got.append), b""
        with pytest.raises(NotNatsError, match=re.escape(reason)):  # noqa: PT012 (which part raises is not the point)
            for part in parts:
                others += messages.feed(part)
        assert (got, others) == ([b"hi"], b"PING\r\n")


@given(
    st.sampled_from(
        [b"PING", b"PONG", b"+OK", b"-ERR ", b"-ERR 'x", b"INFO ", b"INFO {", b"MSG a 1 0", b"HMSG a 1 0 0"]
    ),
    st.text("' \t\r\n\v\x00{}x1MSGHINFO\u00e9", max_size=12).map(str.encode),
)
def test_each_line_for_the_client_is_one_line_to_it_too(operation: bytes, rest: bytes) -> None:
    try:
        _, line = feed(operation + rest + b"\r\n")
    except NotNatsError:
        return
    forms = (of_client.PING_RE, of_client.PONG_RE, of_client.OK_RE, of_client.ERR_RE, of_client.INFO_RE)
    while line:
        (match,) = [found for form in forms if (found := form.match(line))]
        assert line[: match.end()].count(b"\n") == 1
        line = line[match.end() :]
