"""Many clients that talk over real sockets, left running while something breaks.

`Load.finish` waits until every command is answered, reads every room over HTTP, and counts broken promises. The clients
are those of tests/support/person.py.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from server.dialects import NATIVE
from tests.support import contract, rawws
from tests.support.bots import Bot
from tests.support.counts import Counts, count
from tests.support.operations import Delete, Edit, Frame, Log, Operation, Post, Reaction, reactions
from tests.support.person import PAUSE, Notes, Person, who_waits
from tests.support.process import PATIENCE

# After the clients stop sending, this many checks (every 10 ms) in a row without a new frame mean that none will come.
SILENCE = 1000
# Seconds between two operations of one client, and how many of them may be unanswered before it waits.
EVERY = 0.08
UNANSWERED = 60
# The last messages of a copy, all of which are in the server's tails: those hold 500 states.
RECENT = 50
EMOJI = ("👍", "❤️", "+1")

Choose = Callable[["Person", int], Operation]


def say(person: "Person", number: int) -> Operation:
    """Post a message to one of the client's rooms."""
    room = random.choice(list(person.copies))
    return Post(f"{person.name}-{number}", room, f"{person.name} says {number} in {room}")


def react(person: "Person", number: int) -> Operation:
    """React to a message, usually one of the last, stored or not; or remove or repeat one of its own reactions."""
    room = random.choice(list(person.copies))
    seqs = sorted(person.copies[room].states)
    if not seqs:
        return say(person, number)
    name, recent = f"{person.name}-{number}", seqs[-RECENT:]
    mine = [done for done in person.sent[-50:] if isinstance(done, Reaction) and done.room == room]
    if mine and random.random() < 0.4:
        before = random.choice(mine)
        if before.seq in recent:
            return Reaction(name, room, before.seq, before.emoji, random.random() < 0.3 or not before.on)
    seq = random.choice(seqs if random.random() < 0.1 else recent[-20:])
    return Reaction(name, room, seq, random.choice(EMOJI), old=seq not in recent)


def chat(person: "Person", number: int) -> Operation:
    """Send messages, replies and reactions; never edit or delete."""
    if number % 5 == 2:
        return react(person, number)
    return reply(person, number) if number % 10 == 5 else say(person, number)


def reply(person: "Person", number: int) -> Operation:
    """Reply to one of the last messages."""
    room = random.choice(list(person.copies))
    said = sorted(person.copies[room].states)[-20:]
    content = f"{person.name} answers {number} in {room}"
    return Post(f"{person.name}-{number}", room, content, random.choice(said) if said else None)


def talk(person: "Person", number: int) -> Operation:
    """The usual mix: as `chat`, and sometimes an edit or a deletion of one of its own messages."""
    mine = person.changeable() if number % 5 == 4 else []
    if not mine:
        return chat(person, number)
    name = f"{person.name}-{number}"
    message, seq = random.choice(mine)
    if number % 10 == 4:
        return Delete(name, message.room, message.id, seq)
    return Edit(name, message.room, f"{person.name} means {number}", message.id, seq)


