"""The promises as a model: rooms, workers and a storage that fails at chosen points, on a virtual clock.

Hypothesis chooses what happens, in which order and at what distance: people talk, read late or not at all, lose their
connection and come back; storage is slow, away, refuses rows, loses answers and answers too little; the server dies and
starts again, with an older clock; another server writes in between. People are the clients of the fault cases
(tests/support/person.py), so whatever operation those know is played here too. In the end everything heals,
everything is answered, and the counts are those of every other case.

Beside tests/unit/chat/test_interleavings.py, which follows each stay in a room frame by frame: here are restarts, full
queues, clients that are cut off, and takeovers.
"""

import asyncio
import itertools
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chat.chat import Chat
from chat.rooms.context import ChatOptions
from chat.writes.workers import PoolLimits
from server.auth.tokens import JwtTokens
from storage.ports.messages import InsertMessage
from storage.ports.storage import Write
from tests.support import chatting
from tests.support.chatting import VirtualClock, limits, unframe
from tests.support.counts import count
from tests.support.examples import examples
from tests.support.faulty import FaultyRepository
from tests.support.operations import Delete, Edit, Frame, Log, Post, Reaction
from tests.support.person import Notes, Person, who_waits
from tests.support.virtual import VirtualLoop, passes

pytestmark = pytest.mark.slow

ROOMS = ("red", "blue")
PEOPLE = ("ann", "ben", "cat", "dan")
POINTS = ("write", "find_room", "head", "find_posted", "find_message", "changed", "count_changed", "history")
PAUSES = (0.0, 0.001, 0.05, 1.0, 6.0)
HOUR_US = 3600 * 1_000_000
# A batch of three, and room for few: every bound is met.
POOL = PoolLimits(workers=2, batch=3, queue_messages=8)


def refused(write: Write) -> bool:
    return isinstance(write, InsertMessage) and write.message.content.startswith("poison")


class Wire:
    """One person's connection to the chat; what the server says is taken when the person reads."""

    def __init__(self, chat: Chat, person: Person) -> None:
        self.person = person
        self.far = chatting.Person(chat, person.name, low=1000)
        self._taken = 0
        person.connected(self._send)

    def _send(self, frame: Frame) -> None:
        if not self.far.session.ended:
            fields = dict(frame)
            self.far.send(fields.pop("type"), **fields)

    def read(self) -> None:
        """Take what has come so far; of a connection that the server closed, too."""
        writes = self.far.connection.writes
        while self._taken < len(writes):
            self._taken += 1
            for frame in unframe(writes[self._taken - 1]):
                self.person.take(frame)

    def drop(self) -> None:
        """The connection is gone."""
        self.far.disconnect()
        self.person.disconnected()


