"""Run one command without a connection and wait for its answer: HTTP requests change rooms this way.

Its session is invisible to others. The command passes the same handlers and access checks, and the session ends with
the answer.
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
from chat.rooms.storing import reach_storage, require_storage
from model.commands import Announce, AnyCommand, CreateRoom, Decline, Leave, RoomCommand, UseLink
from model.errors import CloseCode, ParleyError, moved, unavailable
from model.events import Ack, Answer, AnyEvent, Error, Event
from model.room import Member
from utils.ids import new_token

E = TypeVar("E", bound=Event)

# How long a client waits for the answer at most. Its command may still take effect afterwards.
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
        """It ends before any token expires."""

    def check(self) -> None:
        """Raise the refusal, if the command was refused.

        Raises:
            ParleyError: the refusal.
        """
        for event in self.events:
            if isinstance(event, Error):
                raise ParleyError(
                    event.code, event.message, field=event.field, retry_after=event.retry_after, id=event.id
                )

    async def wait_for(self, kind: type[E], id: str | None) -> E:
        """Wait for the event of this type that answers the command with this id.

        Raises:
            ParleyError: the command's refusal.
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
    """Need the user's row, if their access to the room depends on it, and a room whose writes storage accepts."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Member | Ask | None
    ) -> Member | Ask | None:
        if room.worker.problem is not None:  # broadcast nothing that cannot be answered
            raise unavailable()
        known = is_row_known(parts, room, session.actor.identity)
        return super().find(parts, session, room, command, None if known else stored)


def _enter(
    pins: ExitStack, parts: Parts, session: Session, room: Room, row: Member | None, command: AnyCommand
) -> None:
    """Put a session into a room invisibly, and keep the room and the user's row loaded."""
    if not room.stored and not room.presence.people:
        raise ParleyError("no_such_room", field="room")
    check_entry(parts, room, row, session.actor)
    parts.guest_networks.note(session.actor, parts.clock.monotonic())  # no directory has this session
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
        """Count a request that runs no command towards the rate of commands.

        Raises:
            ParleyError: ``rate_limited``.
        """
        if wait := self._commands.take(identity.user.id, self._chat.parts.clock.monotonic()):
            raise rate_limited(wait)

    async def run(
        self, identity: Identity, command: AnyCommand | UseLink, until: type[E], *, address: str = "", network: str = ""
    ) -> E:
        """Run a command for a client without a connection, and return the event that answers it.

        The outcome is stored when this returns. The command must have an ``id``. A command about a room runs as if the
        user, who must be allowed to enter, were in it; the user does not become a member, and no one sees them enter.

        The rooms are given away only when this has returned. So a new command must not begin while they are about to
        move (`chat.chat.Chat.going`), but one that was accepted before must.

        Args:
            identity: the caller.
            command: any but ``hello``, ``join``, ``typing`` and ``read``, which are for clients that stay.
            until: the type of the answer: `Ack`, or an event with the command's ``id``.
            address, network: those of the client, as in `Session`.

        Raises:
            ParleyError: the refusal of the command or of access; ``unavailable`` if storage is unavailable, or if there
                was no answer in time: the command may then still take effect.
        """
        self._require_rooms()
        replies = _ReplyCollector()
        session = self._open(replies, identity, address, network)
        self._chat.visits += 1
        try:
            if not isinstance(command, Announce):  # which is not stored
                await reach_storage(self._chat.parts)
                require_storage(self._chat.parts)
            with ExitStack() as pins:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if isinstance(command, RoomCommand) and not isinstance(command, CreateRoom | Decline | UseLink):
                        enter = Handler(partial(_enter, pins), loaded_room, _RowToEnter(), check_room)
                        if (waits := enter(self._chat.parts, session, command)) is not None:
                            await waits
                    self._require_rooms()  # another server has no such session
                    if (denial := self._chat.parts.tokens.denial(identity)) is not None:
                        raise denial.error
                    return await self._ask(session, replies, command, until)
        except TimeoutError as error:
            raise unavailable() from error
        finally:
            self._chat.visits -= 1
            session.rooms.clear()
            session.end()

    def _require_rooms(self) -> None:
        if self._chat.elsewhere is not None:
            raise moved()

    async def _ask(
        self, session: Session, replies: _ReplyCollector, command: AnyCommand | UseLink, until: type[E]
    ) -> E:
        self._chat.run(session, command)
        answer = await replies.wait_for(until, command.id)
        if not isinstance(answer, Ack):  # it was sent when the command ran; its writes may be pending
            room = self._chat.parts.hub.rooms.get(getattr(answer, "room", ""))
            if room is not None:
                await room.backlog.written()
            replies.check()
        return answer

    def _open(self, replies: _ReplyCollector, identity: Identity, address: str, network: str) -> Session:
        session: Session = AnySession(
            self._chat.parts.hub, replies, replies, new_token("s_", 9), "", address, network, silent=True
        )
        session.identity, session.user = identity, identity.user  # not `identify`: the user is not online by this
        session.commands = self._commands.of(identity.user.id, self._chat.parts.clock.monotonic())
        return session
