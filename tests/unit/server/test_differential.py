"""Bytes cut anywhere: a connection acts and responds as the `websockets` library alone would.

The fast path (server/codec/fastpath.py) and the passing of whole frames to the library are compared with
`ServerProtocol`, fed a byte at a time. The parts that the library leaves to its users (joining fragments, checking
UTF-8, refusing binary messages) are done here in the simplest way.
"""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from server.wire.websocket import WebSocketConnection
from tests.support.examples import examples
from tests.support.rawws import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame
from tests.unit.server.connections import END, LIMIT, LOG, PLACE, UPGRADE, Outcome, Transport, World

# A connection judges a frame once it is complete (the library by its head): more than the last one may be missing.
REST = bytes(LIMIT + 20)


def ours(pieces: list[bytes]) -> Outcome:
    outcome = Outcome()
    world: Any = World(outcome)
    transport: Any = Transport(outcome)
    connection = WebSocketConnection(world, PLACE)
    connection.connection_made(transport)
    connection.start(UPGRADE)
    outcome.sent.clear()
    for piece in pieces:
        connection.data_received(piece)
    return outcome


def theirs(data: bytes) -> Outcome:
    outcome = Outcome()
    protocol = ServerProtocol(state=OPEN, max_size=LIMIT, logger=LOG)
    fragments: list[bytes] | None = None
    for number in range(len(data)):
        if END in outcome.sent:
            break
        protocol.receive_data(data[number : number + 1])
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if protocol.state is not OPEN and event.opcode is not Opcode.CLOSE:
                continue
            whole = None
            if event.opcode is Opcode.BINARY:
                outcome.events.append("unsupported")
            elif event.opcode is Opcode.TEXT:
                fragments = [bytes(event.data)]
                whole = event.fin
            elif event.opcode is Opcode.CONT and fragments is not None:
                fragments.append(bytes(event.data))
                whole = event.fin
            if whole and fragments is not None:
                try:
                    outcome.events.append(f"text {b''.join(fragments).decode()}")
                except UnicodeDecodeError as error:
                    protocol.fail(1007, f"{error.reason} at position {error.start}")
                fragments = None
        if isinstance(protocol.parser_exc, PayloadTooBig) and "too_large" not in outcome.events:
            outcome.events.append("too_large")
        outcome.sent += [part or END for part in protocol.data_to_send()]
    return outcome


texts = st.one_of(
    st.text(max_size=140).map(str.encode),
    st.binary(max_size=140),
    st.sampled_from([b"", b"{}", b"x" * 125, b"x" * 126, b"x" * LIMIT, b"x" * (LIMIT + 1), b"\xff", "ä".encode()[:1]]),
)
masks = st.binary(min_size=4, max_size=4)
common = st.builds(frame, st.just(TEXT), texts, mask=masks)
parts = st.builds(frame, st.sampled_from([TEXT, BINARY, CONT]), texts, mask=masks, fin=st.booleans())
control = st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125), mask=masks)
closes = st.one_of(
    st.just(frame(CLOSE)),
    st.builds(
        lambda code, reason: frame(CLOSE, code.to_bytes(2, "big") + reason),
        st.sampled_from([1000, 1001, 1005, 1007, 3000, 4999, 5000]),
        st.binary(max_size=20),
    ),
)
# One bit away from a common frame.
nearly = st.one_of(
    st.builds(frame, st.just(TEXT), texts, mask=masks, rsv=st.integers(1, 7)),
    st.builds(frame, st.just(TEXT), texts, masked=st.just(False)),
    st.builds(frame, st.just(TEXT), texts, mask=masks, announced=st.integers(0, LIMIT + 2)),
)
odd = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=130),
    fin=st.booleans(),
    rsv=st.integers(0, 7),
    masked=st.booleans(),
    announced=st.one_of(st.none(), st.integers(0, 400), st.integers(0, 2**64 - 1)),
)
anything = st.one_of(common, common, parts, control, closes, nearly, odd, st.binary(max_size=12))


@settings(max_examples=examples(400))
@given(
    st.lists(anything, min_size=1, max_size=8), st.lists(st.integers(0, 3000), max_size=6), st.booleans(), st.booleans()
)
@example([frame(TEXT, b"one"), frame(TEXT, b"two")], [], False, False)
@example([frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONT, b"b"), frame(TEXT, b"c")], [3, 9], False, False)
@example([frame(TEXT, b"\xff"), frame(PING, b"p"), frame(TEXT, b"late")], [], False, False)
@example([frame(TEXT, b"x", announced=2**40), frame(TEXT, b"late")], [], False, False)
@example([frame(TEXT, b"x" * (LIMIT + 1)), frame(CLOSE, b"\x03\xe8")], [], True, False)
def test_the_same_bytes_cause_the_same_events_and_responses_as_the_library(
    frames: list[bytes], cuts: list[int], bytewise: bool, as_bytearray: bool
) -> None:
    data = b"".join(frames) + REST
    at = [0, *range(1, len(data))] if bytewise else [0, *sorted({cut % (len(data) or 1) for cut in cuts} - {0})]
    pieces = [data[begin:end] for begin, end in zip(at, [*at[1:], len(data)], strict=True)]
    if as_bytearray:
        pieces = [bytearray(piece) for piece in pieces]  # type: ignore[misc]  # as some event loops hand them over
    assert ours(pieces) == theirs(data)