class PromisesHold(RuleBasedStateMachine):
    """See the top of this file."""

    @initialize(room_tail=st.sampled_from((0, 2, 500)), slow_high=st.sampled_from((3000, 1 << 20)))
    def begin(self, room_tail: int, slow_high: int) -> None:
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        # Room ids choose the worker: not by chance, so that an example that fails fails again.
        self.room_ids = patch("chat.rooms.context.new_room_id", itertools.count(1).__next__)
        self.room_ids.start()
        self.options: dict[str, Any] = {"room_tail": room_tail, "slow_high": slow_high, "pool": POOL}
        self.clock = VirtualClock()
        self.repository = FaultyRepository()
        self.repository.refused = refused
        self.notes = Notes()
        self.people = [Person(self.notes, name, ROOMS) for name in PEOPLE]
        self.absent: set[Person] = set()
        self.forgotten: dict[str, set[int]] = {room: set() for room in ROOMS}
        self.number = 0
        self.run(self._start())

    def run(self, work: Any) -> None:
        self.runner.get_loop().run_until_complete(work)  # Runner.run sets signal handlers each time: a tenth of all

    async def _start(self) -> None:
        tokens = JwtTokens("secret", self.clock)
        self.chat = Chat(
            self.repository, self.clock, tokens, ChatOptions(limits=limits(edit_window=0.0), **self.options)
        )
        self.chat.start()
        self.wires = {person: Wire(self.chat, person) for person in self.people if person not in self.absent}
        await self._talk()

    async def _talk(self, pause: float = 0.001) -> None:
        """Questions and answers go back and forth: as often as a reconnect takes until something new can be said."""
        for _ in range(5):
            await passes(pause)
            self._read(self.people)

    def _read(self, people: list[Person]) -> None:
        for person in people:
            if person in self.wires:
                self.wires[person].read()

    # What people do.

    @rule(
        who=st.integers(0, 3),
        where=st.sampled_from(ROOMS),
        count=st.integers(1, 6),
        poison=st.integers(0, 4),
        seen=st.booleans(),
        answered=st.one_of(st.none(), st.integers(0, 5)),
    )
    def say(self, who: int, where: str, count: int, poison: int, seen: bool, answered: int | None = None) -> None:
        async def do() -> None:
            for _ in range(count):
                self.number += 1
                content = f"{'poison' if poison == 0 else 'word'} {self.number} ".ljust(300, "x")
                seqs = self._newest(self.people[who], where) if answered is not None else []
                reply_to = seqs[answered % len(seqs)] if answered is not None and seqs else None
                self.people[who].do(Post(f"m{self.number}", where, content, reply_to))
            if seen:
                await self._talk()

        self.run(do())

    @rule(
        who=st.integers(0, 3),
        which=st.integers(0, 5),
        count=st.integers(1, 3),
        delete=st.booleans(),
        seen=st.booleans(),
    )
    def change(self, who: int, which: int, count: int, delete: bool, seen: bool) -> None:
        async def do() -> None:
            person = self.people[who]
            for number in range(count):
                mine = person.changeable()
                if not mine:
                    break
                message, seq = mine[-1 - which % len(mine)]
                self.number += 1
                name = f"c{self.number}"
                if delete and number == count - 1:
                    person.do(Delete(name, message.room, message.id, seq))
                else:
                    person.do(Edit(name, message.room, f"word {self.number} ".ljust(300, "y"), message.id, seq))
            if seen:
                await self._talk()

        self.run(do())

    @rule(
        who=st.sets(st.integers(0, 3), min_size=1),
        where=st.sampled_from(ROOMS),
        which=st.integers(0, 5),
        emoji=st.sampled_from("ab"),
        puts=st.lists(st.booleans(), min_size=1, max_size=3),
        seen=st.booleans(),
    )
    def react(self, who: set[int], where: str, which: int, emoji: str, puts: list[bool], seen: bool) -> None:
        """To anybody's message, stored or not, new or old: put an emoji there, take it away, put it again."""

        async def do() -> None:
            for person in [self.people[number] for number in sorted(who)]:
                if not (seqs := self._newest(person, where)):
                    continue
                for on in puts:
                    self.number += 1
                    person.do(Reaction(f"r{self.number}", where, seqs[which % len(seqs)], emoji, on, old=True))
            if seen:
                await self._talk()

        self.run(do())

    def _newest(self, person: Person, where: str) -> list[int]:
        """The messages that somebody knows of, the newest first."""
        return sorted(person.copies[where].states, reverse=True)

    @rule(who=st.sets(st.integers(0, 3), min_size=1))
    def read(self, who: set[int]) -> None:
        async def do() -> None:
            self._read([self.people[number] for number in sorted(who)])

        self.run(do())

    @rule(who=st.integers(0, 3), reads_first=st.booleans())
    def reconnect(self, who: int, reads_first: bool) -> None:
        self.run(self._reconnect(self.people[who], reads_first))

    async def _reconnect(self, person: Person, reads_first: bool) -> None:
        await self._vanish(person, reads_first)
        self.absent.discard(person)
        self.wires[person] = Wire(self.chat, person)

    @rule(who=st.integers(0, 3), reads_first=st.booleans())
    def vanish(self, who: int, reads_first: bool) -> None:
        """Until it reconnects, or all is healed."""
        self.run(self._vanish(self.people[who], reads_first))

    async def _vanish(self, person: Person, reads_first: bool) -> None:
        if person not in self.wires:
            return
        if reads_first:
            self.wires[person].read()
        self.wires.pop(person).drop()
        self.absent.add(person)

    @rule(who=st.integers(0, 3), stalled=st.booleans())
    def stall(self, who: int, stalled: bool) -> None:
        async def do() -> None:
            if (wire := self.wires.get(self.people[who])) is not None:
                wire.far.connection.stalled = stalled
                wire.far.connection.drain()

        self.run(do())

    # What time does.

    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: float) -> None:
        self.run(passes(seconds))

    @rule(seconds=st.sampled_from(PAUSES))
    def talk(self, seconds: float) -> None:
        self.run(self._talk(seconds))

    # What storage does.

    @rule(point=st.sampled_from(POINTS), held=st.booleans())
    def hold(self, point: str, held: bool) -> None:
        async def do() -> None:
            (self.repository.hold if held else self.repository.go)(point)

        self.run(do())

    @rule(away=st.booleans())
    def go_away(self, away: bool) -> None:
        self.repository.away = "unplugged" if away else None

    @rule(kind=st.sampled_from(("lost", "short", "bug")), times=st.integers(1, 3))
    def spoil(self, kind: str, times: int) -> None:
        if kind == "lost":
            self.repository.lost_answers += times
        elif kind == "short":
            self.repository.short_answers += times
        else:
            self.repository.faults["write"] += [ZeroDivisionError("a bug") for _ in range(times)]

    # What the server does.

    @rule(step_us=st.sampled_from((0, 0, -HOUR_US, HOUR_US)), read=st.booleans())
    def die_and_start_again(self, step_us: int, read: bool) -> None:
        async def do() -> None:
            if read:
                self._read(self.people)
            await self._end()
            self.clock.offset_us += step_us
            await self._start()

        self.run(do())

    @rule(who=st.integers(0, 3), leaver=st.integers(0, 3), where=st.sampled_from(ROOMS))
    def lose_what_was_shown(self, who: int, leaver: int, where: str) -> None:
        """Somebody sees a message, leaves, and the server dies before it is stored: too rare to wait for by chance."""
        self.go_away(True)
        self.say(who, where, 1, 1, True)
        self.vanish(leaver, True)
        self.die_and_start_again(0, True)
        self.go_away(False)

    @rule(who=st.integers(0, 3), leaver=st.integers(0, 3), where=st.sampled_from(ROOMS))
    def take_back_what_was_shown(self, who: int, leaver: int, where: str) -> None:
        """Somebody sees a message, leaves, and does not hear that it is taken back, as storage refuses it."""
        self.hold("write", True)
        self.say(who, where, 1, 0, True)
        self.vanish(leaver, True)
        self.hold("write", False)
        self.talk(0.001)

    @rule(who=st.integers(0, 3), leaver=st.integers(0, 3), where=st.sampled_from(ROOMS))
    def talk_while_one_resumes(self, who: int, leaver: int, where: str) -> None:
        """What is said while storage is asked for what somebody missed is kept for them until they have had that."""
        self.vanish(leaver, True)
        self.say(who, where, 3, 1, True)
        self.hold("changed", True)
        self.reconnect(leaver, True)
        self.talk(0.001)
        self.say(who, where, 1, 1, True)
        self.hold("changed", False)
        self.talk(0.001)

    @rule(who=st.integers(0, 3), leaver=st.integers(0, 3), where=st.sampled_from(ROOMS), which=st.integers(0, 5))
    def react_while_one_is_away(self, who: int, leaver: int, where: str, which: int) -> None:
        """To what somebody holds who left: a resume brings it, and what happens while that is read comes behind."""
        self.say(leaver, where, 2, 1, True)
        self.vanish(leaver, True)
        self.react({who}, where, which, "a", [True], True)
        self.say(who, where, 3, 1, True)  # the room lets go of it
        self.hold("changed", True)
        self.reconnect(leaver, True)
        self.talk(0.001)
        self.react({who}, where, which + 3, "b", [True], True)
        self.hold("changed", False)
        self.talk(0.001)

    @rule(who=st.sets(st.integers(0, 3), min_size=2), where=st.sampled_from(ROOMS), reads=st.booleans())
    def react_to_what_is_edited(self, who: set[int], where: str, reads: bool) -> None:
        """Before and behind the edit; somebody comes back and is told what is left of both."""
        self.say(min(who), where, 1, 1, True)
        self.react(who, where, 0, "a", [True], True)
        self.change(min(who), 0, 1, False, True)
        self.reconnect(max(who), reads)
        self.talk(0.001)
        self.react(who, where, 0, "b", [True], True)

    @rule(who=st.sets(st.integers(0, 3), min_size=2), where=st.sampled_from(ROOMS))
    def react_to_what_is_not_stored(self, who: set[int], where: str) -> None:
        """Several people to one message, in one batch with it or in the next ones."""
        self.hold("write", True)
        self.say(min(who), where, 1, 1, True)
        self.react(who, where, 0, "b", [True], True)
        self.hold("write", False)
        self.talk(0.001)

    @rule(who=st.integers(0, 3), where=st.sampled_from(ROOMS))
    def come_back_while_it_waits(self, who: int, where: str) -> None:
        """Somebody's message waits for storage, and the ack is owed to another connection than the one it came on."""
        self.go_away(True)
        self.say(who, where, 1, 1, True)
        self.reconnect(who, True)
        self.talk(0.001)
        self.go_away(False)

    async def _end(self) -> None:
        """Without a word, as by SIGKILL: what is queued is gone."""
        for person in self.people:
            person.disconnected()
        assert await self.chat.close(1.0) == []
        for room in ROOMS:
            self.forgotten[room] |= self._known(room) - (await self._log(room)).states.keys()

    def _known(self, room: str) -> set[int]:
        """Where messages are, as far as anybody holds them, or has asked for something to be done to them."""
        held = {seq for person in self.people for seq in person.copies[room].states}
        sent = [done for person in self.people for done in person.sent if done.room == room]
        reacted = {done.seq for done in sent if isinstance(done, Reaction)}
        answered = {done.reply_to for done in sent if isinstance(done, Post) and done.reply_to is not None}
        return held | reacted | answered

    @rule()
    def another_server_wrote(self) -> None:
        async def do() -> None:
            before = self.chat.hub.epoch
            self.chat.taken_over()
            assert self.chat.hub.epoch != before, "who comes back trusts its copy, which may lack what the other wrote"

        self.run(do())

    # What is never otherwise.

    @invariant()
    def queues_are_bounded(self) -> None:
        for worker in self.chat.pool.workers:
            assert len(worker) <= POOL.queue_messages, "more waits for storage than may"
        for room in self.chat.hub.rooms.values():
            assert room.backlog.unconfirmed <= POOL.queue_messages // 2 + 1, (
                "more of one room waits than may"
            )  # and the room

    # The end.

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.run(self._heal_and_count())
            self.run(self._end())
        finally:
            self.runner.close()
            self.room_ids.stop()

    async def _heal_and_count(self) -> None:
        repository = self.repository
        repository.away, repository.lost_answers, repository.short_answers = None, 0, 0
        repository.faults.clear()
        for point in POINTS:
            repository.go(point)
        # Who was away comes back last: to rooms that went on without it.
        await self._until_answered([person for person in self.people if person in self.wires])
        for person in self.people:
            if person in self.absent:
                await self._reconnect(person, reads_first=True)
        await self._until_answered(self.people)
        # All at rest: nothing is under way any more, nor waits to be read.
        await passes(1.0)
        self._read(self.people)
        assert all(person.answered for person in self.people), f"silence: {who_waits(self.people)}"
        assert not len(self.chat.pool)
        counts = count(self.people, {room: await self._log(room) for room in ROOMS})
        assert counts.clean, str(counts)
        assert counts.acked + sum(len(person.given_up) for person in self.people) == counts.operations
        for person in self.people:
            for operation in person.sent:
                if isinstance(operation, Post) and person.given_up.get(operation.id) == "not_stored":
                    assert operation.content.startswith("poison"), f"{operation} was refused with its neighbour"

    async def _until_answered(self, people: list[Person]) -> None:
        for _ in range(200):
            for person in people:
                wire = self.wires[person]
                wire.far.connection.stalled = False
                wire.far.connection.drain()
                wire.read()
                if wire.far.session.ended:
                    await self._reconnect(person, reads_first=True)
            if all(person.answered for person in people):
                return
            await passes(0.5)

    async def _log(self, room: str) -> Log:
        record = await self.repository.inner.find_room(room)
        stored = [] if record is None else await self.repository.inner.history(record, limit=100_000)
        return Log([msgspec.to_builtins(message) for message in stored], self.forgotten[room])


PromisesHold.TestCase.settings = settings(
    max_examples=examples(350), stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
TestPromisesHold = PromisesHold.TestCase
