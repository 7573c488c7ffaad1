"""A chat without sockets: real rooms, workers, dialects and memory storage, between a connection that only records what
is written to it and a repository with injected delays and faults (`tests.support.faulty`).
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from chat.chat import Chat
from chat.ports import Dialect, Identity
from chat.rooms.parts import ChatOptions
from chat.rooms.room import Session
from chat.writes.workers import PoolLimits
from model.commands import AnyCommand, Claim
from model.errors import CloseCode
from model.events import AnyEvent
from model.limits import Limits
from server.auth.access_list import AccessList
from server.auth.keys import ServerKeys
from server.auth.tokens import JwtTokens
from server.dialects import NATIVE, dialects_by_path
from storage.ports.storage import Storage
from tests.support import contract
from tests.support.accounts import At
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from utils.clock import Clock, SystemClock

Frame = dict[str, Any]
SERVER_SECRET = "of the servers"
START_US = 1_700_000_000_000_000
BY_PATH = dialects_by_path(SystemClock())
_writes = itertools.count()


def next_write() -> int:
    """Return a position after everything that was written to any connection so far."""
    return next(_writes)


class VirtualClock:
    """A clock with the loop's virtual time.

    Attributes:
        offset_us: makes the wall clock step.
        paused: seconds that have passed while nothing ran.
    """

    def __init__(self) -> None:
        self.offset_us = 0
        self.paused = 0.0

    def now_us(self) -> int:
        return START_US + self.offset_us + round(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.paused


class CountingDialect(Dialect):
    """The native dialect, counting how often it encodes."""

    name = NATIVE.name
    welcomes = NATIVE.welcomes

    def __init__(self) -> None:
        self.encoded: list[AnyEvent] = []

    def command(self, text: str, address_room: str) -> AnyCommand | Claim:
        return NATIVE.command(text, address_room)

    def frame(self, event: AnyEvent) -> bytes | None:
        self.encoded.append(event)
        return NATIVE.frame(event)


class RecordingConnection:
    """Records every write. While `stalled`, writes stay in its buffer, as when a client does not read.

    Attributes:
        order: the position of each of `writes` among those of all connections.
        was_congested: more than the low mark was queued at some time, so some ephemeral events were omitted.
    """

    def __init__(self, low: int = 256 << 10, dialect: str = NATIVE.name) -> None:
        self.session: Session | None = None
        self._dialect = dialect
        self.writes: list[bytes] = []
        self.order: list[int] = []
        self.reading = True
        self.closed: CloseCode | None = None
        self.stalled = self.was_congested = False
        self.ends = 0
        self._low = low
        self._waiting = 0

    def write(self, data: bytes) -> None:
        assert self.closed is None, "written to after its Close frame"
        for frame in unframe(data):
            contract.hold(self._dialect, frame)
        self.writes.append(data)
        self.order.append(next_write())
        if self.stalled:
            before, self._waiting = self._waiting, self._waiting + len(data)
            if before <= self._low < self._waiting and self.session is not None:
                self.was_congested = True
                self.session.on_congested()

    def buffered(self) -> int:
        return self._waiting

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def close(self, close: CloseCode) -> None:
        if self.closed is None:
            self.closed = close

    def end_at(self, when: int) -> None:
        self.ends = when

    def drain(self) -> None:
        """Let the client read everything queued so far, and nothing more."""
        was_high, self._waiting = self._waiting > self._low, 0
        if was_high and self.session is not None:
            self.session.on_drained()


class Person:
    """A client of a chat: sends commands and keeps the frames that it receives."""

    def __init__(
        self,
        chat: Chat,
        name: str | None = None,
        room: str | None = None,
        *,
        dialect: Dialect = NATIVE,
        token: str | None = None,
        identity: Identity | None = None,
        low: int = 256 << 10,
        network: str = "",
    ) -> None:
        self.chat = chat
        self.connection = RecordingConnection(low, dialect.name)
        self.session: Session
        chat.connect(
            self.connection,
            dialect,
            name=name,
            room=room,
            opened=self._opened,
            identity=identity,
            address=network,
            network=network,
        )
        if token is not None:
            self.send("hello", token=token)

    def _opened(self, session: Session) -> None:
        self.session = self.connection.session = session

    def send(self, type: str, **fields: Any) -> None:
        self.chat.receive(self.session, json.dumps({"type": type, **fields}))

    def say(self, content: str, id: str | None = None, room: str = "general", **fields: Any) -> None:
        self.send("message", room=room, content=content, **({} if id is None else {"id": id}), **fields)

    def disconnect(self) -> None:
        self.chat.disconnect(self.session)

    @property
    def frames(self) -> list[Frame]:
        return [frame for data in self.connection.writes for frame in unframe(data)]

    def is_read(self) -> bool:
        """Whether the server reads from this client."""
        return self.connection.reading

    @property
    def timed(self) -> list[tuple[int, Frame]]:
        """The frames, each with the time of its write among those of all connections."""
        connection = self.connection
        pairs = zip(connection.order, connection.writes, strict=True)
        return [(order, frame) for order, data in pairs for frame in unframe(data)]

    def of(self, *types: str) -> list[Frame]:
        """The frames of these types, in order."""
        return [frame for frame in self.frames if frame["type"] in types]

    def last(self, type: str) -> Frame:
        return self.of(type)[-1]

    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    def heard(self) -> list[str]:
        """The contents of the received messages, in order."""
        return [frame["content"] for frame in self.of("message")]

    def acked(self) -> dict[str, int]:
        """Seqs by id."""
        return {item["id"]: item["seq"] for frame in self.of("ack") for item in frame["ids"]}

    def errors(self) -> dict[str | None, str]:
        """Codes by id."""
        return {frame.get("id"): frame["code"] for frame in self.of("error")}

    def forget(self) -> None:
        """Forget the frames received so far."""
        self.connection.writes.clear()
        self.connection.order.clear()

    @property
    def token(self) -> str:
        return str(self.last("welcome")["token"])


def unframe(data: bytes) -> list[Frame]:
    """The JSON objects in a run of unmasked, whole text frames."""
    frames: list[Frame] = []
    at = 0
    while at < len(data):
        assert data[at] == 0x81
        size, at = data[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        frames.append(msgspec.json.decode(data[at : at + size]))
        at += size
    return frames


def signer(clock: Clock, secret: str = SERVER_SECRET) -> JwtTokens:
    """Tokens of guests, and of accounts whose application has the secret `secret`."""
    access = AccessList(At())  # never stale
    access.confirm()
    return JwtTokens("secret", clock, ServerKeys(secret), access)


@asynccontextmanager
async def chatting(
    repository: Storage | None = None, clock: Clock | None = None, *, secret: str = SERVER_SECRET, **options: Any
) -> AsyncIterator[Chat]:
    """A started chat in a virtual loop, with `ChatOptions` except, by default, no rate limit and one worker.

    Tasks that it leaves behind fail the test.
    """
    clock = clock or VirtualClock()
    options = {"limits": limits(), "pool": PoolLimits(workers=1), "presence_grace": 0.0, **options}
    chat = Chat(repository or FaultyRepository(), clock, signer(clock, secret), ChatOptions(**options))
    chat.start()
    try:
        yield chat
    finally:
        assert await chat.close(2.0) == []
        assert not chat.parts.hub.rooms
        assert not chat.parts.hub.sessions
    await passes()


def limits(**changed: Any) -> Limits:
    """The default limits without a rate limit."""
    return Limits(**{"messages_per_second": 0.0, **changed})
