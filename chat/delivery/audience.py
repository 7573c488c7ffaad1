"""The sessions that receive a room's frames, and their cheap delivery: the heart of the server.

A send costs 3 to 5 us of kernel time, so the number of sends determines the cost of a delivery. While the event loop
handles input, frames are collected for each dialect; then they are joined once, and the same bytes are written once to
every member.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from weakref import ReferenceType

from chat.delivery.counters import Counters
from chat.ports import Connection, Dialect
from model.events import AnyEvent, Presence

# A flush checks each member for acks that can be sent with its frames if at least one member in this many has some.
MEMBERS_PER_ACK = 64


class Source(Protocol):
    """A room, as far as its audience needs to know it."""

    @property
    def name(self) -> str:
        """The name of the room."""

    @property
    def head(self) -> int:
        """The largest seq or version so far."""


class Remote(Protocol):
    """Another server, which delivers to the members that are connected to it."""

    def is_behind(self) -> bool:
        """Whether something large has to wait."""

    async def keeps_up(self) -> None:
        """Wait until something large can be sent there."""

    def attach(self, room: Source, session: Subscriber, *, syncing: bool) -> None:
        """Deliver later frames of the room to a session; with ``syncing``, withhold them until :meth:`release`."""

    def detach(self, room: Source, session: Subscriber) -> None:
        """Deliver no more frames of the room to a session."""

    def release(self, room: Source, session: Subscriber) -> None:
        """Deliver what was withheld from a session."""

    def tell(self, room: Source, session: Subscriber, frame: bytes) -> None:
        """Deliver a frame to one member, in the order of the room's frames."""

    def present(self, room: Source, notice: Presence) -> None:
        """Note who has entered and left the room, for members there whose dialect has no list of users."""

    def deliver(self, room: Source, dialect: Dialect, frames: bytes, lasting: bytes | None) -> None:
        """Deliver frames to all members there who speak a dialect.

        ``lasting`` is the same without the ephemeral ones; None if there are none of those.
        """


class Subscriber(Protocol):
    """A session, as far as an audience needs to know it."""

    id: str
    acks_of: Audience | None

    @property
    def remote(self) -> Remote | None:
        """The server to which the client is connected, None for this one."""

    @property
    def connection(self) -> Connection:
        """The connection to which frames are written."""

    @property
    def dialect(self) -> Dialect:
        """The dialect that encodes the frames."""

    @property
    def congested(self) -> bool:
        """Whether more than the low mark is queued and unread."""

    def write(self, frame: bytes) -> None:
        """Queue bytes, and check how many are queued."""

    def take_acks(self) -> bytes:
        """Return the frame of the due acks, to be written at once."""

    def count_withheld(self, size: int) -> None:
        """Count ``size`` bytes that are withheld until a resume has finished."""


