"""What a handler works with: the parts of one chat, and what is done with them in more than one place."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from chat.counters import Counters
from chat.hub import Hub
from chat.ports import Identity, Tokens
from chat.ratelimit import TokenBucket
from chat.room import Room
from chat.session import Session
from chat.settle import settle
from chat.workers import PoolLimits, WorkerPool
from model.errors import FLOOD, ParleyError
from model.events import Welcome
from model.limits import Limits
from model.room import RoomRecord
from storage.repository import Repository, StorageUnavailable
from utils.clock import Clock, rfc3339
from utils.ids import new_room_id

log = logging.getLogger(__name__)

T = TypeVar("T")

# Commands other than messages, and control frames, per connection: more than any client needs (a resume of 100 rooms
# with history is 200 at once), little enough that a flood costs the one who makes it.
COMMANDS_PER_SECOND = 50.0
COMMANDS_BURST = 500
# Commands beyond their rate that are answered, per connection: after that the connection is closed as a flood.
REFUSALS_PER_SECOND = 50.0
REFUSALS_BURST = 1000
# Seconds that a read from storage may take, and when to try again after it did not answer.
READ_SECONDS = 5.0
RETRY_AFTER = 2.0


@dataclass(frozen=True)
class ChatOptions:
    """What an operator may set; names and defaults are those of the settings."""

    limits: Limits = field(default_factory=Limits)
    pool: PoolLimits = field(default_factory=PoolLimits)
    guests: bool = True
    guest_role: str = "member"
    room_tail: int = 500
    slow_high: int = 1 << 20
    heartbeat: float = 20.0
    server: str = "parley"


class Context:
    """The parts of one chat. Lives in one event loop."""

    def __init__(self, repository: Repository, clock: Clock, tokens: Tokens, options: ChatOptions) -> None:
        self.repository = repository
        self.clock = clock
        self.tokens = tokens
        self.options = options
        self.limits = options.limits
        self.counters = Counters()
        self.hub = Hub(tail_limit=options.room_tail, slow_high=options.slow_high, counters=self.counters)
        self.pool = WorkerPool(repository, options.pool, self.counters, partial(settle, self.hub))
        self.draining = False
        self._loading: dict[str, asyncio.Future[bool]] = {}
        self._buckets: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()

    # Who a session speaks for, and how much it may ask.

    def identify(self, session: Session, identity: Identity) -> None:
        """From now on the session speaks for ``identity``, in its rooms too."""
        session.identity, session.user = identity, identity.user
        session.bucket = None
        for room in session.rooms.values():
            room.rebind(session, identity.user)

    def take_message(self, session: Session) -> float:
        """Count a message; returns 0.0, or the seconds until it may be sent again."""
        now = self.clock.monotonic()
        if session.bucket is None:
            bucket = self._buckets.get(session.user.id)
            if bucket is None:
                bucket = TokenBucket(self.limits.messages_per_second, self.limits.messages_burst, now)
                self._buckets[session.user.id] = bucket
            session.bucket = bucket
        return session.bucket.take(now)

    def welcome(self, session: Session, id: str | None = None) -> Welcome:
        """What a session is told first, and after ``hello``."""
        assert session.identity is not None
        return Welcome(
            id=id,
            session=session.id,
            user=session.user,
            guest=session.identity.guest,
            token=self.tokens.mint(session.identity),
            epoch=self.hub.epoch,
            limits=self.limits,
            heartbeat=self.options.heartbeat,
            server=self.options.server,
        )

    def take_command(self, session: Session) -> float:
        """Count a command or control frame; returns 0.0, or the seconds until it may be asked again."""
        if session.commands is None:
            session.commands = TokenBucket(COMMANDS_PER_SECOND, COMMANDS_BURST, self.clock.monotonic())
        return session.commands.take(self.clock.monotonic())

    def too_fast(self, session: Session, wait: float, id: str | None = None) -> ParleyError:
        """The refusal of what may be asked again in ``wait`` seconds; whoever needs too many of them is closed."""
        if session.refusals is None:
            session.refusals = TokenBucket(REFUSALS_PER_SECOND, REFUSALS_BURST, self.clock.monotonic())
        if session.refusals.take(self.clock.monotonic()):
            log.warning("session %s is closed: it sends without pause", session.id)
            session.close(FLOOD)
        return ParleyError("rate_limited", retry_after=math.ceil(wait * 1000) / 1000, id=id)  # 0.0 would say "now"

    # Storage.

    def admit(self, room: Room, content: str) -> int:
        """Make sure that something with this content may be written, before it is shown: what is refused never was.

        Returns its size: bytes, as Python or UTF-8 have them at most.

        Raises:
            ParleyError: ``shutting_down``, ``overloaded``.
        """
        if self.draining:
            raise ParleyError("shutting_down", retry_after=1.0)
        size = len(content) if content.isascii() else 4 * len(content)
        room.worker.admit(room, size)
        return size

    def require_storage(self) -> None:
        """Refuse, as ``unavailable``, what would only wait for its time-out, and later commands with it."""
        if self.repository.trouble() is not None:
            raise ParleyError("unavailable", retry_after=RETRY_AFTER)

    async def ask(self, read: Awaitable[T]) -> T:
        """The answer of storage.

        Raises:
            ParleyError: ``unavailable`` when it cannot answer, or not within `READ_SECONDS`.
        """
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await read
        except (StorageUnavailable, TimeoutError) as error:
            raise ParleyError("unavailable", retry_after=RETRY_AFTER) from error

    async def load(self, name: str) -> Room:
        """The ready room of this name; its head comes from storage once, however many ask at the same time.

        Nothing may be awaited between this and entering the room: a room where nobody is may be forgotten.

        Raises:
            ParleyError: ``unavailable``.
        """
        while (room := self.hub.rooms.get(name)) is None:
            waiting = self._loading.get(name)
            if waiting is not None:
                if not await asyncio.shield(waiting):
                    raise ParleyError("unavailable", retry_after=RETRY_AFTER)
                continue  # it is there, unless it was forgotten again
            done = self._loading[name] = asyncio.get_running_loop().create_future()
            try:
                return await self._read_room(name)
            finally:
                del self._loading[name]
                done.set_result(name in self.hub.rooms)
        return room

    async def _read_room(self, name: str) -> Room:
        self.require_storage()
        record = await self.ask(self.repository.find_room(name))
        if record is None:
            now = rfc3339(self.clock.now_us())
            record = RoomRecord(new_room_id(), name, now)
            return self.hub.open(record, self.pool.of(record), stored=False, head=0)
        head = await self.ask(self.repository.head(record.room_id))
        return self.hub.open(record, self.pool.of(record), stored=True, head=head)