class Visitor(Person):
    """A client of the server of a load, over real sockets.

    Attributes:
        port: where it connects, or has connected last.
        closes: the close codes of its connections, None where there was none.
    """

    def __init__(self, load: "Load", name: str, rooms: Sequence[str]) -> None:
        super().__init__(load.notes, name, rooms)
        self._load = load
        self._socket: ClientConnection | None = None
        self._here = asyncio.Event()
        self._here.set()
        self.port = 0
        self.closes: list[int | None] = []

    async def talk(self) -> None:
        """Send operations until the load stops."""
        while self._load.talking:
            if len(self.outbox) < self._load.unanswered:
                self.do(self._load.choose(self, len(self.sent)))
            await asyncio.sleep(self._load.every * random.uniform(0.5, 1.5))

    async def stay(self) -> None:
        """Keep reconnecting, except while it is away; until cancelled."""
        while True:
            await self._here.wait()
            self.port = self._load.find_port()
            try:
                async with connect(
                    f"ws://127.0.0.1:{self.port}/chat?u={self.name}",
                    subprotocols=[Subprotocol("parley.v1")],
                    compression=None,
                    ping_interval=None,
                    max_size=None,
                    max_queue=None,
                    open_timeout=5,
                    close_timeout=1,
                    proxy=None,
                ) as self._socket:
                    await self._listen(self._socket)
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage):
                pass  # the server is not there: try again
            except ConnectionClosed as closed:
                self.closes.append(None if closed.rcvd is None else closed.rcvd.code)
            finally:
                self._socket = None
                self.disconnected()
            await asyncio.sleep(random.uniform(*PAUSE))

    async def caught_up(self) -> None:
        """Wait until everything has arrived that was sent to this client before now."""
        while True:
            if self._online:
                mark = asyncio.get_running_loop().create_future()
                self._marks[self._send(type="ping")] = mark
                try:
                    await mark
                    return
                except ConnectionResetError:
                    pass  # the connection broke: try again on the next one
            await asyncio.sleep(0.01)

    async def leave(self) -> None:
        """Close the connection, like a page that is reloaded; it reconnects to wherever the load's server is."""
        if self._socket is not None:
            await self._socket.close()

    async def go_away(self) -> None:
        """Close the connection, and stay away until `come_back`."""
        self._here.clear()
        await self.leave()

    def come_back(self) -> None:
        """Connect again."""
        self._here.set()

    async def _listen(self, socket: ClientConnection) -> None:
        # Not awaited: the library writes at once and would only wait for its own buffer.
        self.connected(lambda frame: self._load.spawn(self._write(socket, json.dumps(frame))))
        async for text in socket:
            frame = json.loads(text)
            contract.hold(NATIVE.name, frame)
            self.take(frame)
        # The library ends the loop in silence after 1000 and 1001.
        if self._here.is_set():
            self.closes.append(socket.close_code)

    @staticmethod
    async def _write(socket: ClientConnection, text: str) -> None:
        try:
            await socket.send(text)
        except ConnectionClosed:
            pass  # the reader gets it too


