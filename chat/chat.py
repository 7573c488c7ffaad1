"""The chat of one server: its parts together, and the way of a command from a session to its handler."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakValueDictionary

from chat.counters import Counters
from chat.handlers import HANDLERS
from chat.hub import Hub
from chat.ports import Connection, Dialect, Identity, Tokens
from chat.ratelimit import TokenBucket
from chat.room import Room
from chat.session import PAUSED_BY_COMMAND, Session
from chat.settle import settle
from chat.workers import Job, PoolLimits, WorkerPool
from model.commands import AnyCommand, Hello, Join, PostMessage
from model.errors import EPOCH_CHANGED, GOING_AWAY, INTERNAL, REFUSED, TRY_AGAIN, ParleyError
from model.events import Error, Goodbye, Welcome
from model.limits import Limits
from model.room import RoomRecord, User
from model.text import check_user_name
from storage.repository import Outcome, Repository, StorageUnavailable
from utils.clock import Clock, rfc3339
from utils.ids import new_room_id, new_token
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)
T = TypeVar("T")

# Commands other than messages, and control frames, per connection: more than any client needs (a resume of 100 rooms
# with history is 200 at once), little enough that a flood costs the one who makes it.
COMMANDS_PER_SECOND = 50.0
COMMANDS_BURST = 500
# Seconds that a read from storage may take, and when to try again after it did not answer.
READ_SECONDS = 5.0
RETRY_AFTER = 2.0
# Spread of `reconnect_after`: a server's clients come back over this many seconds, not at once.
RECONNECT_SECONDS = 5.0


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


class Chat:
    """Everything a handler needs. Lives in one event loop; :meth:`start` and :meth:`close` frame its life."""

    def __init__(self, repository: Repository, clock: Clock, tokens: Tokens, options: ChatOptions) -> None:
        self.repository = repository
        self.clock = clock
        self.tokens = tokens
        self.options = options
        self.limits = options.limits
        self.slow_high = options.slow_high
        self.counters = Counters()
        self.hub = Hub(tail_limit=options.room_tail, counters=self.counters)
        self.pool = WorkerPool(repository, options.pool, self.counters, self._settle)
        self.tasks = TaskRegistry()
        self.draining = False
        self._loading: dict[str, asyncio.Future[bool]] = {}
        self._buckets: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()

    def start(self) -> None:
        """Begin to write to storage."""
        self.pool.start()

    # Sessions.

    def connect(
        self,
        connection: Connection,
        dialect: Dialect,
        *,
        name: str | None,
        room: str | None,
        opened: Callable[[Session], None],
    ) -> None:
        """A client has connected; ``name`` and ``room`` are the address's, as they came.

        ``opened`` is given the session before anything is written to the connection.
        """
        session = Session(self, connection, dialect, new_token("s_", 9), room or dialect.default_room or "")
        opened(session)
        self.hub.sessions.add(session)
        self.counters.connections_total += 1
        wrong: ParleyError | None = None
        try:
            if name:
                session.asked_name = check_user_name(name, "u")
        except ParleyError as error:
            wrong = error
        if self.options.guests:
            user = User(
                new_token("g_", 9), session.asked_name or dialect.default_name or f"guest-{random.randrange(10**5):05}"
            )
            self.identify(session, Identity(user, guest=True))
            session.provisional = True
            session.send(self.welcome(session))
        elif dialect.bound_to_address:
            wrong = ParleyError("unauthorized", "guests are not let in here")
        if wrong is not None:
            self.refuse(session, wrong)
            if dialect.bound_to_address:
                session.close(REFUSED)
                return
        if session.identity is not None and session.home:
            self.run(session, Join(room=session.home))

    def disconnect(self, session: Session) -> None:
        """The connection is gone: the session leaves its rooms. Idempotent."""
        if session in self.hub.sessions:
            self.hub.sessions.discard(session)
            session.end()
            for room in tuple(session.rooms.values()):
                self.hub.leave(room, session)

    def identify(self, session: Session, identity: Identity) -> None:
        """From now on the session speaks for ``identity``, in its rooms too."""
        session.identity, session.user = identity, identity.user
        if rate := self.limits.messages_per_second:
            bucket = self._buckets.get(identity.user.id)
            if bucket is None:
                bucket = TokenBucket(rate, self.limits.messages_burst, self.clock.monotonic())
                self._buckets[identity.user.id] = bucket
            session.bucket = bucket
        for room in session.rooms.values():
            room.rebind(session, identity.user)

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

    # Commands.

    def receive(self, session: Session, text: str) -> None:
        """A text frame has come. It is carried out at once, or behind the commands that came before it."""
        if session.ended:
            return
        if session.busy:
            session.hold(text)
            return
        try:
            command = session.dialect.command(text, session.home)
        except ParleyError as error:
            self.refuse_frame(session, error)
            return
        self.run(session, command)

    def run(self, session: Session, command: AnyCommand) -> None:
        """Carry a command out: synchronously where nothing must come from storage first."""
        try:
            self._admit(session, command)
            waits = HANDLERS[type(command)](self, session, command)
        except ParleyError as error:
            self._refused(session, command, error)
        except Exception:
            # A fault of ours costs the command, not the connection with everything else on it.
            log.exception("the handler of %s failed", type(command).__name__)
            self.refuse(session, ParleyError("internal"), command.id)
        else:
            if waits is not None:
                session.busy = True
                self.tasks.spawn(self._finish(session, command, waits), name=f"{type(command).__name__} {session.id}")

    def _admit(self, session: Session, command: AnyCommand) -> None:
        if type(command) is PostMessage and session.identity is not None:
            bucket = session.bucket
            wait = 0.0 if bucket is None else bucket.take(self.clock.monotonic())
        else:
            wait = self.take_command(session)
        if wait:
            raise ParleyError("rate_limited", retry_after=round(wait, 3))
        if session.identity is None and type(command) is not Hello:
            raise ParleyError("unauthorized", "say hello with a token first")

    def take_command(self, session: Session) -> float:
        """Count a command or control frame; returns 0.0, or the seconds until it may be asked again."""
        if session.commands is None:
            session.commands = TokenBucket(COMMANDS_PER_SECOND, COMMANDS_BURST, self.clock.monotonic())
        return session.commands.take(self.clock.monotonic())

    async def _finish(self, session: Session, command: AnyCommand, waits: Awaitable[None]) -> None:
        try:
            await waits
        except ParleyError as error:
            self._refused(session, command, error)
        except Exception:
            log.exception("the handler of %s failed", type(command).__name__)
            self.refuse(session, ParleyError("internal"), command.id)
            if any(room.audience.is_syncing(session) for room in session.rooms.values()):
                session.close(INTERNAL)  # a resume that will not end: nothing live would come any more
        session.busy = False
        while session.held and not session.busy:
            self.receive(session, session.held.popleft())
        if not session.busy:
            session.resume(PAUSED_BY_COMMAND)

    def refuse_frame(self, session: Session, error: ParleyError) -> None:
        """Answer a frame that is no command. It counts as one, so that a flood of them is named as what it is."""
        if wait := self.take_command(session):
            error = ParleyError("rate_limited", retry_after=round(wait, 3), id=error.id)
        self.refuse(session, error, error.id)

    def _refused(self, session: Session, command: AnyCommand, error: ParleyError) -> None:
        self.refuse(session, error, command.id)
        if isinstance(command, Join) and session.dialect.bound_to_address:
            # It has no word to join again, and nothing else to do here.
            session.close(TRY_AGAIN if error.kind.retryable else REFUSED)

    def refuse(self, session: Session, error: ParleyError, id: str | None = None) -> None:
        """Answer with an error by name."""
        self.counters.errors[error.code] = self.counters.errors.get(error.code, 0) + 1
        session.reply(
            Error(
                id=id,
                code=error.code,
                message=error.message,
                retryable=error.kind.retryable,
                field=error.field,
                room=session.home if session.dialect.bound_to_address else None,
                retry_after=error.retry_after,
            )
        )

    # Storage.

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
        if self.repository.trouble() is not None:
            raise ParleyError("unavailable", retry_after=RETRY_AFTER)
        record = await self.ask(self.repository.find_room(name))
        if record is None:
            now = rfc3339(self.clock.now_us())
            return self.hub.open(RoomRecord(new_room_id(), name, now), stored=False, head=0)
        head = await self.ask(self.repository.head(record.room_id))
        return self.hub.open(record, stored=True, head=head)

    def _settle(self, job: Job, outcome: Outcome) -> None:
        settle(self, job, outcome)

    def trouble(self) -> str | None:
        """Why this server is not ready, in words for an operator; None when it is."""
        if self.draining:
            return "the server is about to stop"
        return self.repository.trouble() or self.pool.trouble()

    # The end.

    def taken_over(self) -> None:
        """Another server wrote to the same storage meanwhile: nobody's copy of a room can be trusted any more."""
        log.warning("another server wrote to this database meanwhile: every client is told to start afresh")
        self.hub.new_epoch()
        for session in tuple(self.hub.sessions):
            session.close(EPOCH_CHANGED)

    async def drain(self, deadline: float) -> int:
        """Take nothing new and store what was accepted. Returns how many writes were not stored in time."""
        self.draining = True
        left = await self.pool.drain(deadline)
        self.hub.flush()
        return left

    def say_goodbye(self) -> None:
        """Tell every client when to come back, each another time, and close its connection."""
        for session in tuple(self.hub.sessions):
            after = round(random.uniform(0.1, RECONNECT_SECONDS), 2)
            session.reply(Goodbye(reason="shutting_down", reconnect_after=after))
            session.close(GOING_AWAY)

    async def close(self, deadline: float) -> list[str]:
        """Stop everything that runs here. Returns the names of tasks that did not stop within ``deadline`` seconds."""
        for session in tuple(self.hub.sessions):
            self.disconnect(session)
        self.hub.close()
        return await self.tasks.close(deadline) + await self.pool.close(deadline)
