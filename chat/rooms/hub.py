"""The hub: which rooms and sessions there are, and one flush for all of them per turn of the event loop.

Synchronous throughout: no await, no lock, no network. A new feature is a handler (`chat.handlers`), not a line here.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chat.delivery.audience import Audience
from chat.delivery.counters import Counters
from chat.rooms.idle import IdleRoom, IdleRooms
from chat.rooms.room import Room, Session
from chat.rooms.tail import TailBudget
from chat.writes.workers import Worker
from model.room import RoomRecord
from utils.ids import new_token

# Rooms whose epoch differs from the server's are remembered up to this many; then the server's own epoch changes.
EPOCHS = 10_000
# Rooms that are looked at to find one that is empty; the next time it is the turn of others.
EMPTY_LOOKS = 64
# Acks of at most this many sessions are written at once. Those of more wait at most so many seconds for the next frames
# of their rooms, so that in a busy server a message costs no send for its ack.
FEW_ACKS = 16
ACK_SECONDS = 0.02


class Hub:
    """Rooms by name, sessions, and what is to be written at the end of this turn.

    Args:
        tail_limit: messages that a room keeps for resume.
        tails_bytes: what all rooms together keep for it.
        slow_high: bytes that may wait for a client before it is cut off.

    Attributes:
        faithful: all that was broadcast was stored, or is on its way to storage: no epoch has changed.
    """

    def __init__(self, *, tail_limit: int, tails_bytes: int, slow_high: int, counters: Counters) -> None:
        self.rooms: dict[str, Room] = {}
        self.sessions: dict[Session, None] = {}  # of 10,000, a dict has half the bytes of a set
        # Deleted rooms of which something waits for storage: a new one of the same name has to wait too.
        self.ending: dict[str, Room] = {}
        self._opened: dict[str, int] = {}  # rooms by the address or account they were opened for
        self.opening = 0  # rooms that are being opened
        # Rooms that storage did not know when they were opened, by whom they were opened for, and all of them under "".
        self._unsaid: dict[str, dict[str, Room]] = {}
        self.epoch = new_token("e_", 6)
        self._epochs: dict[str, str] = {}
        self.faithful = True
        self._idle = IdleRooms()
        self._tail_limit = tail_limit
        self._tails = TailBudget(tails_bytes, self._shrink_tails)
        self.counters = counters
        self.slow_high = slow_high
        self._loop = asyncio.get_running_loop()
        self._dirty: list[Audience] = []
        self._acking: list[Session] = []
        self._ack_since = 0.0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._scheduled = 0.0  # since when a flush is due, 0.0 for none

    # Rooms.

    def open(self, record: RoomRecord, worker: Worker, *, stored: bool, head: int, opener: str = "") -> Room:
        """Make a room ready whose head has come from storage, for somebody at the address ``opener``."""
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
            for one in {opener, ""}:
                self._unsaid.setdefault(one, {})[room.name] = room
        return room

    @contextmanager
    def reserve(self, opener: str) -> Iterator[None]:
        """A room is about to be opened for ``opener``, and counts from now on: others ask meanwhile."""
        self.opening += 1
        self._count(opener, 1)
        try:
            yield
        except BaseException:
            self._count(opener, -1)
            raise
        finally:
            self.opening -= 1

    def _count(self, opener: str, more: int) -> None:
        if opener:
            self._opened[opener] = self.opened_by(opener) + more
            if not self._opened[opener]:
                del self._opened[opener]

    def find_empty(self, opener: str) -> Room | None:
        """The room to close first of those that were opened for this address or account, "" for all: one made by
        joining, where nothing was ever said and one person is at most. The one that was opened first.
        """
        rooms = self._unsaid.get(opener, {})
        for _ in range(min(len(rooms), EMPTY_LOOKS)):
            name = next(iter(rooms))
            room = rooms.pop(name)
            if room.stored:
                continue
            rooms[name] = room  # behind the others, should it stay
            if len(room.presence.people) <= 1 and not room.pins and not room.backlog.unconfirmed:
                return room
        return None

    def room_of(self, record: RoomRecord) -> Room | None:
        """Return the room that storage has as ``record``, if it is here: what was decided last is known there."""
        here = (self.rooms.get(record.name), self.ending.get(record.name))
        return next((room for room in here if room is not None and room.record.room_id == record.room_id), None)

    def opened_by(self, opener: str) -> int:
        """How many of the rooms were opened for this address."""
        return self._opened.get(opener, 0)

    def take_idle(self, name: str) -> IdleRoom | None:
        """Return what is known of a room that was freed a short time ago, if it can be trusted. The next is a read."""
        return self._idle.take(name, self.epoch, self._loop.time())

    def free(self, room: Room) -> None:
        """Free a room that nobody is in and of which storage has everything; any other one stays."""
        if room.idle:
            if self.rooms.get(room.name) is room:
                self._forget(room)
                if room.stored:
                    self._idle.keep(room, self._loop.time())
            elif self.ending.get(room.name) is room:
                del self.ending[room.name]

    def end(self, room: Room) -> None:
        """A room was deleted, and everybody sent out: its name is free when storage knows of it."""
        self._forget(room)
        self.new_epoch_of(room)  # nothing of it can be resumed in a new room of this name
        if room.backlog.unconfirmed:
            self.ending[room.name] = room

    def _forget(self, room: Room) -> None:
        room.presence.close()
        room.tail.close()
        del self.rooms[room.name]
        self._count(room.opener, -1)
        for opener in {room.opener, ""}:
            if (unsaid := self._unsaid.get(opener)) is not None:
                unsaid.pop(room.name, None)
                if not unsaid:
                    del self._unsaid[opener]

    def _shrink_tails(self) -> None:
        """Let the rooms that keep most let go of their oldest messages: no room keeps more than its share then."""
        self._tails.share = self._tails.limit * 7 // 8 // max(1, len(self.rooms))
        for room in self.rooms.values():
            room.tail.trim(room.backlog.unconfirmed + 1)  # one more: the newest may be about to be written

    # Epochs: they tell a client whether its copy of a room can be mended by `since`.

    def epoch_of(self, room: Room) -> str:
        """The epoch of a room: the server's, or its own since something shown there was taken back."""
        return self._epochs.get(room.name, self.epoch)

    def new_epoch_of(self, room: Room) -> None:
        """Something that was shown was taken back: who did not see that must load ``history``, not resume."""
        self.faithful = False
        room.epoch = ""  # not kept when it is idle: storage may have something else
        if len(self._epochs) >= EPOCHS:
            self.new_epoch()
        self._epochs[room.name] = new_token("e_", 6)

    def new_epoch(self) -> None:
        """What was broadcast in any room may have been lost."""
        self.faithful = False
        self._epochs.clear()
        self.epoch = new_token("e_", 6)

    def keep_epoch(self, epoch: str) -> None:
        """What the server before broadcast under this epoch is stored: go on with it, if nothing was broadcast yet."""
        if self.faithful and not self.rooms:
            self.epoch = epoch

    def close(self) -> None:
        """Forget every room, so that no timer stays behind."""
        if self._ack_timer is not None:
            self._ack_timer.cancel()
        for room in self.rooms.values():
            room.presence.close()
        self.rooms.clear()
        self.ending.clear()

    # The flush.

    def flush_soon(self, audience: Audience) -> None:
        """Write what is queued for an audience at the end of this turn of the event loop.

        Not later: waiting for more to share a send gave nothing on uvloop, and doubled the p99 of a busy room
        (measured; on asyncio it gave many small rooms a seventh).
        """
        self._dirty.append(audience)
        self._schedule()

    def ack_soon(self, session: Session) -> None:
        """Write the acks of a session: at the end of this turn, or, when many wait, with its rooms' next frames."""
        acking = self._acking
        if not acking:
            self._ack_since = time.perf_counter()
        acking.append(session)
        if len(acking) <= FEW_ACKS:
            self._schedule()
        elif self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_SECONDS, self._acks_due)

    def _acks_due(self) -> None:
        """They have waited, whatever another clock says: uvloop's timers may be a millisecond early.

        What their sessions have sent meanwhile is about to be read, and its broadcast takes the acks along.
        """
        self._ack_since = -math.inf
        self._ack_timer = None
        self._loop.call_soon(self._schedule)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = time.perf_counter()
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write everything that is queued: rooms first, so that no ack comes before its message."""
        started, self._scheduled = self._scheduled, 0.0
        dirty, self._dirty = self._dirty, []
        for audience in dirty:
            audience.flush()
        now = time.perf_counter()
        if dirty and started:
            self.counters.broadcast_latency.observe(now - started)
        if self._acking:
            self._flush_acks(now)

    def _flush_acks(self, now: float) -> None:
        if len(self._acking) > FEW_ACKS and now - self._ack_since < ACK_SECONDS:
            return
        waiting, self._acking = self._acking, []
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        for session in waiting:
            if session.acks is not None:  # the others' acks rode with frames
                session.write(session.take_acks())
