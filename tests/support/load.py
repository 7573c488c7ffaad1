"""Many people talking, to be left running while something breaks, and the count of what the promises were worth.

Each person is a client as docs/protocol.md wants it: keeps a copy of its rooms, reconnects, says who it was, resumes,
loads `history` where nothing can be resumed, and sends again (`resend`) what was not answered. It notes what it sent,
what was acked and what it saw. `Load.finish` waits until all is answered, reads every room over HTTP, and counts.

What people do is an `Operation`. There are posts; an edit, a delete or a reaction is another class of it and a line in
`STATES`, and every fault case has it.
"""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from tests.support import rawws

Frame = dict[str, Any]
# A deadline for what must come: only a server that hangs meets it.
PATIENCE = 60.0
# People are impatient: they come back sooner than they are told to, which is harder on the server.
PAUSE = (0.02, 0.2)
# Seconds between two operations of one person, and how many of them it leaves unanswered before it waits.
EVERY = 0.08
UNANSWERED = 60
# Events that carry the whole state of a message; the newer `version` of a `seq` wins.
STATES = {"message"}


class Log:
    """A room as `/history` has it: states by seq."""

    def __init__(self, states: Sequence[Frame]) -> None:
        self.states = {state["seq"]: state for state in states}
        self.by_author: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for state in states:
            if "id" in state:
                self.by_author[state["sender_id"], state["id"]].append(state["seq"])


class Operation(Protocol):
    """Something that a person asks for and that must be answered, once and for good."""

    @property
    def id(self) -> str:
        """The command's id."""

    @property
    def room(self) -> str:
        """Where."""

    def command(self) -> Frame:
        """The frame to send; `resend` is added where it may have been sent before."""

    def shown(self, author: str, frame: Frame) -> bool:
        """Whether this event is the operation, as everybody in the room sees it."""

    def stored(self, author: str, log: Log) -> list[int]:
        """The places in the log where its effect is: none, one, or too many. An ack must have named the one."""


class Post(NamedTuple):
    """A message."""

    id: str
    room: str
    content: str

    def command(self) -> Frame:
        return {"type": "message", "id": self.id, "room": self.room, "content": self.content}

    def shown(self, author: str, frame: Frame) -> bool:
        return frame["type"] == "message" and (frame["sender_id"], frame.get("id")) == (author, self.id)

    def stored(self, author: str, log: Log) -> list[int]:
        return [seq for seq in log.by_author[author, self.id] if log.states[seq]["content"] == self.content]


Choose = Callable[["Person", int], Operation]


def post(person: "Person", number: int) -> Operation:
    """The simplest mix of operations: a message into one of the person's rooms."""
    room = random.choice(list(person.copies))
    return Post(f"{person.name}-{number}", room, f"{person.name} says {number} in {room}")


class Entry:
    """An operation on its way: whether it may have reached the server, is on its way now, and where it was seen."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.tried = False
        self.under_way = False
        self.seq: int | None = None


class Copy:
    """A person's copy of one room, complete from its beginning once `settled`."""

    def __init__(self) -> None:
        self.states: dict[int, Frame] = {}
        self.epoch: str | None = None
        self.since = 0
        self.joined = False
        self.loaded = False
        self.synced = False
        self.disorder = 0
        self._fresh: list[Frame] = []
        self._page: list[Frame] = []
        self._gone: set[int] = set()

    @property
    def settled(self) -> bool:
        """Nothing is missing but what happens from now on."""
        return self.joined and self.loaded and self.synced

    def resume(self) -> Frame:
        return {"since": self.since, "epoch": self.epoch} if self.loaded else {}

    def on_joined(self, frame: Frame) -> bool:
        """Whether the whole log has to be loaded."""
        self.joined = True
        if self.loaded and frame["recovered"]:
            self.synced = False
            return False
        self.epoch, self.since = frame["epoch"], frame["head"]
        self.loaded, self.synced = False, True
        self.states, self._fresh, self._page, self._gone = {}, [], [], set()
        return True

    def on_state(self, frame: Frame) -> None:
        if frame["version"] <= self.since:
            self.disorder += 1  # twice, or behind what came later
        self.since = max(self.since, frame["version"])
        if self.loaded:
            self._take(frame)
        else:
            self._fresh.append(frame)

    def on_retracted(self, seq: int) -> None:
        self._gone.add(seq)
        self.states.pop(seq, None)

    def on_page(self, frame: Frame) -> int | None:
        """A page of history, from the newest to the oldest; returns the `before` of the next one, None at the end."""
        self._page = frame["messages"] + self._page
        if frame["has_older"]:
            return int(self._page[0]["seq"])
        self.loaded = True
        for state in [*self._page, *self._fresh]:
            if state["seq"] not in self._gone:
                self._take(state)
        return None

    def _take(self, frame: Frame) -> None:
        known = self.states.get(frame["seq"])
        if known is None or known["version"] < frame["version"]:
            self.states[frame["seq"]] = frame


