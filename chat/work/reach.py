"""Reach rooms from outside of any command: load them, and decide in them while they do not move."""

from contextlib import ExitStack

from chat.chat import Chat
from chat.rooms import members
from chat.rooms.loading import load
from chat.rooms.room import Room
from chat.rooms.storing import ask, require_tenure
from model.errors import ParleyError
from model.room import RoomRecord


class Reach:
    """Reaches the rooms of this server during one tenure."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._parts = chat.parts
        self.tenure = chat.parts.hub.tenure

    def with_writes(self) -> list[Room]:
        """Return the rooms with writes that storage has not confirmed."""
        hub = self._parts.hub
        return [room for room in (*hub.rooms.values(), *hub.ending.values()) if room.backlog.unconfirmed]

    async def loaded(self, record: RoomRecord, pins: ExitStack) -> Room | None:
        """Return a room, loaded and pinned; None if it is deleted, or another one has its name now."""
        parts = self._parts
        if record.deleted_at is not None:
            return None
        room = await load(parts, record.name)
        pins.enter_context(members.pinned(parts, room))
        return room if room.record.room_id == record.room_id else None

    async def turn(self, room: Room) -> None:
        """Wait until the rooms do not move to another server: what follows is decided without an await.

        Raises:
            ParleyError: ``unavailable`` if they have moved, or the room was deleted.
        """
        await self._chat.going.wait()
        require_tenure(self._parts, self.tenure)
        if self._parts.hub.rooms.get(room.name) is not room:
            raise ParleyError("unavailable", f"the room {room.name!r} was deleted")

    async def stored(self, room: Room) -> None:
        """Wait until storage has answered every write of a room."""
        await ask(self._parts, room.backlog.written())
