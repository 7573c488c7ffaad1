"""A batch as statements: one transaction, one statement for each run of writes of a kind."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from itertools import groupby
from typing import Any

from model.message import Message, body_hash
from model.room import RoomRecord
from storage.ports.messages import FIRST, ChangeMessage, CutWords, ExpireMessages, InsertMessage
from storage.ports.outcomes import NO_ROOM, STORED, Duplicate, Outcome, Refused, Removed, WordsCut
from storage.ports.rooms import ExpireGuests, ExpireInvitations, InsertRoom, RemoveMember, SetMember, UpdateRoom
from storage.ports.storage import Write
from storage.postgres.connection.session import Connection
from storage.postgres.sql import expiry as sql_expiry
from storage.postgres.sql import messages as sql
from storage.postgres.sql import rooms as sql_rooms
from storage.postgres.write.rows import Key, change_row, member_row, message_row, room_row, rows, words_row
from utils.clock import DAY_US
from utils.turns import Turns

log = logging.getLogger(__name__)

# Rooms that a connection has seen in the table, so that it looks each one up once. Above this many it starts again.
_KNOWN_ROOMS = 100_000
# Rooms with messages that are due, looked at in one go, and how often in one write: nobody has looked at new rooms yet,
# and when a rule is new there may be a million of them.
_DUE_ROOMS = 1000
_DUE_ROUNDS = 20

_BySeq = dict[tuple[int, int], tuple[str, str | None, int]]
_ById = dict[tuple[int, str, str], tuple[int, int]]


class Store:
    """Writes batches through the connection it is given, and knows which rooms that connection has seen."""

    def __init__(self) -> None:
        self._known_rooms: set[int] = set()
        self._store: dict[type, Callable[[Connection, list[Any]], Awaitable[list[Outcome]]]] = {
            InsertRoom: self._insert_rooms,
            UpdateRoom: self._update_rooms,
            SetMember: self._set_members,
            RemoveMember: self._remove_members,
            InsertMessage: self._insert_messages,
            ChangeMessage: self._change_messages,
            ExpireMessages: self._expire_messages,
            ExpireInvitations: self._expire_invitations,
            ExpireGuests: self._expire_guests,
            CutWords: self._cut_words,
        }

    def forget_rooms(self) -> None:
        """Look every room up again: the connection is another one, or what it had seen was undone."""
        self._known_rooms.clear()

    async def write(self, connection: Connection, batch: Sequence[Write]) -> list[Outcome]:
        """See `storage.ports.storage.Writer.write`. Raises what psycopg raises."""
        runs = _runs(batch)
        if len(runs) == 1:
            # A statement is a transaction by itself; BEGIN and COMMIT would be two more round trips. What a look-up
            # finds after it is durable too.
            return await self._store[type(runs[0][0])](connection, runs[0])
        outcomes: list[Outcome] = []
        async with connection.transaction():
            for run in runs:
                outcomes += await self._store[type(run[0])](connection, run)
        return outcomes

    # --- rooms -----------------------------------------------------------------------------------------------------

    async def _insert_rooms(self, connection: Connection, run: list[InsertRoom]) -> list[Outcome]:
        return await self._make_rooms(connection, [write.room for write in run])

    async def _make_rooms(self, connection: Connection, rooms: list[RoomRecord]) -> list[Outcome]:
        await connection.execute(sql_rooms.INSERT_ROOMS, rows(list(map(room_row, rooms))))
        there = await _find_rooms(connection, [room.room_id for room in rooms])
        outcomes: list[Outcome] = []
        for room in rooms:
            name = there.get(room.room_id)
            if name == room.name:
                self._known_rooms.add(room.room_id)
                outcomes.append(STORED)
                continue
            if name is None:
                reason = f"the name {room.name!r} belongs to another room than {room.room_id}"
            else:
                reason = f"room {room.room_id} is named {name!r} already, not {room.name!r}"
            outcomes.append(_refuse(reason))
        return outcomes

    async def _update_rooms(self, connection: Connection, run: list[UpdateRoom]) -> list[Outcome]:
        new = rows([room_row(write.room) for write in run])
        deleted = [write.room.room_id for write in run if write.room.deleted_at is not None]
        if deleted:
            async with connection.transaction():
                cursor = await connection.execute(sql_rooms.UPDATE_ROOMS, new)
                await connection.execute(sql_rooms.REMOVE_ALL_MEMBERS, {"rooms": deleted})
        else:
            cursor = await connection.execute(sql_rooms.UPDATE_ROOMS, new)
        return await _of_rooms(connection, [write.room.room_id for write in run], cursor.rowcount)

    # --- members ---------------------------------------------------------------------------------------------------

    async def _set_members(self, connection: Connection, run: list[SetMember]) -> list[Outcome]:
        new = [member_row(place, write) for place, write in enumerate(run)]
        cursor = await connection.execute(sql_rooms.SET_MEMBERS, rows(new))
        # What is missing belongs to a deleted room, or to none.
        return await _of_rooms(connection, [write.room_id for write in run], cursor.rowcount)

    async def _remove_members(self, connection: Connection, run: list[RemoveMember]) -> list[Outcome]:
        await connection.execute(sql_rooms.REMOVE_MEMBERS, rows(run))
        return [STORED] * len(run)

    # --- messages --------------------------------------------------------------------------------------------------

    async def _insert_messages(self, connection: Connection, run: list[InsertMessage]) -> list[Outcome]:
        missing = await self._look_for_rooms(connection, {write.room_id for write in run} - self._known_rooms)
        known = [write for write in run if write.room_id not in missing] if missing else run
        if not known:
            return [NO_ROOM] * len(run)
        cursor = await connection.execute(sql.INSERT_MESSAGES, rows(await _in_turns(message_row, known)))
        if cursor.rowcount == len(run):
            return [STORED] * len(run)
        # Not RETURNING: it could not tell which of two rows with the same seq was the one that went in.
        found = await _look_up(connection, known)
        return [
            NO_ROOM if write.room_id in missing else _outcome(write.room_id, write.message, *found) for write in run
        ]

    async def _look_for_rooms(self, connection: Connection, strangers: set[int]) -> set[int]:
        """Look rooms up that this connection has not seen. Returns those that are not there."""
        if not strangers:
            return strangers
        there = await _find_rooms(connection, list(strangers))
        if len(self._known_rooms) > _KNOWN_ROOMS:
            self._known_rooms.clear()
        self._known_rooms.update(there)
        return strangers - there.keys()

    async def _change_messages(self, connection: Connection, run: list[ChangeMessage]) -> list[Outcome]:
        cursor = await connection.execute(sql.CHANGE_MESSAGES, rows(await _in_turns(change_row, run)))
        if cursor.rowcount == len(run):
            return [STORED] * len(run)
        # What is missing was changed later, or by this very write that is repeated; or there is no such message.
        keys = [Key(change.room_id, change.seq, "", None) for change in run]
        found = await _all(connection, sql.FIND_BY_SEQ, rows(keys))
        there = {(room_id, seq) for room_id, seq, *_ in found}
        return [
            STORED
            if (change.room_id, change.seq) in there
            else _refuse(f"there is no message at seq {change.seq} of room {change.room_id}")
            for change in run
        ]

    async def _expire_messages(self, connection: Connection, run: list[ExpireMessages]) -> list[Outcome]:
        return [Removed(await _expire(connection, write)) for write in run]

    async def _expire_invitations(self, connection: Connection, run: list[ExpireInvitations]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for write in run:
            values = {"until": write.until, "limit": write.limit}
            outcomes.append(Removed((await connection.execute(sql_rooms.REMOVE_OLD_INVITATIONS, values)).rowcount))
        return outcomes

    async def _expire_guests(self, connection: Connection, run: list[ExpireGuests]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for write in run:
            values = {"until": write.until, "now": write.now_us, "present": list(write.present), "limit": write.limit}
            outcomes.append(Removed((await connection.execute(sql_rooms.REMOVE_OLD_GUESTS, values)).rowcount))
        return outcomes

    async def _cut_words(self, connection: Connection, run: list[CutWords]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for write in run:
            left = None
            if write.after == FIRST:
                ((left,),) = await _all(connection, sql.COUNT_OLD_WORDS, {})
            room_id, seq = write.after
            old = await _all(connection, sql.OLD_WORDS, {"room_id": room_id, "seq": seq, "limit": write.limit})
            if old:
                await connection.execute(sql.CUT_WORDS, rows(await _in_turns(words_row, old)))
            outcomes.append(WordsCut(old[-1][:2] if old else None, left))
        return outcomes


async def _expire(connection: Connection, write: ExpireMessages) -> int:
    """Some rooms at a time, each of which is not due any more when all that was due in it is gone."""
    removed = 0
    values: dict[str, Any] = {
        "now": write.now_us,
        "cutoff": write.now_us - write.days * DAY_US if write.days > 0 else -1,
    }
    for _ in range(_DUE_ROUNDS):
        values["rooms_at_once"] = min(_DUE_ROOMS, write.limit - removed)
        values["rooms"] = [room_id for (room_id,) in await _all(connection, sql_expiry.ROOMS_DUE, values)]
        if not values["rooms"]:
            break
        values["limit"] = write.limit - removed
        removed += (await connection.execute(sql_expiry.REMOVE_DUE, values)).rowcount
        await connection.execute(sql_expiry.NOTE_OLDEST, values)
        if removed >= write.limit:
            break
    return removed


async def _in_turns(make: Callable[[Any], Any], writes: Sequence[Any]) -> list[Any]:
    """Their rows. The words of a long message take a millisecond or two, and a batch may have hundreds of them."""
    made: list[Any] = []
    turns = Turns()
    for write in writes:
        made.append(make(write))
        await turns.give()
    return made


async def _look_up(connection: Connection, run: list[InsertMessage]) -> tuple[_BySeq, _ById]:
    keys = [Key(write.room_id, write.message.seq, write.message.sender_id, write.message.id) for write in run]
    by_seq: _BySeq = {}
    for room_id, seq, sender_id, client_id, content, kept in await _all(connection, sql.FIND_BY_SEQ, rows(keys)):
        by_seq[room_id, seq] = (sender_id, client_id, sql.first_body(content, kept))
    by_id: _ById = {}
    for room_id, seq, sender_id, client_id, content, kept in await _all(connection, sql.FIND_BY_ID, rows(keys)):
        by_id[room_id, sender_id, client_id] = (seq, sql.first_body(content, kept))
    return by_seq, by_id


def _outcome(room_id: int, message: Message, by_seq: _BySeq, by_id: _ById) -> Outcome:
    body = body_hash(message.content)
    there = by_seq.get((room_id, message.seq))
    if there == (message.sender_id, message.id, body):
        return STORED
    if message.id is not None:
        earlier = by_id.get((room_id, message.sender_id, message.id))
        if earlier is not None and earlier[0] != message.seq:
            return Duplicate(earlier[0], earlier[1] == body)
    if there is None:
        return _refuse(f"seq {message.seq} of room {room_id} was not stored, and nothing is in its place")
    return _refuse(f"another message is at seq {message.seq} of room {room_id}")


async def _of_rooms(connection: Connection, room_ids: list[int], written: int) -> list[Outcome]:
    """What became of writes that a room takes as long as it is there."""
    if written == len(room_ids):
        return [STORED] * written
    there = await _find_rooms(connection, room_ids)
    return [STORED if room_id in there else NO_ROOM for room_id in room_ids]


async def _find_rooms(connection: Connection, room_ids: list[int]) -> dict[int, str]:
    return dict(await _all(connection, sql_rooms.FIND_ROOMS, {"rooms": room_ids}))


async def _all(connection: Connection, text: bytes, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(text, values)).fetchall()


def _refuse(reason: str) -> Refused:
    log.error("a write was refused: %s", reason)
    return Refused(reason)


# --- runs ----------------------------------------------------------------------------------------------------------

# What a write puts in the place of something else, which may happen once in a statement.
_TARGETS: dict[type, Callable[[Any], Hashable]] = {
    UpdateRoom: lambda write: write.room.room_id,
    SetMember: lambda write: (write.room_id, write.member.user.id),
    ChangeMessage: lambda write: (write.room_id, write.seq),
}


def _runs(batch: Sequence[Write]) -> list[list[Any]]:
    """Writes of one kind in a row, a statement each; nothing is changed twice in one of them."""
    runs: list[list[Any]] = []
    for kind, group in groupby(batch, type):
        run: list[Any] = list(group)
        target = _TARGETS.get(kind)
        runs += [run] if target is None else _each_once(run, target)
    return runs


def _each_once(writes: list[Any], target: Callable[[Any], Hashable]) -> list[list[Any]]:
    runs: list[list[Any]] = [[]]
    seen: set[Hashable] = set()
    for write in writes:
        key = target(write)
        if key in seen:
            runs.append([])
            seen.clear()
        seen.add(key)
        runs[-1].append(write)
    return runs