class Load:
    """Clients that talk in rooms of one server, or of several nodes.

    Args:
        port: where the server is at the moment, or a function that chooses a node for each connection and request.
        people, rooms: how many; each client is in two rooms.
        bots: how many accounts post over HTTP, whose tokens are signed with ``secret``.
        choose: the next operation of a client.
        every: seconds between two of them.
        unanswered: how many of its operations may be unanswered before a client waits.
        patience: seconds within which everything must come that is waited for.
    """

    def __init__(
        self,
        port: int | Callable[[], int],
        *,
        people: int = 20,
        rooms: int = 5,
        choose: Choose = talk,
        every: float = EVERY,
        unanswered: int = UNANSWERED,
        patience: float = PATIENCE,
        bots: int = 0,
        secret: str = "",
    ) -> None:
        self.port = port
        self.patience = patience
        self.choose = choose
        self.every = every
        self.unanswered = unanswered
        self.talking = True
        self.notes = Notes()
        self.rooms = [f"room {number}" for number in range(rooms)]
        self.people = [
            Visitor(self, f"p{number}", [self.rooms[number % rooms], self.rooms[(number + 1) % rooms]])
            for number in range(people)
        ]
        self.bots = [Bot(self, f"b{number}", secret) for number in range(bots)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._lasting: list[asyncio.Task[None]] = []

    def find_port(self) -> int:
        """Return where to connect now."""
        return self.port if isinstance(self.port, int) else self.port()

    @property
    def acks(self) -> int:
        """See `Notes`."""
        return self.notes.acks

    @property
    def refusals(self) -> Mapping[str, int]:
        """See `Notes`."""
        return self.notes.refusals

    @property
    def places(self) -> Mapping[tuple[str, str, str], set[int]]:
        """See `Notes`."""
        return self.notes.places

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start(self) -> None:
        for person in self.people:
            self._lasting.append(asyncio.create_task(person.stay()))
            self._lasting.append(asyncio.create_task(person.talk()))
        self._lasting += [asyncio.create_task(bot.talk()) for bot in self.bots]

    async def close(self) -> None:
        self.talking = False
        for task in self._lasting:
            task.cancel()
        results = await asyncio.gather(*self._lasting, *self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fail if a client fails."""
        try:
            async with asyncio.timeout(self.patience):
                while not condition():  # conditions of several programs have no event to wait for
                    if ended := [task for task in self._lasting if task.done() and self.talking]:
                        ended[0].result()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {self.patience:g} s; {self._state()}") from None

    async def lasts(self, seconds: float) -> None:
        """Let a fault last; fail if a client fails."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        await self.until(lambda: loop.time() >= end, "time passes")

    async def more(self, count: int = 100) -> None:
        """Wait for this many more acks."""
        wanted = self.acks + count
        await self.until(lambda: self.acks >= wanted, f"{count} more acks")

    async def refused(self, code: str, count: int = 1) -> None:
        """Wait for this many more refusals with this code."""
        wanted = self.refusals.get(code, 0) + count
        await self.until(lambda: self.refusals.get(code, 0) >= wanted, f"{count} more refusals {code}")

    @property
    def waiting(self) -> int:
        """Operations without an answer yet."""
        return sum(len(person.outbox) for person in self.people)

    async def part_and_meet(self) -> None:
        """Let every other client miss reactions to messages that it has, reconnect, and resume.

        So in the end half of the copies come from a resume.
        """
        leaving, staying = self.people[::2], self.people[1::2]
        await self.until(lambda: all(person.settled for person in self.people), "everybody is there")
        await asyncio.gather(*(person.go_away() for person in leaving))
        await self.until(lambda: not any(person.settled for person in leaving), "they have left")
        resumes = {person: person.resumes for person in leaving}
        epochs = {copy: copy.epoch for person in leaving for copy in person.copies.values()}
        there = {room: next(person for person in staying if room in person.copies) for room in self.rooms}
        for person in leaving:
            for room, copy in person.copies.items():
                for seq in random.sample(sorted(copy.states), min(3, len(copy.states))):  # one may be deleted
                    name = f"{there[room].name}-{len(there[room].sent)}"
                    there[room].do(Reaction(name, room, seq, person.name, old=True))
        missing = {(person, room) for person in leaving for room in person.copies}

        def missed() -> bool:
            for person, room in tuple(missing):
                theirs = there[room].copies[room].states
                held = person.copies[room].states
                if any(reactions(state) != reactions(theirs[seq]) for seq, state in held.items() if seq in theirs):
                    missing.discard((person, room))
            return not missing

        await self.until(missed, "there are reactions to what those hold who left")
        for person in leaving:
            person.come_back()
        await self.until(lambda: all(person.settled for person in leaving), "those who left are back")
        for person in leaving:
            same = sum(copy.epoch == epochs[copy] for copy in person.copies.values())  # it differs after a `retracted`
            assert person.resumes == resumes[person] + same, f"{person.name} could not resume where it was"

    async def finish(self, port: int = 0) -> Counts:
        """Disconnect and resume, stop sending, wait until every client has every answer and frame, and count.

        The rooms are read from the node at ``port`` if given.
        """
        await self.part_and_meet()
        self.talking = False
        heard, quiet = self.notes.heard, 0
        everybody = [*self.people, *self.bots]

        def answered() -> bool:
            nonlocal heard, quiet
            quiet = quiet + 1 if heard == self.notes.heard else 0
            heard = self.notes.heard
            assert quiet < SILENCE, f"silence: {who_waits(everybody)}"
            return all(person.answered for person in everybody)

        await self.until(answered, "every operation is answered")
        async with asyncio.timeout(self.patience):
            await asyncio.gather(*(person.caught_up() for person in self.people))
        # In the meantime a client may have started to load a room again.
        await self.until(lambda: all(person.answered for person in self.people), "every copy is complete")
        return count(everybody, {room: await self.read(room, port) for room in self.rooms})

    async def read(self, room: str, port: int = 0) -> Log:
        """Return a room's whole log, read over HTTP, from the node at ``port`` if given."""
        states: list[Frame] = []
        after = 0
        while True:
            target = f"/history?r={room.replace(' ', '%20')}&limit=500&after={after}"
            async with asyncio.timeout(self.patience):
                while (answer := await rawws.fetch(port or self.find_port(), target)).status == 503:  # noqa: ASYNC110  # the server says when
                    # A node may not hear the owner again yet.
                    await asyncio.sleep(answer.json()["error"]["retry_after"])
            assert answer.status == 200, f"{target}: {answer.status} {answer.body[:200]!r}"
            page = answer.json()
            states += page
            if not page:  # a page with fewer messages than requested may be full by its bytes
                return Log(states)
            after = page[-1]["seq"]

    def _state(self) -> str:
        return f"{self.acks} acks, {self.waiting} waiting, {dict(self.refusals)}; {who_waits(self.people)}"


@asynccontextmanager
async def talking(port: int | Callable[[], int], **options: Any) -> AsyncIterator[Load]:
    """A running load, in which every client has received an ack. The options are those of `Load`."""
    load = Load(port, **options)
    load.start()
    try:
        await load.until(lambda: all(person.acked for person in load.people), "everybody is acked something")
        yield load
    finally:
        await load.close()
