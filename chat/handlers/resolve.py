"""*Resolve, then decide*: what a command needs is found first, then its handler decides, synchronously.

A row of the dispatch table names the room of a command and what else the handler needs: a message, a member's row.
When memory has all of it, the command is carried out at once. Otherwise storage is asked, and afterwards access is
checked again: the session may have been removed from the room or have lost rights while storage was asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from msgspec.structs import replace

from chat.rooms import members
from chat.rooms.access import joined_room
from chat.rooms.loading import load
from chat.rooms.makers import opener_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, require_storage
from model.errors import ParleyError
from model.message import Message
from model.permissions import Action
from model.room import Member
from model.text import check_name


class Ask(Enum):
    """The answer of memory when only storage knows."""

    STORAGE = "ask storage"


ASK: Final = Ask.STORAGE

T = TypeVar("T")
FindRoom = Callable[[Parts, Session, Any], Room | None]
Check = Callable[[Parts, Any], Any]


class Need(Generic[T]):
    """What a command needs apart from its room, such as a message."""

    def find(self, parts: Parts, session: Session, room: Room, command: Any, stored: T | Ask) -> T | Ask:
        """Return the newest that is known: of what the room has and what storage answered, if it was asked.

        Returns `ASK` when storage must be asked, or asked again.

        Raises:
            ParleyError: it does not exist, or the command may not be carried out whatever storage answers.
        """
        return stored

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack) -> T:
        """Ask storage. What enters ``held`` is kept (pinned or locked) until the handler has run."""
        raise NotImplementedError


class _Nothing(Need[None]):
    def find(self, parts: Parts, session: Session, room: Room, command: Any, stored: Ask | None) -> None:
        return None


class Handler:
    """How a command is carried out: a row of the dispatch table.

    Args:
        decide: a function of (parts, session, room, command); with a ``need``, of (parts, session, room, what was
            found, command). It returns None, or what remains to be awaited, such as a page that is being sent.
        room: finds the room in memory and checks access; returns None for a room that must be loaded. It is called
            again after the last await.
        need: what else the handler needs.
        check: validates the command's own fields and returns it normalized, before anything is looked up.
    """

    __slots__ = ("_check", "_decide", "_need", "_room")

    def __init__(
        self,
        decide: Callable[..., Awaitable[None] | None],
        room: FindRoom,
        need: Need[Any] | None = None,
        check: Check | None = None,
    ) -> None:
        self._decide = decide if need is not None else _without_need(decide)
        self._room = room
        self._need: Need[Any] = need or _Nothing()
        self._check = check

    def __call__(self, parts: Parts, session: Session, command: Any) -> Awaitable[None] | None:
        """Carry a command out: at once when memory has all that it needs."""
        if self._check is not None:
            command = self._check(parts, command)
        room = self._room(parts, session, command)
        found = ASK if room is None else self._need.find(parts, session, room, command, ASK)
        if found is ASK:
            return self._ask(parts, session, command)
        return self._decide(parts, session, room, found, command)

    async def _ask(self, parts: Parts, session: Session, command: Any) -> None:
        """Load the room and ask storage, again if the room was replaced in the meantime."""
        waits: Awaitable[None] | None = None
        while True:
            async with AsyncExitStack() as held:
                room = self._room(parts, session, command) or await load(parts, command.room, opener_of(session))
                held.enter_context(members.pinned(parts, room))
                found = self._need.find(parts, session, room, command, ASK)
                if found is ASK:
                    found = await self._need.fetch(parts, session, room, command, held)
                if session.ended:
                    return
                if self._room(parts, session, command) is room:
                    found = self._need.find(parts, session, room, command, found)
                    if found is not ASK:
                        waits = self._decide(parts, session, room, found, command)
                        break
        if waits is not None:
            await waits


def _without_need(decide: Callable[..., Awaitable[None] | None]) -> Callable[..., Awaitable[None] | None]:
    return lambda parts, session, room, _, command: decide(parts, session, room, command)


def in_room(action: Action) -> Callable[[Parts, Session, Any], Room]:
    """Need a room that the session is in, and the right to do this there."""
    return lambda parts, session, command: joined_room(parts, session, command.room, action)


def loaded_room(parts: Parts, session: Session, command: Any) -> Room | None:
    """Need a room whose name is normalized, whether the session is in it or not; `check_room` normalizes it."""
    return parts.hub.rooms.get(command.room)


def check_room(parts: Parts, command: Any) -> Any:
    """Normalize the name of the room."""
    name = check_name(command.room, "room")
    return command if name == command.room else replace(command, room=name)


class Fetched(Need[T]):
    """What only storage knows, such as a page. ``read`` is a function of (parts, session, room, command)."""

    def __init__(self, read: Callable[[Parts, Session, Room, Any], Awaitable[T]]) -> None:
        self._read = read

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack) -> T:
        return await self._read(parts, session, room, command)


class OwnRow(Need[Member | None]):
    """The user's own row in the room, if there is one."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Member | Ask | None
    ) -> Member | Ask | None:
        return room.members.get(session.user.id, stored if room.stored else None)

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack
    ) -> Member | None:
        held.enter_context(members.pinned(parts, room, session.user.id))
        return await members.fetch(parts, room, session.user.id)


class MessageAt(Need[Message | None]):
    """The message in its newest state.

    Args:
        field: the command's field that holds the message's seq.
    """

    def __init__(self, field: str) -> None:
        self._field = field

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Message | Ask | None
    ) -> Message | Ask:
        seq = getattr(command, self._field)
        state = room.tail.state(seq) or stored
        if state is None or (state is ASK and seq > room.head):
            raise ParleyError("no_such_message", field=self._field)
        return state

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack
    ) -> Message | None:
        require_storage(parts)
        while True:
            head = room.head
            stored = await ask(parts, parts.storage.messages.find_message(room.record, getattr(command, self._field)))
            if room.tail.forgotten <= head:  # otherwise a newer state may have been evicted from the tail already
                return stored
