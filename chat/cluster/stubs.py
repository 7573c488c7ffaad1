"""A client of another node, as the owner of the rooms sees it: a session whose connection is a link."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chat.cluster import operations as op
from chat.cluster.peers import Peer
from chat.delivery.audience import Audience, Remote
from chat.delivery.session import Session as AnySession
from chat.ports import Connection, Dialect
from chat.rooms.hub import Hub
from chat.rooms.room import Room
from model.errors import CloseCode
from model.events import AckItem, Answer, AnyEvent


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

    __slots__ = ("_carried_out", "_peer", "_told")

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
        self._carried_out = 0  # the number of the newest command without an answer, until the edge is told
        self._told = (opened.identity, opened.provisional)  # the edge knows this

    @property
    def remote(self) -> Remote:
        return self._peer

    def send(self, *events: AnyEvent) -> None:
        if not self.ended:
            frames, answers = self._frames(*events)
            if frames or answers is not None:
                self._peer.put(op.Tell(self.id, frames, answers))

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
            self._peer.put(op.Page(self.id, frames, answers))
        return self._read()

    async def _read(self) -> None:
        if not self.ended:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def _frames(self, *events: AnyEvent) -> tuple[bytes, str | None]:
        """Return the events as frames, and the id of the command that they answer."""
        frame = self.dialect.frame
        ids = [event.id for event in events if isinstance(event, Answer) and event.id is not None]
        return b"".join([data for event in events if (data := frame(event)) is not None]), ids[0] if ids else None

    def ack(self, item: AckItem, audience: Audience) -> None:
        if not self.ended:
            self._peer.ack(self.id, item)

    def client_has_read(self) -> None:
        """Go on with what waits until the client has read a page."""
        self._wake_drained()

    # What the edge must know for the next owner.

    def carry_out(self, number: int) -> None:
        """Tell the edge, when it is done, that the command with this number was carried out."""
        self._carried_out = number
        if not self.busy:
            self.settle()

    def all_deferred_done(self) -> None:
        super().all_deferred_done()
        self.settle()

    def settle(self) -> None:
        """Tell the edge which commands were carried out, and for whom the session acts now."""
        if self.ended:
            return
        if self._carried_out:
            self._peer.put(op.Done(self.id, self._carried_out))
            self._carried_out = 0
        now = self.identity, self.provisional
        if self.identity is not None and now != self._told:
            self._told = now
            self._peer.put(op.Identified(self.id, self.identity, self.provisional))
