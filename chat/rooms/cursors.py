"""Read cursors: raised in the room at once, told and stored at most once a second for each person."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chat.rooms.members import READERS
from model.errors import ParleyError
from model.events import Read
from model.limits import UNREAD_LIMIT
from model.room import Member, User
from model.text import fold_name
from storage.ports.messages import Unread
from storage.ports.rooms import SetMember

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Room

# Seconds between two notices of the cursors.
PAUSE = 1.0


class Reads:
    """Cursors that were raised and not told yet. Bounded by who is in the rooms: who leaves is stored at once."""

    def __init__(self, chat: Context) -> None:
        self._chat = chat
        self._raised: dict[Room, set[str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def raised(self, room: Room, member: Member) -> None:
        """Tell and store a cursor soon."""
        self._raised.setdefault(room, set()).add(member.user.id)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self.flush)

    def discard(self, room: Room, user_id: str) -> bool:
        """Somebody's row is stored by someone else. Returns whether a cursor waited to be told."""
        waiting = self._raised.get(room, set())
        raised = user_id in waiting
        waiting.discard(user_id)
        if not waiting:
            self._raised.pop(room, None)
        return raised

    def forget(self, room: Room) -> None:
        """The room is gone."""
        self._raised.pop(room, None)

    def flush(self) -> None:
        """Tell and store everything now."""
        self.close()
        raised, self._raised = self._raised, {}
        for room, user_ids in raised.items():
            for user_id in user_ids:
                member = room.members.get(user_id)
                if member is not None:
                    self.tell(room, member)
                    self._chat.store(room, SetMember(room.record.room_id, member))

    def close(self) -> None:
        """No timer stays behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tell(self, room: Room, member: Member) -> None:
        """Tell a cursor to those who are told of it."""
        chat = self._chat
        told = Read(room=room.name, user=member.user, seq=member.read_seq)
        if len(room.presence.people) <= READERS:
            room.broadcast(told, ephemeral=True)
        if member.read_seq >= room.tail.floor:
            _tell_devices(chat, room, member, unread_in_tail(room, member.user, member.read_seq))
        else:
            name = f"unread {member.user.id}"
            chat.tasks.spawn(_count_and_tell(chat, room, member), name=name)


def unread_in_tail(room: Room, user: User, seq: int) -> Unread:
    """What ``user`` has not read above ``seq``, which is not below the tail's floor."""
    if seq >= room.head:
        return Unread(0, 0)
    name = fold_name(user.name)
    states = [
        state
        for state in room.tail.newest_states()
        if state.seq > seq and state.sender_id != user.id and state.deleted_at is None
    ]
    mentions = sum(name in state.mentions for state in states)
    return Unread(min(len(states), UNREAD_LIMIT), min(mentions, UNREAD_LIMIT))


async def _count_and_tell(chat: Context, room: Room, member: Member) -> None:
    room_id, user = room.record.room_id, member.user
    with chat.changes.during(user.id) as changes:
        try:
            await chat.ask(room.backlog.written())
            found = await chat.ask(chat.storage.messages.unread(user, [(room_id, member.read_seq)], limit=UNREAD_LIMIT))
        except ParleyError:
            return  # storage is away; `rooms` tells the counts when it is back
        if not changes.lost_access(room_id):
            _tell_devices(chat, room, member, found.get(room_id, Unread(0, 0)))


def _tell_devices(chat: Context, room: Room, member: Member, unread: Unread) -> None:
    told = Read(room=room.name, user=member.user, seq=member.read_seq, unread=unread.messages, mentions=unread.mentions)
    chat.tell(member.user.id, told)
