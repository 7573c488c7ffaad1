"""One connection of one principal, in any number of rooms."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Coroutine
from typing import Any, Generic, Protocol, TypeVar

from chat.delivery.audience import Audience, Remote
from chat.delivery.counters import Counters
from chat.delivery.ratelimit import TokenBucket
from chat.ports import Actor, Connection, Dialect, Identity, Received
from model.errors import SLOW_CONSUMER, CloseCode, ParleyError
from model.events import Ack, AckItem, AnyEvent, Error
from model.room import User
from utils.log_fields import CLIENTS

log = logging.getLogger(__name__)
clients = logging.getLogger(CLIENTS)

# Reasons to pause reading from a session; reading resumes when none is left.
PAUSED_BY_COMMAND = 1
PAUSED_BY_QUEUE = 2
PAUSED_BY_OWNER = 4  # another server has the rooms, and one of the reasons above
PAUSED_BY_LINK = 8  # the link to that server does not keep up, there is no such server, or this one is stopping
# Commands that may be deferred, after one that needs storage, before reading is paused. The remaining commands of the
# last read (at most one socket buffer) are still deferred.
DEFERRED_COMMANDS = 32
# The same in bytes of memory: a few commands may be large.
DEFERRED_BYTES = 64 << 10
# A client that reads nothing for this long is disconnected, and so is one that reads longer but slower than this rate:
# otherwise a client could hold a page forever by reading a few bytes now and then. HTTP too (`server.http.sending`).
STALL_SECONDS = 30.0
LEAST_BYTES_A_SECOND = 16 << 10


class Feed(Protocol):
    """A room, as far as a session needs to know it: the source of its frames."""

    @property
    def audience(self) -> Audience:
        """The sessions that receive the frames of the room."""


R = TypeVar("R", bound=Feed)


class Delivery(Protocol):
    """What all sessions of a server share: the counters, the bound on unread bytes, and the flush that writes acks."""

    @property
    def counters(self) -> Counters:
        """The counters of the server."""

    @property
    def slow_high(self) -> int:
        """Bytes that may be queued for a client before it is disconnected."""

    def ack_soon(self, session: Session[Any]) -> None:
        """Write the acks of a session at the end of this event loop iteration, or a little later."""


class Session(Generic[R]):
    """State of one connection. Synchronous, apart from :meth:`drained`; owned by the event loop's thread.

    Attributes:
        identity: the principal that it acts for, with `user` in it; None until ``hello`` if guests are disabled.
        provisional: its identity is a guest that the server generated, so ``hello`` may still replace it.
        address_room: the room named in the address, "" for none.
        asked_name: the guest name asked for in the address.
        address: the client's address, as text; "" when that is not known.
        network: the network of that address, for limits by address; "" when it is exempt from them.
        rooms: the rooms that it has joined, by name.
        ended: the connection is being closed; nothing more may be written.
        held_since: since when its commands wait, by a monotonic clock, for something that is not its doing.
        since: when it began, in Unix microseconds.
        silent: rooms neither list it nor broadcast to it: it receives only answers to its own commands
            (`chat.one_shot`).
        congested: more than the low mark is queued and not yet read by the client.
        acks: the due acks, None for none.
        acks_of: the audience of the one room to which all due acks belong: written with that room's frames, they cannot
            precede their messages. None without acks, or with acks of several rooms.
    """

    __slots__ = (
        "_deferred_bytes",
        "_delivery",
        "_drained",
        "_page_bytes",
        "_paused",
        "_paused_at",
        "_withheld_bytes",
        "acks",
        "acks_of",
        "address",
        "address_bucket",
        "address_room",
        "asked_name",
        "bucket",
        "busy",
        "commands",
        "congested",
        "connection",
        "deferred",
        "dialect",
        "ended",
        "greeted",
        "held_since",
        "id",
        "identity",
        "joins",
        "network",
        "provisional",
        "refusals",
        "rooms",
        "running",
        "silent",
        "since",
        "user",
    )

    def __init__(
        self,
        delivery: Delivery,
        connection: Connection,
        dialect: Dialect,
        id: str,
        address_room: str,
        address: str = "",
        network: str = "",
        *,
        since: int = 0,
        silent: bool = False,
    ) -> None:
        self._delivery = delivery
        self.connection = connection
        self.dialect = dialect
        self.id = id
        self.address_room = address_room
        self.address = address
        self.network = network
        self.since = since
        self.silent = silent
        self.asked_name: str | None = None
        self.identity: Identity | None = None
        self.user: User  # set with the identity; until then only the handler of hello runs
        self.provisional = False
        self.greeted = False  # it has sent hello
        self.joins = 0  # snapshots that it was sent in answer to `join`
        self.rooms: dict[str, R] = {}
        # Made when first needed.
        self.bucket: TokenBucket | None = None  # messages, shared by all sessions of the principal
        self.address_bucket: TokenBucket | None = None  # messages of all guests of its address; None for an account
        # All other commands; just the time of the first command, until there is a second one.
        self.commands: TokenBucket | float | None = None
        self.refusals: TokenBucket | None = None  # of commands that came too fast
        self.busy = 0  # for how many things, such as a command that needs storage, those in `deferred` wait
        self.held_since: float | None = None
        self.running = False  # a command needs storage, or its answer is being read
        self.deferred: deque[Received] | None = None
        self.congested = False
        self.ended = False
        self.acks: list[AckItem] | None = None
        self.acks_of: Audience | None = None
        self._drained: asyncio.Future[None] | None = None
        self._withheld_bytes = 0
        self._deferred_bytes = 0
        self._page_bytes = 0
        self._paused = 0
        self._paused_at = 0.0

    @property
    def actor(self) -> Actor:
        """The user who runs its commands. Only the handler of ``hello`` is called before the user is known."""
        assert self.identity is not None
        return Actor(self.identity, self.network)

    @property
    def marks(self) -> dict[str, str]:
        """The fields of log lines about it; see `utils.log_fields`."""
        principal = self.identity.user.id if self.identity is not None else ""
        return {"session": self.id, "principal": principal, "address": self.address}

    @property
    def remote(self) -> Remote | None:
        """The server to which the client is connected, None for this one; see `chat.cluster.stubs`."""
        return None

    # Writing.

    def write(self, frame: bytes) -> None:
        """Queue framed bytes. A congested session that goes above the high mark is disconnected."""
        if self.ended:
            return
        self.connection.write(frame)
        self._delivery.counters.sent_bytes += len(frame)
        if self.congested:
            self._check_high_mark()

    def reply(self, event: AnyEvent) -> None:
        """Send an event to this session alone, after everything that was broadcast in its rooms."""
        for room in self.rooms.values():
            if room.audience.dirty:
                room.audience.flush()
        self.send(event)

    def send(self, *events: AnyEvent) -> None:
        """As :meth:`reply`, when nothing that is queued must precede the events; in one write."""
        frame = self.dialect.frame
        if data := b"".join([data for event in events if (data := frame(event)) is not None]):
            self.write(data)

    async def send_page(self, event: AnyEvent) -> None:
        """As :meth:`reply`, for a large event; see :meth:`write_page`."""
        for room in self.rooms.values():
            if room.audience.dirty:
                room.audience.flush()
        frame = self.dialect.frame(event)
        if frame is not None:
            await self.write_page(frame)

    def write_page(self, data: bytes) -> Coroutine[Any, Any, None]:
        """Queue many bytes at once. The result waits until the client has read enough of them.

        A page alone never disconnects its reader, whatever its size, because a session is sent one at a time.
        """
        self._page_bytes = len(data)
        self.write(data)
        return self._page_read()

    async def _page_read(self) -> None:
        try:
            await self.drained()
        finally:
            self._page_bytes = 0

    def refuse(self, error: ParleyError, id: str | None = None, room: str | None = None) -> None:
        """Answer a command with an error; ``id`` and ``room`` are those of the command."""
        self._delivery.counters.errors[error.code] += 1
        self.reply(
            Error(
                id=id,
                code=error.code,
                message=error.message,
                retryable=error.kind.retryable,
                field=error.field,
                room=self.address_room if self.dialect.bound_to_address else room,
                retry_after=error.retry_after,
            )
        )

    def ack(self, item: AckItem, audience: Audience) -> None:
        """Acknowledge a stored message soon: together with others, and possibly with the room's next frames."""
        if self.ended:
            return
        if self.acks is None:
            self.acks = [item]
            self.acks_of = audience
            audience.acking += 1
            self._delivery.ack_soon(self)
        else:
            self.acks.append(item)
            if self.acks_of is not audience:
                self.acks_of = None

    def take_acks(self) -> bytes:
        """Return the frame of the due acks, to be written at once; empty when there are none."""
        acks, self.acks, self.acks_of = self.acks, None, None
        return self.dialect.frame(Ack(ids=acks)) or b"" if acks else b""

    # A slow reader never delays others and never misses a frame silently; if it stays slow, it is disconnected.

    def on_congested(self) -> None:
        """Note that more bytes than the low mark are queued for the client."""
        self.congested = True
        if log.isEnabledFor(logging.DEBUG):
            log.debug("the client reads more slowly than it is sent", extra=self.marks)
        self._check_high_mark()
        if not self.ended:
            for room in self.rooms.values():
                room.audience.move(self)

    def on_drained(self) -> None:
        """Note that the client has read the queued bytes."""
        self.congested = False
        if log.isEnabledFor(logging.DEBUG):
            log.debug("the client has read what was queued", extra=self.marks)
        for room in self.rooms.values():
            room.audience.move(self)
        self._wake_drained()

    def count_withheld(self, size: int) -> None:
        """Count ``size`` more bytes, which are withheld until a resume has finished, as if they were queued."""
        self._withheld_bytes += size
        self._check_high_mark()

    def released(self) -> None:
        """Stop counting withheld bytes: a resume has finished, and they are about to be written."""
        self._withheld_bytes = 0

    def _check_high_mark(self) -> None:
        if self.connection.buffered() + self._withheld_bytes - self._page_bytes > self._delivery.slow_high:
            self._disconnect_slow()

    def _disconnect_slow(self) -> None:
        if not self.ended:
            self._delivery.counters.slow_members += 1
            clients.info("disconnecting a client that reads too slowly", extra=self.marks)
            self.close(SLOW_CONSUMER)

    @property
    def at_work(self) -> bool:
        """Whether a command is being carried out, and does not just wait until the client has read its answer."""
        return self.running and self._drained is None

    async def drained(self) -> None:
        """Wait until the client has read enough, or has disconnected. Disconnect a client that does not read."""
        left = self.connection.buffered()
        for _ in range(2 + int(left / (STALL_SECONDS * LEAST_BYTES_A_SECOND))):
            if not self.congested or self.ended:
                return
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await asyncio.shield(self._drained)
                return
            except TimeoutError:
                before, left = left, self.connection.buffered()
                if left >= before:
                    break
        self._disconnect_slow()

    def _wake_drained(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    # Reading.

    @property
    def paused(self) -> bool:
        """Whether reading from the client is paused, so that its silence proves nothing."""
        return self._paused != 0

    def pause_reading(self, reason: int) -> None:
        """Read nothing more from the client until every reason is gone."""
        if not self._paused and not self.ended:
            self._paused_at = asyncio.get_running_loop().time()
            self.connection.pause_reading()
        self._paused |= reason

    def resume_reading(self, reason: int) -> float | None:
        """Drop a reason to pause; read from the client again if it was the last one.

        Returns since when it was paused, by the loop's clock; None if there is another reason, or it was not paused.
        """
        if self._paused:
            self._paused &= ~reason
            if not self._paused and not self.ended:
                self.connection.resume_reading()
                return self._paused_at
        return None

    def defer(self, received: Received) -> None:
        """Queue a command until the one before it is done."""
        if self.deferred is None:
            self.deferred = deque()
        self.deferred.append(received)
        self._deferred_bytes += sys.getsizeof(received)
        if len(self.deferred) >= DEFERRED_COMMANDS or self._deferred_bytes >= DEFERRED_BYTES:
            self.pause_reading(PAUSED_BY_COMMAND)

    def put_back(self, received: Received) -> None:
        """Queue the command that is being carried out before all others, as if it had not been begun."""
        self.running = False
        self.busy -= 1
        self.defer(received)
        assert self.deferred is not None
        self.deferred.rotate(1)

    def went_on(self) -> None:
        """Resume reading if all deferred commands have been run."""
        if not self.busy:
            self._deferred_bytes = 0
            self.resume_reading(PAUSED_BY_COMMAND)

    # The end.

    def close(self, close: CloseCode) -> None:
        """Close the connection with a code; nothing is queued after the Close frame."""
        if not self.ended:
            self.end()
            if log.isEnabledFor(logging.DEBUG):
                log.debug("closing with %d %s", close.code, close.reason, extra=self.marks)
            self.connection.close(close)

    def end(self) -> None:
        """Write nothing more. The session leaves its rooms once the connection is lost (`Chat.disconnect`)."""
        self.ended = True
        self.acks = self.acks_of = None
        self.deferred = None
        if self._paused:  # the closing handshake must be read
            self._paused = 0
            self.connection.resume_reading()
        for room in self.rooms.values():
            room.audience.discard(self)
        self._wake_drained()