class Group:
    """The members of one room that speak one dialect."""

    __slots__ = ("_lasting", "_writes", "congested", "dialect", "frames", "healthy", "remote", "syncing")

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.healthy: dict[Subscriber, None] = {}
        self.congested: dict[Subscriber, None] = {}
        # A resuming session first receives what it missed; its live frames are withheld here (`chat.queries.resume`).
        self.syncing: dict[Subscriber, list[bytes]] = {}
        # The members who are connected to another server, and whether they are syncing. A server gets each frame once.
        self.remote: dict[Remote, dict[Subscriber, bool]] | None = None
        self.frames: list[bytes] = []
        # The frames without the ephemeral ones; None while there are none of those.
        self._lasting: list[bytes] | None = None
        self._writes: tuple[Callable[[bytes], object], ...] | None = None

    def __len__(self) -> int:
        return len(self.healthy) + len(self.congested) + len(self.syncing) + len(self.remote or ())

    def discard(self, session: Subscriber) -> None:
        self._writes = None
        self.healthy.pop(session, None)
        self.congested.pop(session, None)
        self.syncing.pop(session, None)

    def add_healthy(self, session: Subscriber) -> None:
        self._writes = None
        self.healthy[session] = None

    def append(self, frame: bytes, ephemeral: bool) -> None:
        if ephemeral:
            if self._lasting is None:
                self._lasting = self.frames.copy()
        elif self._lasting is not None:
            self._lasting.append(frame)
        self.frames.append(frame)

    def append_mixed(self, frames: bytes, lasting: bytes) -> None:
        """Queue frames of which some are ephemeral; ``lasting`` are the others."""
        if self._lasting is None:
            self._lasting = self.frames.copy()
        if lasting:
            self._lasting.append(lasting)
        self.frames.append(frames)

    def flush(self, counters: Counters, acking: Audience | None, room: Source | None) -> None:
        """Write the collected frames, together with the acks that belong to the audience ``acking``.

        A write may make a session congested, which changes the dicts during the loop.
        """
        frames, lasting = self.frames, self._lasting
        self.frames, self._lasting = [], None
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        if self._writes is None:
            self._writes = tuple(session.connection.write for session in self.healthy)
        writes = self._writes
        congested = tuple(self.congested)  # sessions that these writes make congested have received the frames
        counters.deliveries += len(frames) * len(writes)
        counters.sent_bytes += len(data) * len(writes)
        if acking is not None:
            for session, write in zip(tuple(self.healthy), writes, strict=True):
                if session.acks_of is acking:
                    acks = session.take_acks()
                    counters.sent_bytes += len(acks)
                    write(data + acks)
                else:
                    write(data)
        else:
            for write in writes:
                write(data)
        if congested or self.syncing:
            self._flush_others(congested, data, data if lasting is None else b"".join(lasting), len(frames), counters)
        if self.remote and room is not None:
            for server in self.remote:
                server.deliver(room, self.dialect, data, None if lasting is None else b"".join(lasting))

    def _flush_others(
        self, congested: tuple[Subscriber, ...], data: bytes, lasting: bytes, count: int, counters: Counters
    ) -> None:
        counters.deliveries += count * (len(congested) + len(self.syncing))
        if lasting:
            for session in congested:
                session.write(lasting)
        for session, waiting in tuple(self.syncing.items()):
            waiting.append(data)
            session.count_withheld(len(data))


