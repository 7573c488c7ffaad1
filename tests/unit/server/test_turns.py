"""Flooding connections leave the others their turn, and are not read in the meantime."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

from chat.delivery.counters import Counters
from model.errors import FLOOD
from server.access.capacity import Capacity, Place
from server.wire.admission import FRAMES, FRAMES_AT_ONCE, TOGETHER, Share
from server.wire.websocket import CLOSE_BYTES, CLOSE_BYTES_MOST, FRAMES_PER_TURN, WebSocketConnection
from tests.support.rawws import CLOSE, PONG, TEXT, frame
from tests.unit.server.connections import END, LIMIT, PLACE, UPGRADE, Outcome, Transport, World

MANY = 5 * FRAMES_PER_TURN


# Frames of floods that are handled in one turn, at most: the last ones may exceed the share.
IN_A_TURN = FRAMES // TOGETHER + FRAMES_PER_TURN


class Connected:
    """A connection in a world of its own, or with others that share the turns."""

    def __init__(self, frames: Share | None = None, place: Place = PLACE) -> None:
        self.outcome = Outcome()
        world: Any = World(self.outcome, frames)
        self.transport = Transport(self.outcome)
        self.connection = WebSocketConnection(world, place)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        self.connection.start(UPGRADE)
        assert world.session is not None
        self.session = world.session

    async def done(self) -> None:
        """Let turns of the loop pass until everything is handled."""
        while self.transport.paused:  # noqa: ASYNC110  # the condition is the next turn of the loop
            await asyncio.sleep(0)

    @property
    def handled(self) -> int:
        return len(self.outcome.events)


def connect(count: int, network: str = "attacker", frames: Share | None = None) -> list[Connected]:
    """Return connections of one network that share the turns."""
    frames = frames or Share(FRAMES, FRAMES_AT_ONCE)
    capacity = Capacity(0, 0, Counters())
    return [Connected(frames, Place(capacity, "", network, over=False)) for _ in range(count)]


def handled(connected: Sequence[Connected]) -> int:
    return sum(it.handled for it in connected)


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        pytest.param(frame(TEXT, b"x") * MANY, MANY, id="common frames"),
        pytest.param((frame(TEXT, b"x") + frame(PONG)) * MANY, MANY, id="others between them"),
        pytest.param(frame(TEXT, b"x" * 200) * MANY, MANY, id="longer ones"),
    ],
)
async def test_a_bounded_number_of_frames_is_handled_in_a_turn(data: bytes, messages: int) -> None:
    it = Connected()
    it.connection.data_received(data)
    before = 0
    while it.transport.paused:  # the condition is the next turn of the loop
        assert before < it.handled <= before + FRAMES_PER_TURN
        before = it.handled
        await asyncio.sleep(0)
    assert it.handled == messages
    assert it.handled - before <= FRAMES_PER_TURN


async def test_frames_received_later_are_handled_after_deferred_ones() -> None:
    it = Connected()
    it.connection.data_received(b"".join(frame(TEXT, b"%d" % number) for number in range(MANY)))
    it.connection.data_received(frame(TEXT, b"last"))
    await it.done()
    assert it.outcome.events == [f"text {number}" for number in range(MANY)] + ["text last"]


async def test_a_session_paused_in_a_turn_continues_when_resumed() -> None:
    it = Connected()
    it.connection.data_received(frame(TEXT, b"x") * MANY)
    it.session.paused = True
    it.connection.pause_reading()
    for _ in range(3):
        await asyncio.sleep(0)
    assert it.handled == FRAMES_PER_TURN
    it.session.paused = False
    for _ in range(3):  # however often it is called
        it.connection.resume_reading()
    await asyncio.sleep(0)
    assert it.handled == 2 * FRAMES_PER_TURN
    await it.done()
    assert it.handled == MANY


async def test_a_lost_connection_handles_no_more_frames() -> None:
    it = Connected()
    it.connection.data_received(frame(TEXT, b"x") * MANY)
    it.transport.closing = True
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert it.handled == FRAMES_PER_TURN


async def test_only_the_end_of_a_flood_is_searched_for_the_close_frame() -> None:
    """Parsing all of it would cost the server CPU time for as long as the flood continues."""
    flood = frame(TEXT, b"x" * 100) * (CLOSE_BYTES // 100)
    for close in (frame(CLOSE), frame(CLOSE, b"\x03\xe8"), frame(CLOSE, b"\x03\xe8" + b"x" * 123)):
        it = Connected()
        it.connection.close(FLOOD)
        it.connection.data_received(flood)
        it.connection.data_received(flood + close + frame(TEXT, b"behind"))
        assert END not in it.outcome.sent
        it.connection.data_received(flood + close)
        assert END in it.outcome.sent
    endless = Connected()
    endless.connection.close(FLOOD)
    for _ in range(CLOSE_BYTES_MOST // len(flood)):
        endless.connection.data_received(flood)
        assert not endless.transport.paused
    endless.connection.data_received(flood)
    assert endless.transport.paused


# --- of all connections together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["attacker", ""], ids=["one network", "unknown networks"])
@pytest.mark.parametrize(
    ("data", "frames"),
    [
        pytest.param(frame(TEXT, b"x") * MANY, MANY, id="common frames"),
        pytest.param((frame(TEXT, b"x") + frame(PONG)) * MANY, MANY, id="others between them"),
    ],
)
async def test_a_bounded_number_of_frames_of_all_connections_is_handled_in_a_turn(
    network: str, data: bytes, frames: int
) -> None:
    """However many connections flood the server, and all of their frames are handled in the end."""
    flood = connect(80, network)
    for it in flood:
        it.connection.data_received(data)
    assert handled(flood) <= 2 * IN_A_TURN
    while (before := handled(flood)) < 80 * frames:
        await asyncio.sleep(0)
        assert before < handled(flood) <= before + IN_A_TURN
    assert not any(it.transport.paused for it in flood)


async def test_large_frames_use_up_a_turn_earlier() -> None:
    flood = connect(80)
    data = frame(TEXT, b"x" * LIMIT)
    for it in flood:
        it.connection.data_received(data * FRAMES_PER_TURN)
    size = FRAMES_PER_TURN * len(data) >> 10
    assert handled(flood) == FRAMES_PER_TURN * 2 * math.ceil(FRAMES / (TOGETHER * FRAMES_PER_TURN + size))


async def test_a_client_of_another_network_is_served_in_the_next_turn() -> None:
    frames = Share(FRAMES, FRAMES_AT_ONCE)
    flood = connect(200, frames=frames)
    (quiet,) = connect(1, "another", frames)
    for it in flood:
        it.connection.data_received(frame(TEXT, b"x") * MANY)
    for number in range(1, 11):
        before = handled(flood)
        quiet.connection.data_received(frame(TEXT, b"hello"))
        await asyncio.sleep(0)
        assert quiet.handled == number
        assert handled(flood) <= before + IN_A_TURN


async def test_clients_of_unknown_networks_are_served_one_after_the_other() -> None:
    """Behind a proxy that does not name its clients, each connection is a party of its own."""
    frames = Share(FRAMES, FRAMES_AT_ONCE)
    flood, (quiet,) = connect(20, "", frames), connect(1, "", frames)
    for it in flood:
        it.connection.data_received(frame(TEXT, b"x") * 5 * MANY)
    quiet.connection.data_received(frame(TEXT, b"hello"))
    turns = 0
    while not quiet.handled:
        await asyncio.sleep(0)
        turns += 1
    assert turns <= 20 * FRAMES_AT_ONCE / FRAMES


async def test_a_crowd_that_sends_one_frame_each_is_not_delayed() -> None:
    """A thousand users behind one address: their messages are handled, and so broadcast, together."""
    crowd = connect(FRAMES)
    for _ in range(3):
        before = handled(crowd)
        for it in crowd:
            it.connection.data_received(frame(TEXT, b"x"))
        assert handled(crowd) == before + FRAMES
        await asyncio.sleep(0)


async def test_frames_sent_to_a_closing_connection_use_up_the_turn_as_well() -> None:
    flood = connect(80)
    for it in flood:
        it.connection.close(FLOOD)
        it.connection.data_received(frame(PONG) * (CLOSE_BYTES // 6))
    parsed = sum(not it.transport.paused for it in flood)
    assert parsed * (CLOSE_BYTES // 6) <= 2 * (FRAMES / TOGETHER + CLOSE_BYTES // 6)


async def test_the_end_of_a_connection_that_waits_is_harmless() -> None:
    flood = connect(24)
    for it in flood:
        it.connection.data_received(frame(TEXT, b"x") * FRAMES_PER_TURN)
    waiting = [it for it in flood if it.transport.paused]
    assert waiting
    lost, paused = waiting[:2]
    lost.transport.closing = True
    paused.session.paused = True
    paused.connection.pause_reading()
    for _ in range(5):
        await asyncio.sleep(0)
    assert lost.handled == paused.handled == 0
    paused.session.paused = False
    paused.connection.resume_reading()
    await paused.done()
    assert handled(flood) == 23 * FRAMES_PER_TURN
