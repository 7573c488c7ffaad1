"""A flooding connection leaves the others their turn, and is not read in the meantime."""

import asyncio
from typing import Any

import pytest

from model.errors import FLOOD
from server.wire.websocket import CLOSE_BYTES, CLOSE_BYTES_MOST, FRAMES_PER_TURN, WebSocketConnection
from tests.support.rawws import CLOSE, PONG, TEXT, frame
from tests.unit.server.connections import END, PLACE, UPGRADE, Outcome, Transport, World

MANY = 5 * FRAMES_PER_TURN


class Connected:
    """A connection in a world of its own."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        world: Any = World(self.outcome)
        self.transport = Transport(self.outcome)
        self.connection = WebSocketConnection(world, PLACE)
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
