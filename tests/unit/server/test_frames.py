"""Frames are packed and parsed here exactly as by the library."""

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.codec.fastpath import common_frames, frame_end
from server.codec.frames import PING, plain_response, text_frame
from tests.support.rawws import CONT, TEXT, frame


@given(st.binary(max_size=300))
@example(b"x" * 125)
@example(b"x" * 126)
@example(b"x" * 65535)
@example(b"x" * 65536)
def test_a_text_frame_is_what_the_library_would_send(payload: bytes) -> None:
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_a_ping_is_what_the_library_would_send() -> None:
    assert Frame(Opcode.PING, b"").serialize(mask=False) == PING


def test_a_raw_response_has_its_length_and_closes_the_connection() -> None:
    head, body = plain_response(b"408 Request Timeout", "zu spät\n".encode()).split(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    assert status == b"HTTP/1.1 408 Request Timeout"
    assert b"Content-Length: %d" % len(body) in headers
    assert b"Connection: close" in headers


masks = st.binary(min_size=4, max_size=4)
payloads = st.one_of(st.binary(max_size=130), st.binary(min_size=120, max_size=260))


@given(st.lists(st.tuples(payloads, masks), max_size=5), st.binary(max_size=3), st.integers(0, 1000))
def test_common_frames_are_read_wherever_the_data_is_cut(
    pairs: list[tuple[bytes, bytes]], before: bytes, cut: int
) -> None:
    """All complete payloads are returned; the rest starts at the next frame."""
    frames = [frame(TEXT, payload, mask=mask) for payload, mask in pairs]
    data = b"".join(frames)
    data = data[: cut % (len(data) + 1)]
    complete, end = [], 0
    for (payload, _), whole in zip(pairs, frames, strict=True):
        if end + len(whole) > len(data):
            break
        complete.append(payload)
        end += len(whole)
    assert common_frames(before + data, len(before), 1000, 5) == (complete, len(before) + end)
    assert common_frames(bytearray(before + data), len(before), 1000, 5) == (complete, len(before) + end)
    most = len(complete) // 2
    assert common_frames(before + data, len(before), 1000, most) == (
        complete[:most],
        len(before) + sum(map(len, frames[:most])),
    )


@given(
    st.one_of(
        st.builds(frame, st.just(TEXT), payloads, fin=st.just(False)),
        st.builds(frame, st.just(TEXT), payloads, rsv=st.integers(1, 7)),
        st.builds(frame, st.just(TEXT), payloads, masked=st.just(False)),
        st.builds(frame, st.integers(0, 15).filter(lambda code: code != TEXT), payloads),
        st.builds(frame, st.just(TEXT), st.binary(min_size=301, max_size=400)),
        st.builds(frame, st.just(TEXT), payloads, announced=st.integers(0, 2**64 - 1)),
    )
)
def test_all_other_frames_are_left_to_the_library(odd: bytes) -> None:
    good = frame(TEXT, b"good")
    assert common_frames(good + odd + good, 0, 300, 9) == ([b"good"], len(good))


@given(st.integers(0, 15), payloads, st.booleans(), st.booleans(), st.binary(max_size=5), st.binary(max_size=5))
def test_the_end_of_a_frame_is_known_once_its_length_is_received(
    opcode: int, payload: bytes, fin: bool, masked: bool, before: bytes, behind: bytes
) -> None:
    """Wherever the frame ends: its payload need not have arrived."""
    one = frame(opcode, payload, fin=fin, masked=masked)
    end = len(before) + len(one)
    assert frame_end(before + one + behind, len(before), 300) == end
    head = 2 if len(payload) < 126 else 4
    for cut in range(len(one)):
        assert frame_end(before + one[:cut], len(before), 300) == (None if cut < head else end)


def test_a_frame_declared_too_long_ends_with_the_data() -> None:
    """The library refuses it by its head, so the payload is not awaited."""
    for head in (frame(TEXT, announced=301), frame(CONT, announced=2**64 - 1), frame(TEXT, b"x" * 301)[:4]):
        assert frame_end(head, 0, 300) == len(head)
        assert frame_end(head + b"more", 0, 300) == len(head) + 4
