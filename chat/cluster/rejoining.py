"""Take the sessions of a previous owner into a room: if nothing was lost, their clients notice nothing."""

import asyncio
from collections.abc import Coroutine, Hashable, Sequence
from typing import Any, NamedTuple

from chat.cluster.mirrors import Returning
from chat.cluster.stubs import send_together
from chat.handlers.join import admit, can_recover, may_resume, snapshot
from chat.queries.resume import CHUNK_SHARE, replay
from chat.rooms import members
from chat.rooms.access import check_entry, is_row_known
from chat.rooms.loading import load
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask
from chat.rooms.tail import kept_bytes
from model.commands import Join
from model.errors import REFUSED, ParleyError
from model.events import AnyEvent, Deleted, Edited, Joined, Left, Synced
from model.message import Message
from model.permissions import Standing
from model.principals import kind_of
from model.text import may_be_made
from storage.ports.errors import Forgotten
from utils.backoff import Backoff
from utils.encoding import EncodedOnce

# Messages that a client is sent without notice, or that one which cannot resume is sent at most.
MISSED = 200
# Rows of members that are read together: of a large room, some thousand are needed.
ROWS_AT_ONCE = 500
# Longest pause before storage is asked again: commands wait for that.
RETRY_CAP = 1.0
# How long users whose clients do not return count as present, at least: as long as if their connections had been lost.
RETURN_SECONDS = 3.0
# Reasons of `left` for the codes of errors; "kicked" for all others.
REASONS = {"banned": "banned", "reserved_name": "name"}


class Replay(NamedTuple):
    """What a client missed in a room, to be sent at its pace; see `chat.queries.resume.replay`."""

    session: Session
    command: Join
    work: Coroutine[Any, Any, None]


async def rejoin(parts: Parts, returning: Returning, *, complete: bool) -> list[Replay]:
    """Enter a room for sessions that were in it at a previous owner, however long storage is unavailable.

    Does nothing once all of them have disconnected, or another server has the rooms. The replays are to be begun before
    anything else happens.

    Args:
        complete: apart from the room's log, they have received everything that was sent to it before this tenure.
    """
    name, sessions = returning.room, returning.everybody()
    tenure, backoff = parts.hub.tenure, Backoff(cap=RETRY_CAP)
    while parts.hub.tenure == tenure and not all(session.ended for session in sessions):
        try:
            room = await load(parts, name)  # it counts for no one: who caused it to be loaded first is forgotten
            with members.pinned(parts, room):
                try:
                    await _fetch_rows(parts, room, sessions)
                    missed = await _find_missed(parts, room, returning, complete=complete)
                    return _enter_all(parts, room, returning, missed)
                finally:
                    for session in sessions:
                        if session.identity is not None:
                            room.forget(session.user.id)  # it may have disconnected
        except ParleyError as error:
            if not error.kind.retryable:
                raise
            await asyncio.sleep(backoff.next())
    return []


async def _fetch_rows(parts: Parts, room: Room, sessions: Sequence[Session]) -> None:
    here = [session for session in sessions if not session.ended]
    unknown = list({session.user.id for session in here if not is_row_known(parts, room, session.actor.identity)})
    for start in range(0, len(unknown), ROWS_AT_ONCE):
        for row in await members.fetch_together(parts, room, unknown[start : start + ROWS_AT_ONCE]):
            if row.user.id not in room.members:
                members.cache(parts, room, row)


class _Missed(NamedTuple):
    """What the sessions missed.

    Attributes:
        recovered: clients can have all of it without loading the room again.
        few: all messages of it, if these are little.
        silently: ``few`` is all of it, and sent like any new message.
        plain: the messages of it that clients which cannot resume are sent.
    """

    recovered: bool
    few: list[Message] | None
    silently: bool
    plain: list[Message]


async def _find_missed(parts: Parts, room: Room, returning: Returning, *, complete: bool) -> _Missed:
    head = returning.head
    resuming = _resuming(returning)
    recovered = await can_recover(parts, room, resuming)
    plain: list[Message] = []
    if head < room.tail.floor and not all(session.dialect.welcomes for session in returning.everybody()):
        read = parts.storage.messages.changed(room.record, after=head, until=room.tail.floor, limit=MISSED)
        try:
            plain = await ask(parts, read)
        except Forgotten:
            pass
    recovered = recovered and may_resume(parts, room, resuming)
    few = room.tail.few_since(head, MISSED) if recovered else None
    if few is not None and sum(map(kept_bytes, few)) * CHUNK_SHARE > parts.hub.slow_high:
        few = None
    silently = few is not None and complete and not room.has_news and all(state.version == state.seq for state in few)
    return _Missed(recovered, few, silently, plain + room.tail.since(max(head, room.tail.floor)))


