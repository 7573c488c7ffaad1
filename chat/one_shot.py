"""Running one command without a connection, and waiting for its answer: HTTP changes rooms this way.

The session for it is not seen by others. It passes the same handlers and the same gate, and ends with the answer.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

from chat.chat import Chat
from chat.delivery.ratelimit import Allowances, rate_limited
from chat.delivery.session import Session as AnySession
from chat.handlers.resolve import Ask, Handler, OwnRow, check_room, loaded_room
from chat.ports import Dialect, Identity
from chat.rooms import impostors, members
from chat.rooms.access import check_entry, is_row_known
from chat.rooms.pacing import COMMANDS_BURST, COMMANDS_PER_SECOND
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import reach_storage, require_storage, unavailable
from model.commands import Announce, AnyCommand, CreateRoom, Decline, Leave, RoomCommand
from model.errors import CloseCode, ParleyError
from model.events import Ack, Answer, AnyEvent, Error, Event
from model.room import Member
from utils.ids import new_token

E = TypeVar("E", bound=Event)

# How long a client waits for the answer at most. Its command may still be carried out afterwards.
ANSWER_SECONDS = 10.0


class _ReplyCollector(Dialect):
    """Connection and dialect of a session without a connection: keeps every event, sends nothing."""

    name = "visit"

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.received = asyncio.Event()

    def command(self, text: str, address_room: str) -> AnyCommand:
        raise NotImplementedError("the command is a record already")

    def frame(self, event: AnyEvent) -> bytes | None:
        self.events.append(event)
        self.received.set()
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

    async def wait_for(self, kind: type[E], id: str | None) -> E:
        """Wait for the event of this kind that answers the command with this id.

        Raises:
            ParleyError: what it was refused with.
        """
        while True:
            self.check()
            for event in self.events:
                if isinstance(event, kind) and _answers(event, id):
                    return event
            self.received.clear()
            await self.received.wait()


def _nowhere(data: bytes) -> None:
    pass


def _answers(event: Event, id: str | None) -> bool:
    if isinstance(event, Ack):
        return any(item.id == id for item in event.ids)
    return isinstance(event, Answer) and event.id == id


class _RowToEnter(OwnRow):
    """The user's row, where their access to the room depends on it; and a room that can store what it shows."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Member | Ask | None
    ) -> Member | Ask | None:
        if room.worker.problem is not None:  # nothing is shown that would not be answered
            raise unavailable()
        known = is_row_known(parts, room, session.actor.identity)
        return super().find(parts, session, room, command, None if known else stored)


def _enter(
    pins: ExitStack, parts: Parts, session: Session, room: Room, row: Member | None, command: AnyCommand
) -> None:
    """Put a session into a room without anyone noticing, and keep the room and the user's row loaded."""
    if not room.stored and not room.presence.people:
        raise ParleyError("no_such_room", field="room")
    check_entry(parts, room.record, row, session.actor.identity)
    if not isinstance(command, Leave):
        impostors.refuse(parts, room, session.actor.identity)
    pins.enter_context(members.pinned(parts, room, session.user.id))
    if row is not None and session.user.id not in room.members:
        members.cache(parts, room, row)
    room.enter(session)


class CommandRunner:
    """Runs commands of clients that have no connection."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._commands = Allowances(COMMANDS_PER_SECOND, COMMANDS_BURST)

    def count(self, identity: Identity) -> None:
        """Count a request that runs no command, at the rate of commands.

        Raises:
            ParleyError: ``rate_limited``.
        """
        now = self._chat.parts.clock.monotonic()
        if wait := self._commands.take(identity.user.id, now):
            raise rate_limited(wait)

    async def run(
        self, identity: Identity, command: AnyCommand, until: type[E], *, address: str = "", network: str = ""
    ) -> E:
        """Run a command for a client without a connection, and return the event that answers it.

        The outcome is stored by then. The command has an ``id``. One about a room runs as if the user were in it, who
        must be allowed to enter; the user does not become a member, and no one sees them enter.

        Args:
            identity: the caller.
            command: any but ``hello``, ``join``, ``typing`` and ``read``, which are for clients that stay.
            until: the type of the answer: `Ack`, or one that has the command's ``id``.
            address, network: the client's, as a session has them.

        Raises:
            ParleyError: the command's refusal, or that of the room; ``unavailable`` when storage is away, or there was
                no answer in time: then it may still be carried out.
        """
        if not isinstance(command, Announce):  # which is not stored
            await reach_storage(self._chat.parts)
            require_storage(self._chat.parts)
        replies = _ReplyCollector()
        session = self._open(replies, identity, address, network)
        try:
            with ExitStack() as pins:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if isinstance(command, RoomCommand) and not isinstance(command, CreateRoom | Decline):
                        enter = Handler(partial(_enter, pins), loaded_room, _RowToEnter(), check_room)
                        if (waits := enter(self._chat.parts, session, command)) is not None:
                            await waits
                    return await self._ask(session, replies, command, until)
        except TimeoutError as error:
            raise unavailable() from error
        finally:
            session.rooms.clear()
            session.end()

    async def _ask(self, session: Session, replies: _ReplyCollector, command: AnyCommand, until: type[E]) -> E:
        self._chat.run(session, command)
        answer = await replies.wait_for(until, command.id)
        if not isinstance(answer, Ack):  # it came when the command was carried out; what it wrote may be on its way
            room = self._chat.parts.hub.rooms.get(getattr(answer, "room", ""))
            if room is not None:
                await room.backlog.written()
            replies.check()
        return answer

    def _open(self, replies: _ReplyCollector, identity: Identity, address: str, network: str) -> Session:
        session: Session = AnySession(
            self._chat.parts.hub, replies, replies, new_token("s_", 9), "", address, network, silent=True
        )
        session.identity, session.user = identity, identity.user  # unlike `identify`: they are not here
        session.commands = self._commands.of(identity.user.id, self._chat.parts.clock.monotonic())
        return session
