"""Read cursors: a cursor is raised in the room at once, and broadcast and stored at most once a second."""

from functools import partial

from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask, store
from model.errors import ParleyError
from model.events import Read
from model.limits import UNREAD_LIMIT
from model.room import Member, User
from model.text import fold_name
from storage.ports.messages import Unread
from storage.ports.rooms import SetMember

# Cursors are broadcast in rooms of at most this many users.
READERS = 50


def raise_cursor(parts: Parts, room: Room, member: Member) -> None:
    """Cache a row with a higher cursor; it is broadcast and stored soon."""
    room.members[member.user.id] = member
    parts.cursors.add(room, member.user.id, partial(flush_cursors, parts))


def flush_cursors(parts: Parts) -> None:
    """Broadcast and store all raised cursors now."""
    for room, member in parts.cursors.take():
        broadcast_cursor(parts, room, member)
        store(parts, room, SetMember(room.record.room_id, member))


def broadcast_cursor(parts: Parts, room: Room, member: Member) -> None:
    """Broadcast a cursor if the room is small, and send it with the unread counts to the user's own sessions."""
    if len(room.presence.people) <= READERS:
        room.publish_news(Read(room=room.name, user=member.user, seq=member.read_seq), ephemeral=True)
    unread = unread_in_tail(room, member.user, member.read_seq) if member.read_seq >= room.tail.floor else None
    if unread is not None and not unread.mentions:
        _tell_devices(parts, room, member, unread)
    else:  # only storage knows whose mentions do not count
        parts.tasks.spawn(_count_and_tell(parts, room, member), name=f"unread {member.user.id}")


def unread_in_tail(room: Room, user: User, seq: int) -> Unread:
    """Count the messages above ``seq`` that ``user`` has not read; ``seq`` is not below the tail's floor.

    Mentions by users whom the user blocks are counted, too: if there are any, ask storage.
    """
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


async def _count_and_tell(parts: Parts, room: Room, member: Member) -> None:
    room_id, user = room.record.room_id, member.user
    with parts.changes.during(user.id) as changes:
        try:
            await ask(parts, room.backlog.written())
            cursors = [(room_id, member.read_seq)]
            found = await ask(parts, parts.storage.messages.unread(user, cursors, limit=UNREAD_LIMIT))
        except ParleyError:
            return  # storage is unavailable; `rooms` has the counts later
        row, loaded = changes.rows.get(room_id, member), parts.hub.room_of(room.record)
        if loaded is not None:
            row = loaded.members.get(user.id, row)
        # Not if it was raised again, which the devices receive separately, or reset by a removal from the room.
        if row.read_seq == member.read_seq and room_id not in changes.gone:
            _tell_devices(parts, room, member, found.get(room_id, Unread(0, 0)))


def _tell_devices(parts: Parts, room: Room, member: Member, unread: Unread) -> None:
    parts.directory.tell(
        member.user.id,
        Read(room=room.name, user=member.user, seq=member.read_seq, unread=unread.messages, mentions=unread.mentions),
    )
