"""``join`` and ``leave``."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from chat.context import RETRY_AFTER, Context
from chat.handlers.access import joined_room
from chat.resume import replay
from model.commands import Join, Leave
from model.errors import ParleyError
from model.events import Joined, Left
from model.text import check_name

if TYPE_CHECKING:
    from chat.room import Room
    from chat.session import Session


def join(chat: Context, session: Session, command: Join) -> Awaitable[None] | None:
    """Enter a room and get a snapshot of it; with ``since``, what was missed before anything new."""
    name = check_name(command.room, "room")
    if name not in session.rooms and len(session.rooms) >= chat.limits.max_rooms:
        raise ParleyError("too_many_rooms")
    if chat.repository.another_writes():  # also into a room that still waits to be stored here
        raise ParleyError("unavailable", retry_after=RETRY_AFTER)
    room = chat.hub.rooms.get(name)
    if room is None or command.since is not None:
        return _join_later(chat, session, command, name)
    _enter(chat, session, command, room, recovered=True, syncing=False)
    return None


async def _join_later(chat: Context, session: Session, command: Join, name: str) -> None:
    room, recovered = await _load(chat, command, name)
    if session.ended:
        chat.hub.free(room)
        return
    syncing = recovered and command.since is not None
    _enter(chat, session, command, room, recovered=recovered, syncing=syncing)
    if syncing and command.since is not None:
        await replay(chat, session, room, command.since)


async def _load(chat: Context, command: Join, name: str) -> tuple[Room, bool]:
    """The ready room, and whether everything since ``since`` can be brought; nothing awaited in between."""
    while True:
        room = await chat.load(name)
        since = command.since
        if since is None:
            return room, True
        if command.epoch != chat.hub.epoch_of(room) or since > room.head:
            return room, False
        limit, floor = chat.limits.resume_limit, room.tail.floor
        missed = len(room.tail.since(since))
        if since >= floor:
            return room, missed <= limit
        count = chat.repository.count_changed(room.record.room_id, after=since, until=floor, limit=limit + 1)
        try:
            missed += await chat.ask(count)
        except Exception:
            chat.hub.free(room)
            raise
        # While storage counted, the room may have been forgotten, or have taken back what the client has seen.
        if chat.hub.rooms.get(name) is room and command.epoch == chat.hub.epoch_of(room):
            return room, missed <= limit


def _enter(chat: Context, session: Session, command: Join, room: Room, *, recovered: bool, syncing: bool) -> None:
    if room.name not in session.rooms:
        room.enter(session, syncing=syncing)
    else:
        room.audience.flush()  # what was said before this snapshot comes before it
        if syncing:
            room.audience.discard(session)
            room.audience.add(session, syncing=True)
    if command.since is not None:
        chat.counters.resumes[recovered] += 1
    # Not `reply`: what the room has queued by now came after this snapshot.
    session.send(
        Joined(
            id=command.id,
            room=room.name,
            epoch=chat.hub.epoch_of(room),
            head=room.head,
            recovered=recovered,
            role=chat.options.guest_role,
            members=room.presence.members(),
            count=len(room.presence.people),
        )
    )


def leave(chat: Context, session: Session, command: Leave) -> None:
    """Leave a room."""
    room = joined_room(session, command.room)
    chat.hub.leave(room, session)
    session.reply(Left(id=command.id, room=room.name))