class Notes:
    """What all people of one load know together.

    Attributes:
        acks: how many operations were acked so far, acks told twice included.
        refusals: errors by code.
        places: every seq at which anybody ever saw the operation of (room, author, id).
    """

    def __init__(self) -> None:
        self.acks = 0
        self.refusals: defaultdict[str, int] = defaultdict(int)
        self.places: defaultdict[tuple[str, str, str], set[int]] = defaultdict(set)


class Person:
    """One principal over all its connections: what it knows, and what it answers. It has no socket.

    Whoever connects it calls `connected` with a way to send and the first `welcome`, `take` for every later frame, and
    `disconnected`.
    """

    def __init__(self, notes: Notes, name: str, rooms: Sequence[str]) -> None:
        self._notes = notes
        self.name = name
        self.copies = {room: Copy() for room in rooms}
        self.outbox: list[Entry] = []
        self.sent: list[Operation] = []
        self.acked: dict[str, set[int]] = {}
        self.given_up: dict[str, str] = {}
        self.user = ""
        self.faults: list[str] = []
        self._token = ""
        self._online = False
        self._transmit: Callable[[Frame], None] | None = None
        self._marks: dict[str, asyncio.Future[None]] = {}
        self._made = 0

    @property
    def answered(self) -> bool:
        """Nothing waits for an answer, and every copy is complete."""
        return not self.outbox and self._online and all(copy.settled for copy in self.copies.values())

    def do(self, operation: Operation) -> None:
        """Ask for this."""
        self.sent.append(operation)
        self.outbox.append(Entry(operation))
        self._flush(operation.room)

    # The connection.

    def connected(self, transmit: Callable[[Frame], None]) -> None:
        """There is a connection; the first frame that comes is its `welcome`."""
        self._transmit = transmit

    def disconnected(self) -> None:
        """It is gone."""
        self._online, self._transmit = False, None
        marks, self._marks = self._marks, {}
        for mark in marks.values():
            if not mark.done():
                mark.set_exception(ConnectionResetError())
                mark.exception()
        for copy in self.copies.values():
            copy.joined = False
        for entry in self.outbox:
            entry.under_way = False

    def _welcome(self, frame: Frame) -> None:
        if self._token and frame.get("id") != "hello":
            self._send(type="hello", id="hello", token=self._token)
            return
        if self.user not in ("", frame["user"]["id"]):
            self.faults.append("is somebody else after a reconnect")
        self.user, self._token = frame["user"]["id"], frame["token"]
        self._online = True
        for room in self.copies:
            self._join(room)

    def _send(self, **frame: Any) -> str:
        self._made += 1
        named = str(frame.setdefault("id", f"q{self._made}"))
        if self._transmit is not None:
            self._transmit(frame)
        return named

    def _join(self, room: str) -> None:
        self._send(type="join", id=f"join {room}", room=room, **self.copies[room].resume())

    def _load_page(self, room: str, before: int | None = None) -> None:
        fields = {} if before is None else {"before": before}
        self._send(type="history", id=f"page {room}", room=room, limit=500, **fields)

    def _flush(self, room: str) -> None:
        """Send what is due: one after the other, the next when the one before was seen in the room."""
        if not self._online or not self.copies[room].joined:
            return
        for entry in [entry for entry in self.outbox if entry.operation.room == room]:
            if not entry.under_way:
                again = {"resend": True} if entry.tried else {}
                entry.under_way = entry.tried = True
                self._send(**entry.operation.command(), **again)
            if entry.seq is None:
                break

    def take(self, frame: Frame) -> None:
        """A frame has come."""
        kind = frame["type"]
        copy = self.copies.get(frame.get("room", ""))
        if kind == "pong":
            if (mark := self._marks.pop(frame["id"], None)) is not None and not mark.done():
                mark.set_result(None)
        elif kind == "ack":
            for item in frame["ids"]:
                self._acked(item["id"], item["seq"])
        elif kind == "error":
            self._refused(frame)
        elif kind == "welcome":
            self._welcome(frame)
        elif copy is None:
            pass  # goodbye
        elif kind == "joined":
            if copy.on_joined(frame):
                self._place(frame["room"], {})
                self._load_page(frame["room"])
            else:
                self._flush(frame["room"])
        elif kind == "history":
            before = copy.on_page(frame)
            if before is not None:
                self._load_page(frame["room"], before)
            else:
                self._place(frame["room"], copy.states)
                self._flush(frame["room"])
        elif kind == "synced":
            copy.since, copy.synced = max(copy.since, frame["head"]), True
        elif kind == "retracted":
            copy.on_retracted(frame["seq"])
            for entry in self.outbox:
                if entry.seq == frame["seq"] and entry.operation.room == frame["room"]:
                    entry.seq = None
        elif kind in STATES:
            copy.on_state(frame)
            if "id" in frame:
                self._notes.places[frame["room"], frame["sender_id"], frame["id"]].add(frame["seq"])
            self._shown(frame)

    def _place(self, room: str, states: Mapping[int, Frame]) -> None:
        """The room was read anew: where is what was not answered yet?"""
        for entry in self.outbox:
            if entry.operation.room == room:
                places = [seq for seq, state in states.items() if entry.operation.shown(self.user, state)]
                entry.seq = places[0] if places else None

    def _shown(self, frame: Frame) -> None:
        if frame.get("sender_id") != self.user:
            return
        for entry in self.outbox:
            if entry.operation.room == frame["room"] and entry.operation.shown(self.user, frame):
                entry.seq = frame["seq"]
                self._flush(frame["room"])
                return

    def _acked(self, id: str, seq: int) -> None:
        self.acked.setdefault(id, set()).add(seq)
        self._notes.acks += 1
        self._drop(id)

    def _drop(self, id: str) -> Entry | None:
        for entry in self.outbox:
            if entry.operation.id == id:
                self.outbox.remove(entry)
                self._flush(entry.operation.room)
                return entry
        return None

    def _refused(self, error: Frame) -> None:
        self._notes.refusals[error["code"]] += 1
        asked, _, room = str(error.get("id", "")).partition(" ")
        if asked in ("join", "page") and room:
            self._later(error, lambda: self._join(room) if asked == "join" else self._load_page(room))
            return
        entry = next((entry for entry in self.outbox if entry.operation.id == error.get("id")), None)
        if entry is None:
            self.faults.append(f"an error for nothing: {error}")
        elif error["retryable"]:
            if error["code"] == "overloaded" and entry.seq is not None:
                self.faults.append(f"refused, but shown: {error}")
            self._later(error, lambda: self._again(entry))
        elif error["code"] == "not_joined":
            entry.under_way = False
        else:
            self.given_up[entry.operation.id] = error["code"]
            self._drop(entry.operation.id)

    def _again(self, entry: Entry) -> None:
        entry.under_way = False
        self._flush(entry.operation.room)

    def _later(self, error: Frame, do: Callable[[], None]) -> None:
        transmit = self._transmit

        def unless_gone() -> None:
            if transmit is self._transmit and self._online:
                do()

        pause = min(error.get("retry_after") or 0.0, PAUSE[1]) * random.uniform(0.5, 1.0)
        asyncio.get_running_loop().call_later(pause, unless_gone)


