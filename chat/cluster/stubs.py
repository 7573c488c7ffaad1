"""A client of another node, as the owner of the rooms sees it: a session whose connection is a link."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from chat.cluster import operations as op
from chat.cluster.peers import Peer
from chat.delivery.audience import Audience
from chat.delivery.session import Session as AnySession
from chat.ports import Connection, Dialect
from chat.rooms.hub import Hub
from chat.rooms.room import Room, Session
from model.errors import CloseCode
from model.events import AckItem, Answer, AnyEvent, Error, InvitationState, Left, RoomState, Welcome

# A stub counts as congested once it was sent this share of the bytes that may be queued for a client (SLOW_BYTES_HIGH)
# by itself, until the client has read them.
UNREAD_SHARE = 16
# About as many bytes has a `welcome`, which the edge makes.
WELCOME_BYTES = 1000


class FarConnection(Connection):
    """The connection of a stub."""

    def __init__(self, peer: Peer, session: str) -> None:
        self._peer = peer
        self._session = session

    @property
    def write(self) -> Callable[[bytes], object]:
        return lambda data: self._peer.put(op.Tell(self._session, data, None))

    def buffered(self) -> int:
        """Return 0: the edge sees what its clients have not read."""
        return 0

    def pause_reading(self) -> None:
        self._peer.put(op.Pause(self._session, True))

    def resume_reading(self) -> None:
        self._peer.put(op.Pause(self._session, False))

    def close(self, close: CloseCode) -> None:
        self._peer.put(op.Close(self._session, close.code, close.reason))

    def end_at(self, when: int) -> None:
        """Leave it to the edge, which learns the identity."""


class Stub(AnySession[Room]):
    """See the top of this file. The handlers work with it as with any other session."""

    __slots__ = ("_numbers", "_pages", "_peer", "_told", "_unread")

    def __init__(self, hub: Hub, peer: Peer, dialect: Dialect, opened: op.Open) -> None:
        super().__init__(
            hub,
            FarConnection(peer, opened.session),
            dialect,
            opened.session,
            opened.address_room,
            opened.address,
            opened.network,
            since=opened.since,
        )
        self.provisional = opened.provisional
        self.asked_name = opened.asked_name
        self._peer = peer
        # The numbers of the commands that run or are deferred, in their order; 0 for a command with an answer.
        self._numbers: deque[int] | None = None
        self._told = (opened.identity, opened.provisional)  # the edge knows this
        self._unread = 0  # bytes that it was sent alone since the last page that it has read
        self._pages = 0  # pages that the client has not read yet

    @property
    def remote(self) -> Peer:
        return self._peer

    def send(self, *events: AnyEvent) -> None:
        if self.ended:
            return
        if type(events[0]) is Welcome:
            self._welcome(*events)
            return
        frames, answers = self._frames(*events)
        if frames or answers is not None:
            refused = answers is not None and type(events[0]) is Error
            about = getattr(events[0], "room", None) if answers is not None else None
            self._peer.put(op.Tell(self.id, frames, answers, refused=refused, about=about), len(frames))
        self.sent(len(frames))

    def sent(self, size: int) -> None:
        """Count bytes that the client was sent alone, or together with others, but not as a member of a room."""
        self._unread += size
        if not self.ended and not self.congested and self._unread * UNREAD_SHARE > self._delivery.slow_high:
            self.congested = True
            self._put_page(b"", None)

    def _welcome(self, welcome: AnyEvent) -> None:
        assert type(welcome) is Welcome, "it comes alone"
        self._tell_identity()
        self._peer.put(op.Welcomed(self.id, welcome.id, welcome.epoch))
        self._unread += WELCOME_BYTES

    async def send_page(self, event: AnyEvent) -> None:
        for room in self.rooms.values():
            if room.audience.dirty:
                room.audience.flush()
        await self._send_page(*self._frames(event))

    def write_page(self, data: bytes) -> Coroutine[Any, Any, None]:
        return self._send_page(data, None)

    async def drained(self) -> None:
        await self._send_page(b"", None)

    def _send_page(self, frames: bytes, answers: str | None) -> Coroutine[Any, Any, None]:
        if not self.ended:
            self._put_page(frames, answers)
        return self._read()

    def _put_page(self, frames: bytes, answers: str | None) -> None:
        self._pages += 1
        self._unread = 0
        self._peer.put(op.Page(self.id, frames, answers), len(frames))

    async def _read(self) -> None:
        if not self.ended:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def _frames(self, *events: AnyEvent) -> tuple[bytes, str | None]:
        """Return the events as frames, and the id of the command that they answer."""
        frame = self.dialect.frame
        answers = next((event.id for event in events if isinstance(event, Answer) and is_last(event)), None)
        return b"".join([data for event in events if (data := frame(event)) is not None]), answers

    def ack(self, item: AckItem, audience: Audience) -> None:
        if not self.ended:
            self._peer.ack(self.id, item)

    def client_has_read(self) -> None:
        """Go on with what waits until the client has read a page."""
        self._pages = max(0, self._pages - 1)
        if not self._pages:
            self.congested = False
            self._wake_drained()

    def forget(self) -> None:
        """Send nothing more, not even that it has left its rooms: another server has them."""
        self.ended = True
        self.deferred = None
        self.rooms.clear()
        self._wake_drained()

    # What the edge must know for the next owner.

    def carried_out(self, number: int) -> None:
        """Note the number of the command that has just been received."""
        if self.running or self.deferred:
            if self._numbers is None:
                self._numbers = deque()
            self._numbers.append(number)
        elif number and not self.ended:
            self._peer.put(op.Done(self.id, number))
        self.settle()

    def went_on(self) -> None:
        super().went_on()
        self.settle()

    def settle(self) -> None:
        """Tell the edge which commands without an answer were carried out, and for whom the session acts now."""
        if self.ended:
            return
        if (numbers := self._numbers) is not None:
            done = 0
            while len(numbers) > len(self.deferred or ()) + self.running:
                done = numbers.popleft() or done
            if not numbers:
                self._numbers = None
            if done:
                self._peer.put(op.Done(self.id, done))
        self._tell_identity()

    def _tell_identity(self) -> None:
        now = self.identity, self.provisional
        if self.identity is not None and now != self._told:
            self._told = now
            self._peer.put(op.Identified(self.id, self.identity, self.provisional))


def send_together(sendings: Iterable[tuple[Sequence[AnyEvent], Sequence[Session]]], common: bytes = b"") -> None:
    """Send events to many sessions: encoded once for each dialect, and once over a link for all sessions there.

    Args:
        sendings: the events, and who receives them.
        common: a part of many frames, which crosses a link once for all ``sendings``.
    """
    far: dict[tuple[Peer, bytes], list[tuple[bytes, bytes, list[str]]]] = {}
    told: list[tuple[Stub, int]] = []
    for events, sessions in sendings:
        for dialect in {session.dialect: None for session in sessions}:
            frames = b"".join([data for event in events if (data := dialect.frame(event)) is not None])
            before, shared, after = frames.partition(common) if common else (frames, b"", b"")
            there: dict[Peer, list[str]] = {}
            for session in sessions:
                if not frames or session.dialect is not dialect:
                    continue
                if isinstance(session, Stub):
                    there.setdefault(session.remote, []).append(session.id)
                    told.append((session, len(frames)))
                else:
                    session.write(frames)
            for peer, ids in there.items():
                far.setdefault((peer, shared), []).append((before, after, ids))
    for (peer, shared), parts in far.items():
        peer.tell_many(shared, parts)
    for stub, size in told:
        stub.sent(size)


def is_last(event: Answer) -> bool:
    """Whether no ack follows this answer to a command."""
    match event:
        case RoomState(action="create_room") | Left(reason="deleted") | InvitationState():
            return False
        case _:
            return event.id is not None
