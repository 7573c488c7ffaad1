"""The hub: the rooms and sessions of a server, and one flush for all of them per event loop iteration.

Synchronous throughout: no await, no lock, no network. A new feature is a handler (`chat.handlers`), not a line here.
"""

import asyncio
import math
import time
from collections import Counter
from itertools import islice
from typing import Protocol

from msgspec.json import Decoder, Encoder

from chat.delivery.audience import Audience
from chat.delivery.counters import Counters
from chat.rooms.changes import ChangeTracker
from chat.rooms.freed import FreedRoom, FreedRooms
from chat.rooms.room import Room, Session
from chat.rooms.tail import TailBudget
from chat.writes.workers import Worker
from model.room import RoomRecord
from utils.ids import new_token

# Rooms whose epoch differs from the server's. With more of them, the server's own epoch changes.
EPOCHS = 10_000
# With more of them, the next server does not continue the epochs: they are stored in one row.
SAVED_EPOCHS = 1_000
_encode = Encoder().encode
_decode = Decoder(tuple[str, dict[str, str]]).decode
# Rooms that one search for an expendable room checks; the next search starts after them.
EXPENDABLE_LOOKS = 64
# The acks of at most this many sessions are written at once. With more sessions, acks wait for the next frames of their
# rooms, at most this many seconds, so that on a busy server an ack costs no send of its own.
FEW_ACKS = 16
ACK_SECONDS = 0.02


class Flushed(Protocol):
    """A link to another server."""

    def flush(self) -> None:
        """Send what is queued."""


