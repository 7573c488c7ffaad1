"""A link delivers every operation once and in order, whatever the bus does to its packets."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chat.link import link as module
from chat.link.link import REPEAT_AT_ONCE, REPEAT_SECONDS, Flag, Link, LinkFailed, Packet
from tests.support.examples import examples

TICK = 0.05


class Wire:
    """Two ends, the packets between them, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.space = module.PACKET_BYTES
        self.flying: tuple[deque[Packet], deque[Packet]] = (deque(), deque())  # to the first end, to the second
        self.put: tuple[list[int], list[int]] = ([], [])
        self.withdrawn: tuple[set[int], set[int]] = (set(), set())
        self.delivered: tuple[list[int], list[int]] = ([], [])
        self.ends = tuple(
            Link(
                self.flying[1 - side].append,
                self.delivered[side].extend,
                msgspec.msgpack.encode,
                msgspec.msgpack.decode,
                lambda: self.now,
                lambda: self.space,
            )
            for side in (0, 1)
        )

    def queue(self, side: int) -> None:
        """Queue an operation: the next number."""
        number = len(self.put[side])
        self.put[side].append(number)
        self.ends[side].put(number, size=1)

    def say(self, side: int, count: int = 1) -> None:
        """Send so many operations, which are one packet."""
        for _ in range(count):
            self.queue(side)
        self.ends[side].flush()

    def withdraw(self, side: int, unwanted: Callable[[int], bool]) -> None:
        """Withdraw some of the operations so far."""
        known = len(self.put[side])
        self.withdrawn[side].update(filter(unwanted, range(known)))
        self.ends[side].withdraw(lambda number: number < known and unwanted(number))

    def arrive(self, side: int, place: int = 0) -> None:
        """Deliver one of the packets that fly to an end."""
        packet = self.flying[side][place]
        del self.flying[side][place]
        self.ends[side].receive(packet)

    def ticks(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += TICK
            for end in self.ends:
                end.tick()

    def carry(self) -> None:
        """Deliver everything that flies, and what it brings about."""
        while any(self.flying):
            for side in (0, 1):
                while self.flying[side]:
                    self.arrive(side)

    def drop(self) -> list[Packet]:
        """Lose everything that flies."""
        lost = [*self.flying[0], *self.flying[1]]
        for packets in self.flying:
            packets.clear()
        return lost


class Links(RuleBasedStateMachine):
    """Both ends talk and change their minds, and the bus loses, doubles, reorders and delays."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire()

    sides = st.integers(0, 1)
    places = st.integers(0, 1000)

    @rule(side=sides, count=st.integers(1, 40))
    def say(self, side: int, count: int) -> None:
        self.wire.say(side, count)

    @rule(side=sides, count=st.integers(1, 5))
    def say_soon(self, side: int, count: int) -> None:
        """Queue operations without a flush."""
        for _ in range(count):
            self.wire.queue(side)

    @rule(side=sides, of=st.integers(1, 4), rest=st.integers(0, 3))
    def withdraw(self, side: int, of: int, rest: int) -> None:
        self.wire.withdraw(side, lambda number: number % of == rest)

    @rule(side=sides, count=st.integers(1, 100))
    def say_in_turns(self, side: int, count: int) -> None:
        for _ in range(count):
            self.wire.say(side)

    @rule(side=sides, place=places)
    def arrive(self, side: int, place: int) -> None:
        if flying := self.wire.flying[side]:
            self.wire.arrive(side, place % len(flying))

    @rule(side=sides, place=places)
    def lose(self, side: int, place: int) -> None:
        if flying := self.wire.flying[side]:
            del flying[place % len(flying)]

    @rule()
    def lose_all(self) -> None:
        self.wire.drop()

    @rule(side=sides, place=places)
    def double(self, side: int, place: int) -> None:
        if flying := self.wire.flying[side]:
            flying.append(flying[place % len(flying)])

    @rule(count=st.integers(1, 20))
    def wait(self, count: int) -> None:
        self.wire.ticks(count)

    @rule(side=sides)
    def bus_is_back(self, side: int) -> None:
        self.wire.ends[side].repeat()

    @invariant()
    def in_order_and_once(self) -> None:
        for side in (0, 1):
            delivered = self.wire.delivered[1 - side]
            wanted = set(delivered) | set(self.wire.put[side]) - self.wire.withdrawn[side]
            assert delivered == sorted(wanted)[: len(delivered)]

    def teardown(self) -> None:
        for end in self.wire.ends:
            end.flush()
        for _ in range(200):
            self.wire.carry()
            self.wire.ticks()
        self.in_order_and_once()
        for side in (0, 1):
            missing = set(self.wire.put[side]) - self.wire.withdrawn[side] - set(self.wire.delivered[1 - side])
            assert not missing, "something never arrives"
        assert [end.queued_bytes for end in self.wire.ends] == [0, 0]
        assert [(end.idle, end.waiting_bytes) for end in self.wire.ends] == [(True, 0)] * 2
        self.wire.drop()
        self.wire.ticks(100)
        assert self.wire.drop() == [], "the ends talk on about nothing"


@pytest.mark.parametrize("packet_bytes", [3, module.PACKET_BYTES])
def test_once_and_in_order(packet_bytes: int) -> None:
    with patch.object(module, "PACKET_BYTES", packet_bytes):  # so that operations are spread over packets
        run_state_machine_as_test(Links, settings=settings(max_examples=examples(60), deadline=None))


def test_a_turn_is_one_packet() -> None:
    wire = Wire()
    wire.say(0, 500)
    assert len(wire.flying[1]) == 1
    wire.carry()
    assert wire.delivered[1] == wire.put[0]


def test_put_says_when_a_flush_is_needed() -> None:
    end = Wire().ends[0]
    assert [end.put(1), end.put(2)] == [True, False]
    end.flush()
    assert end.put(3)


def test_an_acknowledgement_rides_on_what_goes_back() -> None:
    wire = Wire()
    wire.say(0)
    wire.arrive(1)
    wire.say(1)
    wire.arrive(0)
    assert wire.ends[0].idle
    assert not wire.flying[1], "nothing goes out before the next tick"


def test_an_acknowledgement_goes_alone_at_the_next_tick() -> None:
    wire = Wire()
    wire.say(0)
    wire.arrive(1)
    assert not wire.flying[0]
    wire.ticks()
    assert list(wire.flying[0]) == [Packet(0, 1, 0, b"")]
    wire.carry()
    assert wire.ends[0].idle


def test_a_gap_is_told_at_once_and_once() -> None:
    wire = Wire()
    wire.say(0)
    wire.drop()
    for _ in range(3):
        wire.say(0)
    while wire.flying[1]:
        wire.arrive(1)
    assert list(wire.flying[0]) == [Packet(0, 0, Flag.GAP, b"")]
    wire.carry()
    assert wire.delivered[1] == [0, 1, 2, 3]
    assert wire.now == 0.0, "no time-out was needed"


def test_without_an_answer_it_repeats_less_and_less_often() -> None:
    wire = Wire()
    wire.say(0)
    wire.drop()
    times = []
    for _ in range(200):
        wire.ticks()
        if wire.drop():
            times.append(wire.now)
    pauses = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert pauses[:3] == pytest.approx([REPEAT_SECONDS, 2 * REPEAT_SECONDS, 4 * REPEAT_SECONDS], abs=TICK)
    assert max(pauses) <= module.REPEAT_MOST + 2 * TICK


def test_a_peer_that_comes_back_is_not_flooded() -> None:
    wire = Wire()
    for _ in range(10 * REPEAT_AT_ONCE):
        wire.say(0)
    wire.drop()
    wire.ends[0].repeat()
    assert len(wire.flying[1]) == REPEAT_AT_ONCE
    most = 0
    while not wire.ends[0].idle:
        while wire.flying[1]:
            wire.arrive(1)
        wire.ticks()
        while wire.flying[0]:
            wire.arrive(0)
        most = max(most, len(wire.flying[1]))
    assert most <= REPEAT_AT_ONCE
    assert wire.delivered[1] == wire.put[0]
    assert wire.now == pytest.approx(10 * TICK), "each burst waits for an acknowledgement, not for a time-out"


@pytest.mark.parametrize("size", [module.PACKET_BYTES, 100_000])
def test_large_packets_are_repeated_a_few_at_a_time(size: int) -> None:
    """A NATS server that has too much for a node disconnects it, and loses all of it."""
    got: list[bytes] = []
    flying: tuple[deque[Packet], deque[Packet]] = (deque(), deque())
    sender, receiver = (
        Link(flying[1 - side].append, got.extend, msgspec.msgpack.encode, msgspec.msgpack.decode, lambda: 0.0)
        for side in (0, 1)
    )
    for number in range(40):
        sender.put(bytes([number]) * (size - 100))
        sender.flush()
    flying[1].clear()
    sender.repeat()
    while flying[1]:
        at_once = sum(len(packet.body) for packet in flying[1])
        assert at_once <= module.REPEAT_BYTES_AT_ONCE or len(flying[1]) == 1
        while flying[1]:
            receiver.receive(flying[1].popleft())
        receiver.tick()
        while flying[0]:
            sender.receive(flying[0].popleft())
    assert [body[0] for body in got] == list(range(40))


def fill(link: Link, size: int) -> None:
    """Send packets of about that size, without end."""
    for number in count():
        link.put(str(number).ljust(size))
        link.flush()


@pytest.mark.parametrize("size", [1, 100, 30_000])
def test_the_memory_for_a_peer_that_takes_nothing_is_bounded(size: int) -> None:
    """However small the packets are; then the link fails."""
    window = 1 << 20
    link = Link(lambda packet: None, list[Any]().extend, msgspec.msgpack.encode, msgspec.msgpack.decode, lambda: 0.0)
    with patch.object(module, "WINDOW_BYTES", window):
        tracemalloc.start()
        try:
            with pytest.raises(LinkFailed):
                fill(link, size)
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert window < link.waiting_bytes < window + 2 * size + module.KEPT_BYTES
    assert used < 1.6 * window, "the encoder leaves up to half of a body as spare room at its end"


def test_a_packet_is_as_small_as_the_bus_wants_it() -> None:
    wire = Wire()
    wire.space = 10
    text: Any = "x" * 95
    wire.ends[0].put(text)
    wire.ends[0].flush()
    assert [len(packet.body) for packet in wire.flying[1]] == [10] * 9 + [8]
    wire.carry()
    assert wire.delivered[1] == [text]


@pytest.mark.parametrize("space", [10, 0, -1])
def test_a_bus_that_comes_to_carry_less_fails_the_link(space: int) -> None:
    """It would never carry the packet that is next, or none at all."""
    wire = Wire()
    wire.say(0, 100)
    wire.drop()
    wire.space = space
    with pytest.raises(LinkFailed):
        wire.say(0)


def test_a_peer_that_answers_while_it_is_being_sent_to_misses_nothing() -> None:
    """A bus in memory delivers within `send`."""
    got: tuple[list[int], list[int]] = ([], [])

    def answer(operations: list[int]) -> None:
        got[1].extend(operations)
        ends[1].put(operations[0])
        ends[1].flush()

    def end(side: int, deliver: Callable[[list[int]], object]) -> Link:
        return Link(
            lambda packet: ends[1 - side].receive(packet),
            deliver,
            msgspec.msgpack.encode,
            msgspec.msgpack.decode,
            lambda: 0.0,
            lambda: 1,
        )

    ends: tuple[Link, Link] = (end(0, got[0].extend), end(1, answer))
    for number in range(5):
        ends[0].put(number)
        ends[0].flush()
    assert got == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert ends[0].idle


def test_what_is_withdrawn_does_not_arrive_later() -> None:
    """Neither what was lost, nor what was not even flushed; and no memory is counted for it."""
    wire = Wire()
    for _ in range(2 * REPEAT_AT_ONCE):
        wire.say(0, 2)
    wire.queue(0)
    wire.queue(0)
    wire.drop()
    before = wire.ends[0].waiting_bytes
    wire.withdraw(0, lambda number: number % 2 == 0)
    assert wire.ends[0].waiting_bytes < before
    wire.ends[0].flush()
    wire.ends[0].repeat()
    for _ in range(5):
        wire.carry()
        wire.ticks()
    assert wire.delivered[1] == wire.put[0][1::2]
    assert (wire.ends[0].idle, wire.ends[0].waiting_bytes, wire.ends[0].queued_bytes) == (True, 0, 0)


def test_what_has_arrived_before_it_is_withdrawn_arrives_once() -> None:
    """Its acknowledgement was lost. The next packet is not taken for it."""
    wire = Wire()
    wire.say(0)
    wire.arrive(1)
    wire.drop()
    wire.withdraw(0, lambda number: True)
    wire.say(0)
    wire.ends[0].repeat()
    wire.carry()
    wire.ticks()
    wire.carry()
    assert wire.delivered[1] == [0, 1]
    assert wire.ends[0].idle


def test_what_is_alone_in_the_queue_and_withdrawn_is_never_a_packet() -> None:
    wire = Wire()
    wire.queue(0)
    wire.withdraw(0, lambda number: True)
    wire.ends[0].flush()
    assert not wire.flying[1]
    assert (wire.ends[0].idle, wire.ends[0].queued_bytes) == (True, 0)


def test_a_body_of_several_packets_is_not_withdrawn() -> None:
    """The peer may have received some of them, acknowledged or not."""
    for received in range(4):
        wire = Wire()
        wire.space = 10
        text: Any = "x" * 25
        wire.ends[0].put(text)
        wire.ends[0].flush()
        assert len(wire.flying[1]) == 3
        for _ in range(received):
            wire.arrive(1)
        wire.ends[1].tick()
        wire.carry() if received % 2 else wire.drop()
        wire.ends[0].withdraw(lambda operation: True)
        wire.ends[0].repeat()
        wire.carry()
        assert wire.delivered[1] == [text]


def test_packets_that_name_nothing_unwanted_are_not_decoded() -> None:
    decoded: list[bytes] = []

    def decode(body: bytes) -> list[Any]:
        decoded.append(body)
        return list[Any](msgspec.msgpack.decode(body))

    link = Link(lambda packet: None, list[Any]().extend, msgspec.msgpack.encode, decode, lambda: 0.0)
    for text in ("of ann", "of bob", "of ann and bob"):
        link.put(text)
        link.flush()
    link.withdraw(lambda text: text == "of bob", b"bob")
    assert list(map(msgspec.msgpack.decode, decoded)) == [["of bob"], ["of ann and bob"]]


def test_hearing_counts_for_every_packet() -> None:
    wire = Wire()
    wire.say(0)
    wire.now = 3.0
    wire.arrive(1)
    assert (wire.ends[0].heard, wire.ends[1].heard) == (0.0, 3.0)


def test_a_peer_that_acknowledges_nothing_was_not_reached() -> None:
    wire = Wire()
    end = wire.ends[0]
    wire.now = 1.0
    wire.say(0)
    for wire.now, reached in ((2.0, 2.0), (5.0, 5.0), (7.0, 5.0), (9.0, 5.0)):
        wire.ends[1].tick(quiet=0.5)  # a sign of life, of a peer that does not hear
        wire.arrive(0)
        assert (end.heard, end.reached) == (wire.now, reached)
    wire.now = 10.0
    end.excuse(0.5)
    assert (end.heard, end.reached) == (9.5, 5.5)
    end.excuse()
    assert (end.heard, end.reached) == (10.0, 10.0)
    wire.now = 11.0
    wire.carry()
    wire.ends[1].tick()
    wire.carry()
    wire.now = 20.0
    assert end.reached == 11.0
    wire.say(0)
    assert end.reached == 11.0, "it owes nothing before that"


def test_much_that_is_received_is_acknowledged_before_the_next_tick() -> None:
    wire = Wire()
    wire.say(0)
    wire.arrive(1)
    assert not wire.flying[0]
    wire.ends[0].put("x" * module.SOON_BYTES)
    wire.ends[0].flush()
    wire.arrive(1)
    assert len(wire.flying[0]) == 1
    wire.carry()
    assert wire.ends[0].idle
