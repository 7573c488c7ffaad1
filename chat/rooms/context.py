"""What a handler works with: the parts of one chat, and what is done with them in more than one place."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from chat.delivery.counters import Counters
from chat.delivery.paging import PAGE_BYTES, PageTurns, too_many_reads
from chat.delivery.ratelimit import UNLIMITED, Allowances, Rate, TokenBucket
from chat.ports import Identity, Tokens
from chat.rooms import impostors, members
from chat.rooms.access import is_row_known, standing_of
from chat.rooms.changes import ChangeTracker
from chat.rooms.cursors import Reads
from chat.rooms.hub import Hub
from chat.rooms.jobs import RecordJob
from chat.rooms.naming import Names
from chat.rooms.passwords import Passwords
from chat.rooms.room import Room, Session
from chat.rooms.space import Makers, make_space
from chat.writes.workers import PoolLimits, WorkerPool
from model.errors import FLOOD, ParleyError
from model.events import AnyEvent, Left, Welcome
from model.limits import Limits
from model.permissions import Action, may
from model.room import Role, RoomRecord
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.rooms import InsertRoom
from storage.ports.storage import READER, Storage, Write
from utils.clock import Clock, rfc3339
from utils.fairness import Party
from utils.ids import new_room_id
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

T = TypeVar("T")

# Commands other than messages, and control frames, per connection: more than any client needs (a resume of 100 rooms
# with history is 200 at once), little enough that a flood costs the one who makes it.
COMMANDS_PER_SECOND = 50.0
COMMANDS_BURST = 500
# Commands beyond their rate that are answered, per connection: after that the connection is closed as a flood.
REFUSALS_PER_SECOND = 50.0
REFUSALS_BURST = 1000
# Invitations of one inviter (guests of one address are one): a class or a team at once, and few in the long run.
INVITES_PER_SECOND = 0.1
INVITES_BURST = 100
# Guesses at passwords: at one room's, of everybody together (a list of a thousand common ones takes half an hour), also
# where there is no such room, which must not be learned; of one principal; and from one network.
GUESSES_PER_SECOND = 0.5
GUESSES_BURST = 20
NETWORK_GUESSES = 4  # times as many
# How far a log may be ahead of the clock without a word: clocks of two servers differ, and a flood raises seqs.
CLOCK_SECONDS = 60.0
# Seconds that a read from storage may take, and when to try again after it did not answer.
READ_SECONDS = 5.0
# Seconds that a command waits for storage when it is reached for the first time: a server and its database are often
# started together, and clients come at once.
FIRST_SECONDS = 5.0
RETRY_AFTER = 2.0


def rate_limited(wait: float, id: str | None = None) -> ParleyError:
    """The refusal of what may be asked again in ``wait`` seconds."""
    return ParleyError("rate_limited", retry_after=math.ceil(wait * 1000) / 1000, id=id)  # 0.0 would say "now"


def reads_for(identity: Identity | None, network: str) -> None:
    """From here on this task reads from storage for an account; or for a network, and one of its guests."""
    user_id = "" if identity is None else identity.user.id
    if identity is not None and not (identity.guest and network):
        READER.set(Party(user_id))
    else:
        READER.set(Party(network, user_id))


def asker_of(session: Session) -> Party:
    """Who waits for a password to be hashed."""
    return Party(session.network or session.user.id, session.user.id)


def allowances(limit: Rate) -> Allowances | None:
    """The allowances at this rate; None for no limit."""
    return Allowances(*limit) if limit.rate else None


@dataclass(frozen=True)
class ChatOptions:
    """What an operator may set; names and defaults are those of the settings."""

    limits: Limits = field(default_factory=Limits)
    pool: PoolLimits = field(default_factory=PoolLimits)
    guests: bool = True
    guest_role: Role = "member"
    presence_grace: float = 5.0
    principal_connections: int = 200
    address_rooms: int = 1000
    server_rooms: int = 100_000
    retention_days: int = 0
    room_tail: int = 500
    tails_bytes: int = 128 << 20
    slow_high: int = 1 << 20
    new_guests: Rate = UNLIMITED
    guest_messages: Rate = UNLIMITED
    heartbeat: float = 20.0
    server: str = "parley"


class Context:
    """The parts of one chat. Lives in one event loop."""

    def __init__(self, storage: Storage, clock: Clock, tokens: Tokens, options: ChatOptions) -> None:
        self.storage = storage
        self.clock = clock
        self.tokens = tokens
        self.options = options
        self.limits = options.limits
        self.page_bytes = min(PAGE_BYTES, options.slow_high // 2)  # of a page over WebSocket, as sent
        self.counters = Counters()
        self.hub = Hub(
            tail_limit=options.room_tail,
            tails_bytes=options.tails_bytes,
            slow_high=options.slow_high,
            counters=self.counters,
        )
        self.tasks = TaskRegistry()
        self.reads = Reads(self)
        self.passwords = Passwords()
        self.pages = PageTurns()
        self.pool = WorkerPool(storage, options.pool, self.counters)
        self.draining = False
        self._reached = False
        self.changes = ChangeTracker()
        self.forget_makers()
        self.forget_message_rates()
        self.forget_newcomers()
        self._guesses = Allowances(GUESSES_PER_SECOND, GUESSES_BURST)
        self._network_guesses = Allowances(NETWORK_GUESSES * GUESSES_PER_SECOND, NETWORK_GUESSES * GUESSES_BURST)
        self._inviters = Allowances(INVITES_PER_SECOND, INVITES_BURST)
        self.names = Names()
        self._clock_differs = False
        self._loading: dict[str, asyncio.Future[bool]] = {}

    # Who a session speaks for, and how much it may ask.

    def identify(self, session: Session, identity: Identity) -> None:
        """The session speaks for ``identity`` now, in its rooms too, but for those where that one has to join."""
        if session.identity is not None:
            self.hub.departed(session.user.id, session)
            self.leave_buckets(session)
        session.identity, session.user = identity, identity.user
        session.connection.end_at(identity.expires)
        self.hub.arrived(identity.user, session)
        for room in tuple(session.rooms.values()):
            before = room.presence.sessions[session]
            known = before.id == identity.user.id or (
                room.record.kind == "ephemeral" and is_row_known(self, room, identity)
            )
            known = known and may(standing_of(self, room, identity), Action.SEE)
            if known and (before == identity.user or not impostors.is_impostor(self, room, identity)):
                room.rebind(session, identity.user)
                if before.id != identity.user.id:
                    members.left(self, room, before)
                else:
                    members.refresh(self, room, identity.user)
            else:
                self.leave(room, session)
                session.reply(Left(room=room.name, reason="identity"))

    def check_devices(self, user_id: str) -> None:
        """Make sure that a principal may have one more connection.

        Raises:
            ParleyError: ``too_many_connections``.
        """
        if len(self.hub.devices(user_id)) >= self.options.principal_connections:
            raise ParleyError("too_many_connections", retry_after=RETRY_AFTER)

    def forget_message_rates(self) -> None:
        """Everybody may send a whole burst again, at the rates that the options have now."""
        limits = self.limits
        self._speakers = allowances(Rate(limits.messages_per_second, limits.messages_burst))
        self._speaking_guests = allowances(self.options.guest_messages)
        for session in self.hub.sessions:
            session.bucket = session.address_bucket = None

    def forget_newcomers(self) -> None:
        """Every address may bring a whole burst of guests again."""
        self._newcomers = allowances(self.options.new_guests)

    def forget_makers(self) -> None:
        """Every address has a whole allowance of rooms to make again."""
        self.makers = Makers(self.options.address_rooms)

    def take_message(self, session: Session) -> float:
        """Count a message; returns 0.0, or the seconds until it may be sent again.

        What guests say counts for their address too: another guest costs nothing, another address does.
        """
        now = self.clock.monotonic()
        if session.bucket is None:
            assert self._speakers is not None
            assert session.identity is not None
            session.bucket = self._speakers.of(session.user.id, now)
            if self._speaking_guests is not None and session.network and session.identity.guest:
                session.address_bucket = self._speaking_guests.of(session.network, now)
        wait = session.bucket.take(now)
        if not wait and session.address_bucket is not None:
            wait = session.address_bucket.take(now)
        return wait

    def leave_buckets(self, session: Session) -> None:
        """The session speaks for its principal no more: what they may still say is remembered for as long as needed."""
        if session.bucket is not None and self._speakers is not None:
            self._speakers.keep(session.user.id, session.bucket)
        if session.address_bucket is not None and self._speaking_guests is not None:
            self._speaking_guests.keep(session.network, session.address_bucket)
        session.bucket = session.address_bucket = None

    def take_guest(self, network: str) -> float:
        """Count a new guest of this address; returns 0.0, or the seconds until there may be another."""
        if self._newcomers is None or not network:
            return 0.0
        return self._newcomers.take(network, self.clock.monotonic())

    def give_guest_back(self, session: Session) -> None:
        """The guest that was made up for this session is none: it speaks for somebody who was known before."""
        if self._newcomers is not None and session.network:
            self._newcomers.of(session.network, self.clock.monotonic()).give()

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

    def take_command(self, session: Session, count: float = 1.0) -> float:
        """Count a command or control frame, or ``count`` of them; returns 0.0, or the seconds until that is allowed."""
        if session.commands is None:
            session.commands = TokenBucket(COMMANDS_PER_SECOND, COMMANDS_BURST, self.clock.monotonic())
        return session.commands.take(self.clock.monotonic(), count)

    def too_fast(self, session: Session, wait: float, id: str | None = None) -> ParleyError:
        """The refusal of what may be asked again in ``wait`` seconds; whoever needs too many of them is closed."""
        if session.refusals is None:
            session.refusals = TokenBucket(REFUSALS_PER_SECOND, REFUSALS_BURST, self.clock.monotonic())
        if session.refusals.take(self.clock.monotonic()):
            of = session.address or "an unknown address"
            log.warning("closing session %s of %s: it floods the server", session.id, of)
            session.close(FLOOD)
        return rate_limited(wait, id)

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
        room.worker.admit(room.backlog, size)
        return size

    def store(
        self, room: Room, write: Write, author: Session | None = None, id: str | None = None, *, last: bool = True
    ) -> None:
        """Queue a change of a room or of a member, behind the room itself; ``id`` is the command's, for its ack."""
        self.ensure_stored(room)
        room.worker.submit(RecordJob(self.hub, room, write, author, id, last=last))

    def ensure_stored(self, room: Room) -> None:
        """Queue the room itself, if that was not done yet."""
        if not room.stored:
            room.stored = True
            room.worker.submit(RecordJob(self.hub, room, InsertRoom(room.record)))

    def leave(self, room: Room, session: Session, *, grace: float = 0.0) -> None:
        """Take a session out of a room; its person counts as there for ``grace`` seconds more."""
        user, _ = room.presence.people[room.presence.sessions[session].id]  # as they are called now
        room.exit(session, grace=grace)
        members.left(self, room, user)
        self.hub.free(room)

    def tell(self, user_id: str, event: AnyEvent) -> None:
        """Tell somebody, wherever they are."""
        for session in self.hub.devices(user_id):
            session.reply(event)

    def require_storage(self) -> None:
        """Refuse, as ``unavailable``, what would only wait for its time-out, and later commands with it."""
        if self.storage.problem() is not None:
            raise ParleyError("unavailable", retry_after=RETRY_AFTER)

    async def reach_storage(self) -> None:
        """Wait, for at most `FIRST_SECONDS`, until storage was reached for the first time since the start."""
        if not self._reached and self.storage.problem() is None:
            self._reached = True
        if not self._reached:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SECONDS):
                    await self.storage.reached()
                    self._reached = True

    async def ask(self, read: Awaitable[T]) -> T:
        """The answer of storage.

        Raises:
            ParleyError: ``unavailable`` when it cannot answer, or not within `READ_SECONDS`; ``rate_limited`` when too
                many reads of this `READER` wait already, ``overloaded`` when too many of everybody's do.
        """
        try:
            if not self._reached:
                await self.reach_storage()
                if not self._reached:
                    raise StorageUnavailable("it was never reached")
            async with asyncio.timeout(READ_SECONDS):
                return await read
        except TooManyReads as error:
            raise too_many_reads(own=error.own) from error
        except (StorageUnavailable, TimeoutError) as error:
            raise ParleyError("unavailable", retry_after=RETRY_AFTER) from error
        finally:
            if isinstance(read, Coroutine):  # perhaps it was never begun
                read.close()

    async def guess(self, session: Session, name: str, hashed: str | None, password: str) -> bool:
        """Whether this is the password of the room of this name; None for one that has none, or for no room at all.

        Raises:
            ParleyError: ``rate_limited``, ``overloaded``: whether there is such a room or not.
        """
        now, user_id = self.clock.monotonic(), session.user.id
        buckets = [self._guesses.of(key, now) for key in (f"by {user_id}", f"at {name}")]
        if session.network:
            buckets.append(self._network_guesses.of(session.network, now))
        if wait := max(bucket.wait(now) for bucket in buckets):
            raise rate_limited(wait)
        for bucket in buckets:
            bucket.take(now)
        return await self.passwords.matches(hashed, password, asker_of(session))

    def admit_room(self, session: Session, *, take: bool = True) -> None:
        """Make sure that the session may make one more room that stays; ``take`` counts it.

        Raises:
            ParleyError: ``too_many_rooms``.
        """
        if self.storage.is_full():
            raise ParleyError("too_many_rooms", "the server cannot store any more rooms")
        self.makers.admit(session, self.clock.monotonic(), take=take)

    def admit_invitation(self, session: Session) -> None:
        """Count an invitation by the user of a session; a guest's by the network, as guests are made up at will.

        Raises:
            ParleyError: ``rate_limited``.
        """
        assert session.identity is not None
        inviter = session.network if session.identity.guest and session.network else session.user.id
        now = self.clock.monotonic()
        if wait := self._inviters.take(inviter, now):
            raise rate_limited(wait)

    async def load(self, name: str, opener: str = "") -> Room:
        """The ready room of this name; what it is comes from storage once, however many ask at the same time.

        Nothing may be awaited between this and entering the room, unless one is `members.visiting` it: a room where
        nobody is may be forgotten.

        Raises:
            ParleyError: ``unavailable``, ``too_many_rooms``.
        """
        while (room := self.hub.rooms.get(name)) is None:
            waiting = self._loading.get(name)
            if waiting is not None:
                if await asyncio.shield(waiting):
                    raise ParleyError("unavailable", retry_after=RETRY_AFTER)
                continue  # it is there, unless it was forgotten again, or whoever read it gave up, or may open no more
            done = self._loading[name] = asyncio.get_running_loop().create_future()
            failed = False
            try:
                return await self._read_room(name, opener)
            except Exception as error:
                failed = not isinstance(error, ParleyError) or error.code == "unavailable"
                raise
            finally:
                del self._loading[name]
                done.set_result(failed)
        return room

    def _compare_clock(self, head: int) -> None:
        """Say once that a room was written with a clock that is ahead of this one."""
        ahead = (head - self.clock.now_us()) / 1e6
        if ahead > CLOCK_SECONDS and not self._clock_differs:
            self._clock_differs = True
            log.warning(
                "a room has messages dated %.0f seconds in the future: this clock is slow, or an earlier one was fast; "
                "until then start and end do not find new messages there, and their retention counts from that time",
                ahead,
            )

    async def _read_room(self, name: str, opener: str) -> Room:
        make_space(self, opener)
        with self.hub.reserve(opener):
            return await self._find_room(name, opener)

    async def _find_room(self, name: str, opener: str) -> Room:
        await self.reach_storage()
        self.require_storage()
        if (ending := self.hub.ending.get(name)) is not None:
            await self.ask(ending.backlog.written())  # its name is not free in storage before
        record = await self.ask(self.storage.rooms.find_room(name))
        if record is None:
            now = rfc3339(self.clock.now_us())
            record = RoomRecord(new_room_id(), name, now)
            room = self.hub.open(record, self.pool.of(record.room_id), stored=False, head=0, opener=opener)
        else:
            head = await self.ask(self.storage.messages.head(record.room_id))
            self._compare_clock(head)
            if record.kind == "direct":
                rows = await self.ask(self.storage.rooms.members(record.room_id, after="", limit=2))
            else:
                rows = await self.ask(self.storage.rooms.special_members(record.room_id))
            room = self.hub.open(record, self.pool.of(record.room_id), stored=True, head=head, opener=opener)
            room.members = {member.user.id: member for member in rows}
        members.lift(self, room)
        return room