class Hub:
    """Rooms by name, sessions, and what must be written at the end of this event loop iteration.

    Args:
        tail_limit: the messages that a room keeps for resumes.
        tails_bytes: the bytes that all rooms together keep for them.
        slow_high: the unread bytes at which a client is disconnected.

    Attributes:
        loaded: how many rooms are loaded, or being loaded, for each address or account.
        faithful: everything that was broadcast is stored or will be.
        tenure: how often this server has taken or lost the rooms; what began in an earlier one must not go on.
    """

    def __init__(self, *, tail_limit: int, tails_bytes: int, slow_high: int, counters: Counters) -> None:
        self.rooms: dict[str, Room] = {}
        self.sessions: dict[Session, None] = {}  # of 10,000, a dict has half the bytes of a set
        # Deleted rooms with unconfirmed writes: a new room with the same name must wait for those.
        self.ending: dict[str, Room] = {}
        self.loaded: Counter[str] = Counter()
        # Rooms that were not in storage when they were loaded, by opener, and all of them under "".
        self._not_stored: dict[str, dict[str, Room]] = {}
        self.epoch = new_token("e_", 6)
        self._epochs: dict[str, str] = {}  # of rooms that have their own, by name
        self._inherited: dict[str, str] = {}  # those of them that the previous server gave
        self.faithful = True
        self.tenure = 0
        self._freed = FreedRooms()
        self._tail_limit = tail_limit
        self._tails = TailBudget(tails_bytes, self._shrink_tails)
        self.counters = counters
        self.changes = ChangeTracker()
        self.slow_high = slow_high
        self._loop = asyncio.get_running_loop()
        self._dirty: list[Audience] = []
        self._acking: list[Session] = []
        self._links: dict[Flushed, None] = {}
        self._flushing = False
        self._ack_since = 0.0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._scheduled = 0.0  # the time since which a flush is due, 0.0 for none

    # Rooms.

    def open(self, record: RoomRecord, worker: Worker, *, stored: bool, head: int, opener: str = "") -> Room:
        """Open a room whose head has come from storage, for the address or account ``opener``."""
        room = self.rooms[record.name] = Room(
            record,
            worker,
            stored=stored,
            head=head,
            tail_limit=self._tail_limit,
            tails=self._tails,
            counters=self.counters,
            flush_soon=self.flush_soon,
            opener=opener,
            epoch=self.epoch,
        )
        if not stored:
            for key in {opener, ""}:
                self._not_stored.setdefault(key, {})[room.name] = room
        return room

    def count(self, opener: str, more: int) -> None:
        """Count ``more`` rooms that are loaded, or being loaded, for an address or account."""
        if opener:
            self.loaded[opener] += more
            if self.loaded[opener] <= 0:  # below it after `unload`
                del self.loaded[opener]

    def find_expendable(self, opener: str) -> Room | None:
        """Return the room to close first of those that were loaded for this address or account, "" for all of them.

        That is the oldest one that was created by joining, has no messages and has at most one user in it.
        """
        rooms = self._not_stored.get(opener, {})
        for name, room in tuple(islice(rooms.items(), EXPENDABLE_LOOKS)):
            del rooms[name]
            if not room.stored:
                rooms[name] = room  # to the end, in case it is not closed
                if len(room.presence.people) <= 1 and not room.pins and not room.backlog.unconfirmed:
                    return room
        return None

    def room_of(self, record: RoomRecord) -> Room | None:
        """Return the loaded room of ``record``, which has the latest state; None if it is not loaded."""
        here = (self.rooms.get(record.name), self.ending.get(record.name))
        return next((room for room in here if room is not None and room.record.room_id == record.room_id), None)

    def take_freed(self, name: str) -> FreedRoom | None:
        """Return a room that was freed recently, if it can be trusted; only once."""
        return self._freed.take(name, self.epoch, self._loop.time())

    def free(self, room: Room) -> None:
        """Free a room if it is `Room.idle`."""
        if room.idle and self.rooms.get(room.name) is room:
            self._forget(room)
            if room.stored:
                self._freed.keep(room, self._loop.time())
        elif room.idle and self.ending.get(room.name) is room:
            del self.ending[room.name]

    def end(self, room: Room) -> None:
        """End a deleted room without sessions; its name is free once storage has confirmed its writes."""
        self._forget(room)
        self.new_epoch_of(room)  # no client can resume it in a new room with this name
        if room.backlog.unconfirmed:
            self.ending[room.name] = room

    def _forget(self, room: Room) -> None:
        room.presence.close()
        room.tail.close()
        del self.rooms[room.name]
        self.count(room.opener, -1)
        for opener in {room.opener, ""}:
            if (not_stored := self._not_stored.get(opener)) is not None:
                not_stored.pop(room.name, None)
                if not not_stored:
                    del self._not_stored[opener]

    def _shrink_tails(self) -> None:
        """Evict the oldest messages of the rooms with the largest tails, so that no tail exceeds its share."""
        self._tails.share = self._tails.limit * 7 // 8 // max(1, len(self.rooms))
        for room in self.rooms.values():
            room.tail.trim(room.backlog.unconfirmed + 1)  # one more: the newest may not be submitted yet

    # Epochs tell a client whether a resume can complete its copy of a room.

    def epoch_of(self, room: Room) -> str:
        """Return the epoch of a room: the server's, or its own after something broadcast there was retracted."""
        return self._epochs.get(room.name, self.epoch)

    def new_epoch_of(self, room: Room) -> None:
        """Give a room a new epoch: clients that missed what has happened must load ``history``, not resume."""
        room.epoch = ""  # its state is not kept when it is freed: storage may differ
        if len(self._epochs) >= EPOCHS:
            self.new_epoch()
        self._epochs[room.name] = new_token("e_", 6)

    def new_epoch(self) -> None:
        """Change the epochs of all rooms: broadcasts in any of them may have been lost."""
        self.faithful = False
        self._renew_epochs()

    def _renew_epochs(self) -> None:
        self._epochs.clear()
        self._inherited.clear()
        self.epoch = new_token("e_", 6)

    def has_new_epoch(self, room: Room) -> bool:
        """Whether a room of this name got an epoch of its own since this server has had the rooms."""
        return self._epochs.get(room.name) != self._inherited.get(room.name)

    def saved_epochs(self) -> str | None:
        """Return what the next server is to continue with; None if that would be too much."""
        if len(self._epochs) > SAVED_EPOCHS:
            return None
        return _encode((self.epoch, self._epochs)).decode() if self._epochs else self.epoch

    def keep_epochs(self, saved: str) -> None:
        """Before any room is loaded, continue with :meth:`saved_epochs` of the previous server.

        All its broadcasts are stored.
        """
        if self.faithful and not self.rooms:
            self.epoch, self._epochs = _decode(saved) if saved.startswith("[") else (saved, {})
            self._inherited = self._epochs.copy()

    def begin(self, saved: str | None) -> None:
        """Begin to have the rooms; see :meth:`keep_epochs` for ``saved``. None: clients must load all of them again."""
        self.unload()
        self.faithful = True
        self._renew_epochs()
        if saved is not None:
            self.keep_epochs(saved)

    def unload(self) -> None:
        """Forget every room, without a word to the sessions in it."""
        self.tenure += 1
        for room in self.rooms.values():
            room.presence.close()
            room.tail.close()
            room.audience.close()
        self.rooms.clear()
        self.ending.clear()
        self.loaded.clear()
        self._not_stored.clear()
        self._freed = FreedRooms()
        self.changes.forget()

    def close(self) -> None:
        """Unload every room, and cancel all timers."""
        if self._ack_timer is not None:
            self._ack_timer.cancel()
        self.unload()

    # The flush.

    def flush_soon(self, audience: Audience) -> None:
        """Write what is queued for an audience at the end of this event loop iteration.

        Not later: collecting more frames per send gained nothing on uvloop and doubled the p99 of a busy room
        (measured; on asyncio, many small rooms gained a seventh).
        """
        self._dirty.append(audience)
        self._schedule()

    def ack_soon(self, session: Session) -> None:
        """Write a session's acks at the end of this iteration; with many such sessions, with its rooms' next frames."""
        acking = self._acking
        if not acking:
            self._ack_since = time.perf_counter()
        acking.append(session)
        if len(acking) <= FEW_ACKS:
            self._schedule()
        elif self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_SECONDS, self._acks_due)

    def flush_last(self, link: Flushed) -> None:
        """Flush a link at the end of this iteration, after all rooms and acks."""
        self._links[link] = None
        if not self._flushing:
            self._schedule()

    def _acks_due(self) -> None:
        """Write the acks that have waited, without looking at a clock: uvloop's timers may be a millisecond early.

        Messages that their sessions sent in the meantime are about to be read; their broadcasts carry the acks.
        """
        self._ack_since = -math.inf
        self._ack_timer = None
        self._loop.call_soon(self._schedule)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = time.perf_counter()
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write everything that is queued: rooms first, so that no ack precedes its message."""
        started, self._scheduled = self._scheduled, 0.0
        dirty, self._dirty = self._dirty, []
        self._flushing = True
        try:
            for audience in dirty:
                audience.flush()
            now = time.perf_counter()
            if dirty and started:
                self.counters.broadcast_latency.observe(now - started)
            if self._acking:
                self._flush_acks(now)
            if self._links:
                links, self._links = self._links, {}
                for link in links:
                    link.flush()
        finally:
            self._flushing = False
            if self._links:  # a link failed: it has ended sessions, and others learned of it
                self._schedule()

    def _flush_acks(self, now: float) -> None:
        if len(self._acking) > FEW_ACKS and now - self._ack_since < ACK_SECONDS:
            return
        waiting, self._acking = self._acking, []
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        for session in waiting:
            if session.acks is not None:  # the others' acks rode with frames
                if session.acks_of is not None:
                    session.acks_of.acking = 0  # none is left that could ride with the next frames
                session.write(session.take_acks())
