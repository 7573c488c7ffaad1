"""Take the sessions of a previous owner into a room: if nothing was lost, their clients notice nothing."""

import asyncio
from collections.abc import Collection, Sequence

from chat.handlers.join import peer_of
from chat.rooms import members
from chat.rooms.access import check_entry, is_row_known
from chat.rooms.loading import load
from chat.rooms.makers import opener_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask
from model.errors import ParleyError
from model.events import Joined, Left
from model.message import Message
from storage.ports.errors import Forgotten
from utils.backoff import Backoff

# Messages that a client which cannot resume is sent at most, when the owner has changed.
MISSED = 200


async def rejoin(
    parts: Parts, name: str, head: int, epoch: str, sessions: Sequence[Session], behind: Collection[Session]
) -> None:
    """Enter a room for sessions that were in it at the previous owner, however long storage is unavailable.

    Does nothing once all of them have disconnected, or another server has the rooms.

    Args:
        head: up to where they have received the room's log; not those in ``behind``, who were resuming.
        epoch: of the previous owner.
    """
    tenure, backoff = parts.hub.tenure, Backoff()
    while parts.hub.tenure == tenure and not all(session.ended for session in sessions):
        try:
            room = await load(parts, name, opener_of(sessions[0].actor))
            with members.pinned(parts, room):
                await _fetch_rows(parts, room, sessions)
                in_step = epoch == parts.hub.epoch_of(room) and head >= room.tail.floor
                missed: list[Message] = []
                if not in_step and not all(session.dialect.welcomes for session in sessions):
                    missed = await _missed(parts, room, head)
                missed += room.tail.since(max(head, room.tail.floor))
                for session in sessions:
                    if not session.ended and name not in session.rooms:
                        _enter_again(parts, session, room, missed, resumed=in_step and session not in behind)
        except ParleyError as error:
            if not error.kind.retryable:
                raise
            await asyncio.sleep(backoff.next())
        else:
            return


async def _fetch_rows(parts: Parts, room: Room, sessions: Sequence[Session]) -> None:
    for session in sessions:
        if not session.ended and not is_row_known(parts, room, session.actor.identity):
            row = await members.fetch(parts, room, session.user.id)
            if row is not None and session.user.id not in room.members:
                members.cache(parts, room, row)


async def _missed(parts: Parts, room: Room, head: int) -> list[Message]:
    """Return what storage has above ``head``, for clients that cannot resume."""
    read = parts.storage.messages.changed(room.record, after=head, until=room.tail.floor, limit=MISSED)
    try:
        return [state for state in await ask(parts, read) if state.deleted_at is None]
    except Forgotten:
        return []


def _enter_again(parts: Parts, session: Session, room: Room, missed: Sequence[Message], *, resumed: bool) -> None:
    """Add a session to the room. No one sees it enter: the others know that its user is here.

    With ``resumed`` it has everything but ``missed``. Otherwise a client that can resume learns that it must load the
    room again, and any other is sent what it missed.
    """
    row = room.members.get(session.user.id)
    try:
        standing = check_entry(parts, room.record, row, session.actor.identity)
    except ParleyError:
        session.send(Left(room=room.name, reason="kicked"))
        if session.remote is not None:
            session.remote.detach(room, session)
        return
    room.audience.flush()
    session.rooms[room.name] = room
    if resumed or not session.dialect.welcomes:
        session.send(*missed)
    room.audience.add(session)
    room.presence.enter_again(session, session.user)
    if not resumed and session.dialect.welcomes:
        joined = Joined(
            room=room.name,
            epoch=parts.hub.epoch_of(room),
            head=room.head,
            recovered=False,
            role=standing,
            members=room.presence.members(),
            count=len(room.presence.people),
            info=room.info,
            read=row.read_seq if row is not None else 0,
            peer=peer_of(room, session.user.id),
        )
        session.send(joined)
