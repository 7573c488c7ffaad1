"""*Resolve, then decide*: first find what a command needs, then let its synchronous handler decide.

A row of the dispatch table names the room of a command and what else the handler needs: a message, a member's row.
If memory has all of it, the handler runs at once. Otherwise it is read from storage, and access is checked again
afterwards: during the read, the session may have been removed from the room or have lost rights.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from msgspec.structs import replace

from chat.rooms import members
from chat.rooms.access import joined_room
from chat.rooms.loading import load
from chat.rooms.makers import opener_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, require_storage, require_tenure
from model.errors import ParleyError
from model.message import Message
from model.permissions import Action
from model.room import Member
from model.text import check_name


class Ask(Enum):
    """The result of a look-up in memory when only storage has the answer."""

    STORAGE = "ask storage"


ASK: Final = Ask.STORAGE

T = TypeVar("T")


class Need(Generic[T]):
    """What a command needs besides its room, such as a message."""

    def find(self, parts: Parts, session: Session, room: Room, command: Any, stored: T | Ask) -> T | Ask:
        """Return the newer of what the room has and what storage returned, if it was asked.

        Returns `ASK` if storage must be asked, or asked again. The default is for what only storage has, such as a
        page.

        Raises:
            ParleyError: it does not exist, or the command is refused whatever storage returns.
        """
        return stored

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack) -> T | Ask:
        """Read it from storage. A lock or pin that is entered into ``held`` is kept until the handler has run.

        The room is pinned, and so is the row of the user named in the command, or else of the session's own user.
        """
        raise NotImplementedError


class _Nothing(Need[None]):
    def find(self, parts: Parts, session: Session, room: Room, command: Any, stored: Ask | None) -> None:
        return None


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class Handler:
    """A row of the dispatch table: how a command is run.

    Attributes:
        decide: a function of (parts, session, room, found, command); ``found`` is what was needed. It returns None, or
            what remains to be awaited, such as a page that is being sent.
        room: finds the room in memory and checks access; returns None for a room that must be loaded. It is called
            again after the last await.
        need: what else the handler needs, such as a message.
        check: validates the command's own fields and returns it normalized, before anything is looked up.
    """

    decide: Callable[[Parts, Session, Room, Any, Any], Awaitable[None] | None]
    room: Callable[[Parts, Session, Any], Room | None]
    need: Need[Any] = NOTHING
    check: Callable[[Parts, Any], Any] | None = None

    def __call__(self, parts: Parts, session: Session, command: Any) -> Awaitable[None] | None:
        """Run a command: at once if memory has everything that it needs."""
        if self.check is not None:
            command = self.check(parts, command)
        room = self.room(parts, session, command)
        if room is not None and (found := self.need.find(parts, session, room, command, ASK)) is not ASK:
            return self.decide(parts, session, room, found, command)
        return self._ask(parts, session, command)

    async def _ask(self, parts: Parts, session: Session, command: Any) -> None:
        """Load the room and read from storage, again if the room was replaced in the meantime."""
        waits: Awaitable[None] | None = None
        tenure = parts.hub.tenure
        while True:
            async with AsyncExitStack() as held:
                room = self.room(parts, session, command) or await load(parts, command.room, opener_of(session.actor))
                held.enter_context(members.pinned(parts, room, getattr(command, "user", session.user.id)))
                found = self.need.find(parts, session, room, command, ASK)
                if found is ASK:
                    found = await self.need.fetch(parts, session, room, command, held)
                if session.ended:
                    return
                require_tenure(parts, tenure)
                if self.room(parts, session, command) is room:
                    found = self.need.find(parts, session, room, command, found)
                    if found is not ASK:
                        waits = self.decide(parts, session, room, found, command)
                        break
        if waits is not None:
            await waits


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


class OwnRow(Need[Member | None]):
    """The user's own row in the room, if there is one."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Member | Ask | None
    ) -> Member | Ask | None:
        return room.members.get(session.user.id, stored if room.stored else None)

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack
    ) -> Member | None:
        return await members.fetch(parts, room, session.user.id)


class MessageAt(Need[Message | None]):
    """The message in its newest state.

    Args:
        field: the command's field that holds the message's seq.
        deleted: whether a deleted message will do.
    """

    def __init__(self, field: str = "seq", *, deleted: bool = False) -> None:
        self._field = field
        self._deleted = deleted

    def find(
        self, parts: Parts, session: Session, room: Room, command: Any, stored: Message | Ask | None
    ) -> Message | Ask:
        seq = getattr(command, self._field)
        state = room.tail.state(seq) or stored
        if state is ASK and seq <= room.head:
            return ASK
        if state is None or state is ASK or (state.deleted_at is not None and not self._deleted):
            raise ParleyError("no_such_message", field=self._field)
        return state

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack
    ) -> Message | Ask | None:
        require_storage(parts)
        head = room.head
        stored = await ask(parts, parts.storage.messages.find_message(room.record, getattr(command, self._field)))
        # If not, a newer state may have been evicted from the tail already.
        return stored if room.tail.forgotten <= head else ASK