class Visitor(Person):
    """A person at the server of a load, over real sockets."""

    def __init__(self, load: "Load", name: str, rooms: Sequence[str]) -> None:
        super().__init__(load.notes, name, rooms)
        self._load = load
        self._socket: ClientConnection | None = None
        self.closes: list[int | None] = []

    async def talk(self) -> None:
        """Ask for something again and again, until the load stops."""
        while self._load.talking:
            if len(self.outbox) < self._load.unanswered:
                self.do(self._load.choose(self, len(self.sent)))
            await asyncio.sleep(self._load.every * random.uniform(0.5, 1.5))

    async def stay(self) -> None:
        """Be connected, whatever happens; until cancelled."""
        while True:
            try:
                async with connect(
                    f"ws://127.0.0.1:{self._load.port}/chat?u={self.name}",
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
                pass  # nobody there: again
            except ConnectionClosed as closed:
                self.closes.append(None if closed.rcvd is None else closed.rcvd.code)
            finally:
                self._socket = None
                self.disconnected()
            await asyncio.sleep(random.uniform(*PAUSE))

    async def caught_up(self) -> None:
        """Wait until everything has come that was said to this person before now."""
        while True:
            if self._online:
                mark = asyncio.get_running_loop().create_future()
                self._marks[self._send(type="ping")] = mark
                try:
                    await mark
                    return
                except ConnectionResetError:
                    pass  # the connection broke: again on the next one
            await asyncio.sleep(0.01)

    async def leave(self) -> None:
        """Close the connection, as someone who reloads the page; it comes back to wherever the load's server is."""
        if self._socket is not None:
            await self._socket.close()

    async def _listen(self, socket: ClientConnection) -> None:
        # Not awaited: the library writes at once and would only wait for its own buffer.
        self.connected(lambda frame: self._load.spawn(self._write(socket, json.dumps(frame))))
        async for text in socket:
            self.take(json.loads(text))
        # The library ends the loop in silence after 1000 and 1001.
        self.closes.append(socket.close_code)

    @staticmethod
    async def _write(socket: ClientConnection, text: str) -> None:
        try:
            await socket.send(text)
        except ConnectionClosed:
            pass  # told to the reader too


class Counts(NamedTuple):
    """What came of it all. The first four are what is promised to be 0; the last three are, too."""

    operations: int
    acked: int
    acked_and_lost: int
    stored_twice: int
    out_of_place: int
    shown_but_not_in_history: int
    stored_but_not_shown: int
    refused_but_stored: int
    faults: list[str]

    @property
    def clean(self) -> bool:
        return not any(self[2:])

    def __str__(self) -> str:
        four = (
            f"acked and lost {self.acked_and_lost}, stored twice {self.stored_twice}, "
            f"out of place {self.out_of_place}, shown but not in /history {self.shown_but_not_in_history}"
        )
        rest = {
            "in /history but not shown": self.stored_but_not_shown,
            "refused but stored": self.refused_but_stored,
        }
        more = "".join(f", {what} {count}" for what, count in rest.items() if count)
        more += f", {self.faults}" if self.faults else ""
        return f"{four}{more} (of {self.operations} operations, {self.acked} acked)"


def count(people: Sequence[Person], logs: Mapping[str, Log]) -> Counts:
    """Hold what everybody sent, was told and saw against the logs."""
    lost = twice = moved = lied = 0
    for person in people:
        for operation in person.sent:
            places = operation.stored(person.user, logs[operation.room])
            acked = person.acked.get(operation.id)
            twice += len(places) > 1
            lost += acked is not None and not places
            moved += acked is not None and bool(places) and acked != {places[0]}
            lied += operation.id in person.given_up and bool(places)
    phantoms = missed = 0
    for person in people:
        for room, copy in person.copies.items():
            log = logs[room].states
            moved += copy.disorder
            phantoms += len(copy.states.keys() - log.keys())
            missed += len(log.keys() - copy.states.keys())
            moved += sum(copy.states[seq] != log[seq] for seq in copy.states.keys() & log.keys())
    return Counts(
        operations=sum(len(person.sent) for person in people),
        acked=sum(len(person.acked) for person in people),
        acked_and_lost=lost,
        stored_twice=twice,
        out_of_place=moved,
        shown_but_not_in_history=phantoms,
        stored_but_not_shown=missed,
        refused_but_stored=lied,
        faults=[f"{person.name} {fault}" for person in people for fault in person.faults],
    )


class Load:
    """People who talk in rooms of one server, wherever it is at the moment (`port`)."""

    def __init__(
        self,
        port: int,
        *,
        people: int = 20,
        rooms: int = 5,
        choose: Choose = post,
        every: float = EVERY,
        unanswered: int = UNANSWERED,
    ) -> None:
        self.port = port
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
        self._tasks: set[asyncio.Task[None]] = set()
        self._lasting: list[asyncio.Task[None]] = []

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

    async def close(self) -> None:
        self.talking = False
        for task in self._lasting:
            task.cancel()
        results = await asyncio.gather(*self._lasting, *self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition, as long as everybody is well."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # conditions of several programs have no event to wait for
                    if ended := [task for task in self._lasting if task.done() and self.talking]:
                        ended[0].result()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {PATIENCE:g} s; {self._state()}") from None

    async def more(self, count: int = 100) -> None:
        """Wait until so many more acks have come."""
        wanted = self.acks + count
        await self.until(lambda: self.acks >= wanted, f"{count} more acks")

    async def refused(self, code: str, count: int = 1) -> None:
        """Wait until so many more were refused with this code."""
        wanted = self.refusals.get(code, 0) + count
        await self.until(lambda: self.refusals.get(code, 0) >= wanted, f"{count} more refusals {code}")

    @property
    def waiting(self) -> int:
        """Operations that were not answered yet."""
        return sum(len(person.outbox) for person in self.people)

    async def finish(self) -> Counts:
        """Stop talking, wait until everything is answered and everybody has everything, and count."""
        self.talking = False
        await self.until(lambda: all(person.answered for person in self.people), "every operation is answered")
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(person.caught_up() for person in self.people))
        # Coming back to a room may have begun anew meanwhile.
        await self.until(lambda: all(person.answered for person in self.people), "every copy is complete")
        return count(self.people, {room: await self.read(room) for room in self.rooms})

    async def read(self, room: str) -> Log:
        """A room's whole log, over HTTP."""
        states: list[Frame] = []
        after = 0
        while True:
            target = f"/history?r={room.replace(' ', '%20')}&limit=500&after={after}"
            answer = await rawws.fetch(self.port, target)
            assert answer.status == 200, f"{target}: {answer.status} {answer.body[:200]!r}"
            page = answer.json()
            states += page
            if len(page) < 500:
                return Log(states)
            after = page[-1]["seq"]

    def _state(self) -> str:
        stuck = [person.name for person in self.people if not person.answered]
        return f"{self.acks} acks, {self.waiting} waiting, {dict(self.refusals)}, unanswered: {stuck[:5]}"


@asynccontextmanager
async def talking(port: int, **options: Any) -> AsyncIterator[Load]:
    """A load that has begun: everybody was acked something. Options as of `Load`."""
    load = Load(port, **options)
    load.start()
    try:
        await load.until(lambda: all(person.acked for person in load.people), "everybody is acked something")
        yield load
    finally:
        await load.close()
