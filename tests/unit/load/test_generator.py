"""The parts of the Python generator that decide what is counted."""

import pytest

from tests.load.generator import divergent, read_options
from tests.load.generator_clients import filled, frame
from tests.load.generator_rooms import PING, BrokenFrame, Histogram, Room, split
from tests.load.generator_worker import Report

pytestmark = pytest.mark.slow  # a tool's tests


def server_frame(text: bytes, first: int = 0x81) -> bytes:
    head = bytes((first, len(text))) if len(text) < 126 else bytes((first, 126)) + len(text).to_bytes(2, "big")
    return head + text


def message(publisher: int, sequence: int, sent_at: int = 5) -> bytes:
    return server_frame(b'{"content":"~T%016x.%06x.%09x~xxx"}' % (sent_at, publisher, sequence))


# --- frames ----------------------------------------------------------------------------------------------------------


def test_whole_frames_are_found_and_the_rest_is_left() -> None:
    data = server_frame(b"a") + server_frame(b"b" * 300) + server_frame(b"hi", 0x89) + b"\x81\x05abc"
    found = split(data)
    assert [data[begin:end] for begin, end in found.data] == [b"a", b"b" * 300]
    assert found.control == [(PING, b"hi")]
    assert data[found.end :] == b"\x81\x05abc"


@pytest.mark.parametrize("cut", range(5))
def test_a_frame_cut_anywhere_is_left(cut: int) -> None:
    assert split(server_frame(b"b" * 300)[:cut]).end == 0


@pytest.mark.parametrize("data", [b"\x81\x80aaaa", b"\xc1\x00"])
def test_masked_and_compressed_frames_are_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        split(data)


@pytest.mark.parametrize("size", [0, 125, 126, 4000])
def test_the_generators_frames_are_masked_text(size: int) -> None:
    data = frame(b"x" * size)
    assert data[0] == 0x81
    assert data[1] & 0x80
    assert data.endswith(b"\0\0\0\0" + b"x" * size)


def test_templates_are_filled_in() -> None:
    assert filled("/chat?r={room}&u={user}&i={i}", 7, 5) == "/chat?r=room2&u=user7&i=7"


# --- rooms -----------------------------------------------------------------------------------------------------------


class Seen(list[int]):
    """Records the publishers whose messages all members have seen, in order."""


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def room(seen: Seen) -> Room:
    """Return room 0 of 2, with two members."""
    room = Room(0, 2, seen.append)
    room.enter()
    room.enter()
    return room


def read(room: Room, position: int, *frames: bytes) -> int:
    data = b"".join(frames)
    return room.advance(position, len(room.parse(data, len(data), position)))


def test_a_message_is_acknowledged_when_the_last_member_has_it(room: Room, seen: Seen) -> None:
    assert read(room, 0, message(0, 1), message(2, 1)) == 2
    assert seen == []
    assert read(room, 0, message(0, 1)) == 1
    assert seen == [0]
    assert read(room, 1, message(2, 1)) == 2
    assert seen == [0, 2]
    assert (room.order_violations, room.misrouted, room.divergent) == (0, 0, False)


def test_a_message_that_comes_late_or_again_is_out_of_order(room: Room) -> None:
    """One that is missing is not: it was refused, or counts as lost."""
    read(room, 0, message(0, 1), message(0, 3), message(0, 2), message(2, 1), message(2, 1))
    assert room.order_violations == 2


def test_members_that_see_different_orders_are_noticed(room: Room) -> None:
    read(room, 0, message(0, 1), message(2, 1))
    read(room, 0, message(2, 1), message(0, 1))
    assert room.divergent


def test_a_message_of_another_room_is_noticed(room: Room) -> None:
    read(room, 0, message(1, 1))
    assert room.misrouted == 1


def test_orders_are_compared_between_processes() -> None:
    reports = [Report(logs={0: (3, 77), 1: (2, 5)}), Report(logs={0: (3, 78), 1: (2, 5)}), Report(divergent={4})]
    assert divergent(reports) == 2


# --- figures and options ---------------------------------------------------------------------------------------------


def test_percentiles_are_right_within_two_percent() -> None:
    latency, other = Histogram(), Histogram()
    for us in range(1, 1001):
        (latency if us % 2 else other).add(us * 1000)
    latency.merge(other)
    found = latency.percentiles()
    assert found["p50"] == pytest.approx(500, rel=0.02)
    assert found["p99"] == pytest.approx(990, rel=0.02)
    assert found["max"] == 1000


def test_percentiles_of_nothing_are_zero() -> None:
    assert set(Histogram().percentiles().values()) == {0}


def test_options_are_those_of_wsload() -> None:
    words = "--url ws://127.0.0.1:81/chat?r={room} --pub {payload} --window 4 --clients 9 --rooms 3 --pid 5 --ack all"
    load, pids, processes = read_options([*words.split(), "--processes", "8"])
    assert (load.host, load.port, load.path, pids, load.window) == ("127.0.0.1", 81, "/chat?r={room}", [5], 4)
    assert processes == 3  # a room in several processes has members in each of them


@pytest.mark.parametrize("extra", ["", "--pub {payload}", "--pub x --window 1", "--pub {payload} --window 1 --rate 1"])
def test_an_invalid_load_is_refused(extra: str) -> None:
    with pytest.raises(SystemExit):
        read_options(["--url", "ws://127.0.0.1:81/", *extra.split()])