def _enter_all(parts: Parts, room: Room, returning: Returning, missed: _Missed) -> list[Replay]:
    """Add the sessions to the room, then send each what it missed."""
    new = [one for one in returning.everybody() if not one.ended and room.name not in one.rooms]
    if new and returning.people:
        room.presence.expect(returning.people, max(RETURN_SECONDS, parts.options.presence_grace))
    entered = {one: standing for one in new if (standing := _enter_again(parts, one, room)) is not None}
    room.audience.flush()
    catching_up = _CatchingUp()
    behind = set(returning.behind)
    for one, standing in entered.items():
        _catch_up(parts, one, room, standing, missed, catching_up, behind=one in behind)
    catching_up.send(room, returning.head, missed)
    return [Replay(one, _resuming(returning), replay(parts, one, room, returning.head)) for one in catching_up.replayed]


class _CatchingUp:
    """The sessions of one room, by what they are sent: whatever is the same for many is encoded and sent once.

    Attributes:
        snapshots: a snapshot, and whom it is for, by what differs.
        silent: those that are sent what they missed like new messages.
        synced: those that are sent it after their snapshot.
        replayed: those that are sent it at their pace.
        plain: those that cannot resume.
    """

    def __init__(self) -> None:
        self.snapshots: dict[Hashable, tuple[Joined, list[Session]]] = {}
        self.silent: list[Session] = []
        self.synced: list[Session] = []
        self.replayed: list[Session] = []
        self.plain: list[Session] = []

    def joined(self, session: Session, joined: Joined) -> None:
        """Send a session a snapshot of the room."""
        differs = (joined.recovered, joined.role, joined.read, joined.peer)
        self.snapshots.setdefault(differs, (joined, []))[1].append(session)

    def send(self, room: Room, head: int, missed: _Missed) -> None:
        """Send everything; ``head`` is up to where all have received the room's log."""
        if self.snapshots:
            users = bytes(EncodedOnce.of(room.presence.members()).as_json())
            send_together([((joined,), sessions) for joined, sessions in self.snapshots.values()], common=users)
        few = missed.few or ()
        changes = [event for state in missed.plain if (event := _change(state, head)) is not None]
        synced = Synced(room=room.name, head=room.head)
        send_together([(few, self.silent), ((*few, synced), self.synced), (changes, self.plain)])


def _enter_again(parts: Parts, session: Session, room: Room) -> Standing | None:
    """Add a session to the room; None if it must not be there. No one sees it enter: the others know it to be here."""
    # Deleted since the owner changed; or a direct room that was not stored, which no user may make by entering it.
    deleted = not room.stored and (parts.hub.has_new_epoch(room) or not may_be_made(room.name))
    try:
        standing = None if deleted else _standing(parts, session, room)
    except ParleyError as error:
        _keep_out(session, room, REASONS.get(error.code, "kicked"))
        return None
    if standing is None:
        _keep_out(session, room, "deleted")
        return None
    session.rooms[room.name] = room
    room.presence.enter_again(session, session.user)
    return standing


def _keep_out(session: Session, room: Room, reason: str) -> None:
    """Tell a client that it is in the room no longer."""
    session.send(Left(room=room.name, reason=reason))
    if session.remote is not None:
        session.remote.detach(room, session)
    if session.dialect.bound_to_address:
        session.close(REFUSED)


def _standing(parts: Parts, session: Session, room: Room) -> Standing:
    """Return the standing of a session in the room that it is to enter. A membership that was lost is renewed.

    Raises:
        ParleyError: it must not enter.
    """
    row = room.members.get(session.user.id)
    if room.was_removed(session.user.id) and (row is None or row.role is None):
        raise ParleyError("forbidden")
    try:
        return admit(parts, session, room, row)
    except ParleyError as error:
        if not error.kind.retryable:
            raise
        return check_entry(parts, room, row, session.actor)


def _catch_up(
    parts: Parts,
    session: Session,
    room: Room,
    standing: Standing,
    missed: _Missed,
    catching_up: _CatchingUp,
    *,
    behind: bool,
) -> None:
    """Deliver to a session from now on, after what it missed, which it is sent at once or as a replay."""
    if not session.dialect.welcomes:
        room.audience.add(session)
        catching_up.plain.append(session)
        return
    recovered = missed.recovered and not behind
    room.audience.add(session, syncing=recovered and missed.few is None)
    if recovered and missed.silently:
        catching_up.silent.append(session)
        return
    catching_up.joined(session, snapshot(parts, session, room, standing, recovered=recovered))
    if recovered:
        (catching_up.replayed if missed.few is None else catching_up.synced).append(session)


def _resuming(returning: Returning) -> Join:
    return Join(room=returning.room, since=returning.head, epoch=returning.epoch)


def _change(state: Message, head: int) -> AnyEvent | None:
    """Return the newest state of a message for a client that cannot resume, and has received all up to ``head``."""
    if state.seq > head:
        return state if state.deleted_at is None else None
    if state.deleted_at is not None:
        return Deleted(state.room, state.seq, state.version, state.sender, state.deleted_at)
    if state.edited_at is not None and state.version > head:
        return Edited(
            state.room,
            state.seq,
            state.version,
            state.sender,
            state.content,
            state.edited_at,
            state.mentions,
            kind_of(state.author_id),
        )
    return None