class Audience:
    """The members of one room on this server, by dialect.

    Args:
        flush_soon: called with the audience when the first frame is queued; it must call :meth:`flush` in the same
            event loop iteration.
        room: the room. Only a weak reference: the two refer to each other.

    Attributes:
        dirty: something is queued and not written yet.
        acking: how many members have acks due since the last flush, which may be sent with the next one.
    """

    __slots__ = ("_counters", "_flush_soon", "_groups", "_room", "acking", "dirty")

    def __init__(self, counters: Counters, flush_soon: Callable[[Audience], None], room: ReferenceType[Source]) -> None:
        self._counters = counters
        self._room = room
        self._flush_soon = flush_soon
        self._groups: dict[Dialect, Group] = {}
        self.acking = 0
        self.dirty = False

    def add(self, session: Subscriber, *, syncing: bool = False) -> None:
        """Deliver later broadcasts to a session; with ``syncing``, withhold them until :meth:`release`."""
        group = self._groups.get(session.dialect)
        if group is None:
            group = self._groups[session.dialect] = Group(session.dialect)
        if session.remote is not None:
            if group.remote is None:
                group.remote = {}
            group.remote.setdefault(session.remote, {})[session] = syncing
            if (room := self._room()) is not None:
                session.remote.attach(room, session, syncing=syncing)
        elif syncing:
            group.syncing[session] = []
        elif session.congested:
            group.congested[session] = None
        else:
            group.add_healthy(session)

    def discard(self, session: Subscriber) -> None:
        """Deliver nothing more to a session. An unknown session is ignored."""
        group = self._groups.get(session.dialect)
        if group is None:
            return
        if session.remote is None:
            group.discard(session)
        elif group.remote is not None and session in (there := group.remote.get(session.remote, {})):
            del there[session]
            if not there:
                del group.remote[session.remote]
            if (room := self._room()) is not None:
                session.remote.detach(room, session)
        if not len(group) and not group.frames:
            del self._groups[session.dialect]

    def release(self, session: Subscriber) -> list[bytes]:
        """End a session's ``syncing``: return the withheld bytes; later frames go straight to the session."""
        if not self.is_syncing(session):
            return []  # it has left
        if session.remote is not None:
            remote = self._groups[session.dialect].remote
            assert remote is not None
            remote[session.remote][session] = False
            if (room := self._room()) is not None:
                session.remote.release(room, session)
            return []
        waiting = self._groups[session.dialect].syncing.pop(session)
        self.add(session)
        return waiting

    def is_syncing(self, session: Subscriber) -> bool:
        """Whether live frames are withheld from a session until :meth:`release`."""
        group = self._groups.get(session.dialect)
        if session.remote is not None:
            remote = None if group is None else group.remote
            return remote is not None and remote.get(session.remote, {}).get(session, False)
        return group is not None and session in group.syncing

    def move(self, session: Subscriber) -> None:
        """Move a session whose ``congested`` has changed: writes to the others skip the buffer check."""
        group = self._groups.get(session.dialect)
        if group is not None and session in (group.healthy if session.congested else group.congested):
            group.discard(session)
            self.add(session)

    def deliver(self, event: AnyEvent, ephemeral: bool = False) -> None:
        """Queue an event for all members, encoded and framed once for each dialect that is present."""
        for dialect, group in self._groups.items():
            frame = dialect.frame(event)
            if frame is not None:
                group.append(frame, ephemeral)
                if not self.dirty:
                    self.dirty = True
                    self._flush_soon(self)

    def present(self, notice: Presence) -> None:
        """Let other servers note who has entered and left, if they have members who cannot be sent the whole list."""
        room = self._room()
        groups = [group for dialect, group in self._groups.items() if not dialect.welcomes]
        for server in {server: None for group in groups for server in group.remote or ()}:
            if room is not None:
                server.present(room, notice)

    def relay(self, dialect: Dialect, frames: bytes, lasting: bytes | None) -> None:
        """Queue frames that another server has made for the members who speak a dialect; see `Remote.deliver`."""
        group = self._groups.get(dialect)
        if group is None:
            return
        if lasting is None:
            group.append(frames, ephemeral=False)
        else:
            group.append_mixed(frames, lasting)
        if not self.dirty:
            self.dirty = True
            self._flush_soon(self)

    def tell(self, session: Subscriber, event: AnyEvent) -> None:
        """Send one member an event after everything flushed; like live frames, it is withheld during ``syncing``."""
        frame = session.dialect.frame(event)
        if frame is None:
            return
        if session.remote is None:
            self.write(session, frame)
        elif (room := self._room()) is not None:
            session.remote.tell(room, session, frame)

    def write(self, session: Subscriber, frame: bytes) -> None:
        """Write a frame to one member, or withhold it during ``syncing``."""
        if self.is_syncing(session):
            self._groups[session.dialect].syncing[session].append(frame)
            session.count_withheld(len(frame))
        else:
            session.write(frame)

    def flush(self) -> None:
        """Write everything that was queued."""
        self.dirty = False
        acking, self.acking = self.acking, 0
        for dialect, group in tuple(self._groups.items()):
            if group.frames:
                # Checking a member costs a hundredth of a send, so there must be enough sends to save.
                rides = acking and acking * MEMBERS_PER_ACK >= len(group.healthy)
                group.flush(self._counters, self if rides else None, self._room() if group.remote else None)
                if not len(group):  # its last member left while frames were queued
                    self._groups.pop(dialect, None)

    def close(self) -> None:
        """Deliver nothing more to anyone, and tell no server: another one has the room."""
        self._groups.clear()
