"""Asking without a connection of one's own: one command, one answer. What HTTP does to rooms goes this way.

A visit is a session that nobody sees: it passes the same handlers and the same gate, and is over with its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from chat.chat import Chat
from chat.delivery.ratelimit import Allowances, rate_limited
from chat.delivery.session import Session as AnySession
from chat.ports import Dialect, Identity
from chat.rooms import impostors, members
from chat.rooms.access import check_entry, is_row_known
from chat.rooms.loading import load
from chat.rooms.makers import opener_of
from chat.rooms.pacing import COMMANDS_BURST, COMMANDS_PER_SECOND
from chat.rooms.room import Session
from chat.rooms.storing import reach_storage, require_storage, unavailable
from model.commands import Announce, AnyCommand, CreateRoom, Decline, Leave
from model.errors import CloseCode, ParleyError
from model.events import Ack, Answer, AnyEvent, Error, Event
from model.text import check_name
from utils.ids import new_token

E = TypeVar("E", bound=Event)

# A visitor waits at most so long; what was asked for may still be carried out then.
ANSWER_SECONDS = 10.0


class _Ear(Dialect):
    """The connection and the dialect of a visit at once: keeps every event, sends nothing."""

    name = "visit"

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.heard = asyncio.Event()

    def command(self, text: str, home: str) -> AnyCommand:
        raise NotImplementedError("a visit brings its command as a record")

    def frame(self, event: AnyEvent) -> bytes | None:
        self.events.append(event)
        self.heard.set()
        return None

    @property
    def write(self) -> Callable[[bytes], object]:
        return _nowhere

    def buffered(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """There is nothing more to read."""

    def resume_reading(self) -> None:
        """There is nothing more to read."""

    def close(self, close: CloseCode) -> None:
        """There is nothing to close."""

    def end_at(self, when: int) -> None:
        """It is over sooner than any token."""

    def check(self) -> None:
        """Nothing, unless the command was refused.

        Raises:
            ParleyError: what it was refused with.
        """
        for event in self.events:
            if isinstance(event, Error):
                raise ParleyError(
                    event.code, event.message, field=event.field, retry_after=event.retry_after, id=event.id
                )

    async def hear(self, kind: type[E], id: str) -> E:
        """Wait for the event of this kind that answers the command with this id.

        Raises:
            ParleyError: what it was refused with.
        """
        while True:
            self.check()
            for event in self.events:
                if isinstance(event, kind) and _answers(event, id):
                    return event
            self.heard.clear()
            await self.heard.wait()


def _nowhere(data: bytes) -> None:
    pass


def _answers(event: Event, id: str) -> bool:
    if isinstance(event, Ack):
        return any(item.id == id for item in event.ids)
    return isinstance(event, Answer) and event.id == id


class Visits:
    """The visits to one chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._commands = Allowances(COMMANDS_PER_SECOND, COMMANDS_BURST)

    def count(self, identity: Identity) -> None:
        """Count something that is asked for without a command, at the rate of commands.

        Raises:
            ParleyError: ``rate_limited``.
        """
        now = self._chat.parts.clock.monotonic()
        if wait := self._commands.take(identity.user.id, now):
            raise rate_limited(wait)

    async def carry_out(
        self, identity: Identity, command: AnyCommand, until: type[E], *, address: str = "", network: str = ""
    ) -> E:
        """Carry a command out for somebody who needs no session, and return the event that answers it.

        What was decided is stored by then. The command has an ``id``. One about a room is carried out as if they were
        in it, and they must be let in: they become no member by that, and nobody sees them come.

        Args:
            identity: who asks.
            command: any but ``hello``, ``join``, ``typing`` and ``read``, which are for who stays.
            until: the type of the answer: `Ack`, or one that has the command's ``id``.
            address, network: the client's, as a session has them.

        Raises:
            ParleyError: the command's refusal, or that of the room; ``unavailable`` when storage is away, or there was
                no answer in time: then it may still be carried out.
        """
        assert command.id is not None
        if not isinstance(command, Announce):  # which is not stored
            await reach_storage(self._chat.parts)
            require_storage(self._chat.parts)
        session = self._open(identity, address, network)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                name = getattr(command, "room", None)
                if name is None or isinstance(command, CreateRoom | Decline):
                    return await self._ask(session, command, command.id, until)
                return await self._ask_in(check_name(name, "room"), session, command, command.id, until)
        except TimeoutError as error:
            raise unavailable() from error
        finally:
            session.rooms.clear()
            session.end()

    async def _ask_in(self, name: str, session: Session, command: AnyCommand, id: str, until: type[E]) -> E:
        parts, user = self._chat.parts, session.user
        assert session.identity is not None
        room = await load(parts, name, opener_of(session))
        with members.visiting(parts, room, user.id):
            if room.worker.trouble is not None:  # nothing is shown that would not be answered
                raise unavailable()
            row = None if is_row_known(parts, room, session.identity) else await members.fetch(parts, room, user.id)
            if not room.stored and not room.presence.people:
                raise ParleyError("no_such_room", field="room")
            row = room.members.get(user.id, row)
            check_entry(parts, room.record, row, session.identity)
            if not isinstance(command, Leave):
                impostors.refuse(parts, room, session.identity)
            if row is not None and user.id not in room.members:
                members.keep(parts, room, row)
            room.enter(session)
            return await self._ask(session, command, id, until)

    async def _ask(self, session: Session, command: AnyCommand, id: str, until: type[E]) -> E:
        ear = session.dialect
        assert isinstance(ear, _Ear)
        self._chat.run(session, command)
        answer = await ear.hear(until, id)
        if not isinstance(answer, Ack):  # it came when the command was carried out; what it wrote may be on its way
            room = self._chat.parts.hub.rooms.get(getattr(answer, "room", ""))
            if room is not None:
                await room.backlog.written()
            ear.check()
        return answer

    def _open(self, identity: Identity, address: str, network: str) -> Session:
        ear = _Ear()
        session: Session = AnySession(
            self._chat.parts.hub, ear, ear, new_token("s_", 9), "", address, network, unseen=True
        )
        session.identity, session.user = identity, identity.user  # unlike `identify`: they are not here
        session.commands = self._commands.of(identity.user.id, self._chat.parts.clock.monotonic())
        return session
