"""Store a batch: one transaction, with one statement for each run of writes of one kind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from psycopg.pq import TransactionStatus

from model.message import body_hash
from model.room import RoomRecord
from storage.ports.messages import FIRST, ChangeMessage, CutWords, EraseDeleted, ExpireMessages, InsertMessage
from storage.ports.rooms import (
    ExpireGuests,
    ExpireInvitations,
    ExpireSanctions,
    InsertRoom,
    RemoveMember,
    SetMember,
    SetSanction,
    UpdateRoom,
)
from storage.ports.storage import NO_ROOM, STORED, Duplicate, Outcome, Refused, Removed, WordsCut, Write, entries_of
from storage.postgres.connection.audit import logging_entries, record
from storage.postgres.connection.prepared import Prepared
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import erasing, expiry, messages
from storage.postgres.sql import rooms as sql_rooms
from storage.postgres.sql import sanctions as sql_sanctions
from storage.postgres.sql.messages import PostedRow
from storage.postgres.write.rows import (
    Values,
    change_row,
    member_row,
    message_row,
    room_row,
    rows,
    words_row,
)
from storage.postgres.write.runs import split
from utils.clock import DAY_US, rfc3339
from utils.encoding import to_json

log = logging.getLogger(__name__)

# Rooms that a connection remembers as stored, so that it looks up each one once. Above this many it forgets them all.
_KNOWN_ROOMS = 100_000
# How many rooms with expired messages are examined at once, and how often in one write: after a change of the retention
# a million rooms may have some.
_DUE_ROOMS = 1000
_DUE_ROUNDS = 20
# The writes that may have an audit entry.
_AUDITED = (UpdateRoom, SetMember, RemoveMember, ChangeMessage)
# How long rows are made before the event loop may run other work.
_SLICE_SECONDS = 0.002

_Run = Callable[[Connection, list[Any]], Awaitable[list[Outcome]]]


class Store:
    """Writes batches through one connection, and remembers which rooms that connection has seen."""

    def __init__(self) -> None:
        self._known_rooms: set[int] = set()
        self._prepared: Prepared | None = None
        self._runs: dict[type, _Run] = {
            InsertRoom: self._insert_rooms,
            UpdateRoom: _update_rooms,
            SetMember: _set_members,
            RemoveMember: _remove_members,
            SetSanction: _set_sanctions,
            InsertMessage: self._insert_messages,
            ChangeMessage: _change_messages,
            ExpireMessages: partial(_one_by_one, _expire_messages),
            EraseDeleted: partial(_one_by_one, _erase_deleted),
            ExpireInvitations: partial(_one_by_one, partial(_expire_members, expiry.REMOVE_OLD_INVITATIONS)),
            ExpireGuests: partial(_one_by_one, partial(_expire_members, expiry.REMOVE_OLD_GUESTS)),
            ExpireSanctions: partial(_one_by_one, partial(_expire_members, sql_sanctions.EXPIRE_SANCTIONS)),
            CutWords: partial(_one_by_one, _cut_words),
        }

    def begin_again(self) -> None:
        """Write through another connection from now on."""
        self._known_rooms.clear()
        self._prepared = None

    def forget_rooms(self) -> None:
        """Look up every room again: the last transaction was rolled back."""
        self._known_rooms.clear()

    async def write(self, connection: Connection, batch: Sequence[Write]) -> list[Outcome]:
        """Carry out `storage.ports.storage.Writer.write`. Raises what psycopg raises."""
        runs = split(batch)
        audited = any(type(batch[run[0]]) in _AUDITED and _has_entry(batch[place] for place in run) for run in runs)
        if len(runs) == 1 and not audited:
            # A single statement is a transaction by itself; BEGIN and COMMIT would be two more round trips. Whatever a
            # look-up finds afterwards is durable too.
            return await self._runs[type(batch[0])](connection, list(batch))
        outcomes: dict[int, Outcome] = {}
        with logging_entries():
            async with connection.transaction():
                for run in runs:
                    found = await self._runs[type(batch[run[0]])](connection, [batch[place] for place in run])
                    outcomes.update(zip(run, found, strict=True))
                ordered = [outcomes[place] for place in range(len(batch))]
                if audited:
                    await record(connection, entries_of(batch, ordered))
        return ordered

    async def _insert_rooms(self, connection: Connection, run: list[InsertRoom]) -> list[Outcome]:
        await connection.execute(sql_rooms.INSERT_ROOMS, rows([room_row(write.room) for write in run]))
        names = await _find_rooms(connection, [write.room.room_id for write in run])
        return [self._inserted(write.room, names.get(write.room.room_id)) for write in run]

    def _inserted(self, room: RoomRecord, name: str | None) -> Outcome:
        if name == room.name:
            self._known_rooms.add(room.room_id)
            return STORED
        if name is None:
            return _refuse(f"the name {room.name!r} belongs to another room than {room.room_id}")
        return _refuse(f"room {room.room_id} is named {name!r} already, not {room.name!r}")

    async def _insert_messages(self, connection: Connection, run: list[InsertMessage]) -> list[Outcome]:
        missing = await self._missing_rooms(connection, {write.room_id for write in run} - self._known_rooms)
        known = [write for write in run if write.room_id not in missing] if missing else run
        if not known:
            return [NO_ROOM] * len(run)
        new = await _in_turns(message_row, known)
        if await self._insert(connection, new) == len(run):
            return [STORED] * len(run)
        # Not RETURNING: it could not tell which of two rows with the same seq was inserted.
        keys = rows(new)
        by_seq = {row[:2]: PostedRow(*row) for row in await fetch_all(connection, messages.FIND_BY_SEQ, keys)}
        by_id = {(row[0], *row[2:4]): PostedRow(*row) for row in await fetch_all(connection, messages.FIND_BY_ID, keys)}
        return [NO_ROOM if write.room_id in missing else _outcome(write, by_seq, by_id) for write in run]

    async def _insert(self, connection: Connection, new: list[Values | Struct]) -> int:
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            # After a rollback psycopg deallocates all statements of a session, and then knows that of its cursors only.
            return (await connection.execute(messages.INSERT_MESSAGES, rows(new))).rowcount
        if self._prepared is None:
            self._prepared = Prepared(connection, messages.INSERT_MESSAGES)
        return await self._prepared.execute(to_json(new))

    async def _missing_rooms(self, connection: Connection, unseen: set[int]) -> set[int]:
        """Look up the rooms that this connection has not seen, and return those that do not exist."""
        if not unseen:
            return unseen
        there = await _find_rooms(connection, unseen)
        if len(self._known_rooms) > _KNOWN_ROOMS:
            self._known_rooms.clear()
        self._known_rooms.update(there)
        return unseen - there.keys()


def _has_entry(run: Iterable[Write]) -> bool:
    return any(isinstance(write, _AUDITED) and write.audit is not None for write in run)


# --- rooms and members ---------------------------------------------------------------------------------------------


async def _update_rooms(connection: Connection, run: list[UpdateRoom]) -> list[Outcome]:
    deleted = [write.room.room_id for write in run if write.room.deleted_at is not None]
    async with connection.transaction():
        cursor = await connection.execute(sql_rooms.UPDATE_ROOMS, rows([room_row(write.room) for write in run]))
        if deleted:
            await connection.execute(sql_rooms.REMOVE_ALL_MEMBERS, {"rooms": deleted})
            await connection.execute(sql_sanctions.REMOVE_ALL_SANCTIONS, {"rooms": deleted})
    return await _of_rooms(connection, [write.room.room_id for write in run], cursor.rowcount)


async def _set_members(connection: Connection, run: list[SetMember]) -> list[Outcome]:
    new = [member_row(place, write) for place, write in enumerate(run)]
    cursor = await connection.execute(sql_rooms.SET_MEMBERS, rows(new))
    # The missing rows belong to a deleted or unknown room.
    return await _of_rooms(connection, [write.room_id for write in run], cursor.rowcount)


async def _remove_members(connection: Connection, run: list[RemoveMember]) -> list[Outcome]:
    gone = [{"room_id": write.room_id, "user_id": write.user_id} for write in run]
    await connection.execute(sql_rooms.REMOVE_MEMBERS, rows(gone))
    return [STORED] * len(run)


async def _set_sanctions(connection: Connection, run: list[SetSanction]) -> list[Outcome]:
    for lifted, text in ((False, sql_sanctions.SET_SANCTIONS), (True, sql_sanctions.REMOVE_SANCTIONS)):
        those = [write for write in run if (write.sanction.until == 0) is lifted]
        if those:
            await connection.execute(text, rows([{"room_id": one.room_id, **asdict(one.sanction)} for one in those]))
    return [STORED] * len(run)


async def _of_rooms(connection: Connection, room_ids: list[int], written: int) -> list[Outcome]:
    """Return the outcomes of writes that succeed if the room exists."""
    if written == len(room_ids):
        return [STORED] * written
    there = await _find_rooms(connection, room_ids)
    return [STORED if room_id in there else NO_ROOM for room_id in room_ids]


async def _find_rooms(connection: Connection, room_ids: Iterable[int]) -> dict[int, str]:
    return dict(await fetch_all(connection, sql_rooms.FIND_ROOMS, {"rooms": list(room_ids)}))


# --- messages ------------------------------------------------------------------------------------------------------


async def _in_turns(make: Callable[[Any], Values | Struct], writes: Sequence[Any]) -> list[Values | Struct]:
    """Make the rows of messages. Cutting a long message takes 1 to 2 ms, and a batch may have hundreds."""
    made: list[Values | Struct] = []
    until = perf_counter() + _SLICE_SECONDS
    for write in writes:
        made.append(make(write))
        if perf_counter() > until:
            await asyncio.sleep(0)
            until = perf_counter() + _SLICE_SECONDS
    return made


def _outcome(
    write: InsertMessage,
    by_seq: dict[tuple[int, int], PostedRow],
    by_id: dict[tuple[int, str, str | None], PostedRow],
) -> Outcome:
    room_id, message, body = write.room_id, write.message, body_hash(write.message)
    there = by_seq.get((room_id, message.seq))
    if there is not None and (there.sender_id, there.client_id, there.first_body) == (
        message.sender_id,
        message.id,
        body,
    ):
        return STORED
    earlier = by_id.get((room_id, message.sender_id, message.id))
    if earlier is not None and earlier.seq != message.seq:
        return Duplicate(earlier.seq, earlier.first_body == body)
    if there is None:
        return _refuse(f"seq {message.seq} of room {room_id} was not stored, and nothing is in its place")
    return _refuse(f"another message is at seq {message.seq} of room {room_id}")


async def _change_messages(connection: Connection, run: list[ChangeMessage]) -> list[Outcome]:
    new = rows(await _in_turns(change_row, run))
    cursor = await connection.execute(messages.CHANGE_MESSAGES, new)
    if cursor.rowcount == len(run):
        return [STORED] * len(run)
    # The missing messages have a newer change, or already have this one if the write is repeated, or do not exist.
    there = {row[:2] for row in await fetch_all(connection, messages.FIND_BY_SEQ, new)}
    return [
        STORED
        if (change.room_id, change.seq) in there
        else _refuse(f"there is no message at seq {change.seq} of room {change.room_id}")
        for change in run
    ]


def _refuse(reason: str) -> Refused:
    log.error("a write was refused: %s", reason)
    return Refused(reason)


# --- maintenance ---------------------------------------------------------------------------------------------------


async def _one_by_one(
    step: Callable[[Connection, Any], Awaitable[Outcome]], connection: Connection, run: list[Any]
) -> list[Outcome]:
    return [await step(connection, write) for write in run]


async def _expire_messages(connection: Connection, write: ExpireMessages) -> Removed:
    """Examine some rooms at a time; a room is done once all expired messages in it are removed.

    At the limit no room is selected.
    """
    removed = 0
    ((now_us,),) = await fetch_all(connection, expiry.NOW, {"now_us": write.now_us})
    values: Values = {"now_us": now_us, "cutoff": now_us - write.days * DAY_US if write.days > 0 else -1}
    for _ in range(_DUE_ROUNDS):
        values["rooms_at_once"] = min(_DUE_ROOMS, write.limit - removed)
        values["rooms"] = [room_id for (room_id,) in await fetch_all(connection, expiry.ROOMS_DUE, values)]
        if not values["rooms"]:
            break
        values["limit"] = write.limit - removed
        removed += (await connection.execute(expiry.REMOVE_DUE, values)).rowcount
        await connection.execute(expiry.NOTE_OLDEST, values)
    return Removed(removed)


async def _erase_deleted(connection: Connection, write: EraseDeleted) -> Removed:
    """Erase messages first: those of deleted rooms are most of the work, and go with their rooms."""
    ((now_us,),) = await fetch_all(connection, expiry.NOW, {"now_us": write.now_us})
    values: Values = {"until": rfc3339(max(0, now_us - write.days * DAY_US)), "limit": write.limit}
    erased = (await connection.execute(erasing.ERASE_MESSAGES, values)).rowcount
    for _ in range(_DUE_ROUNDS):
        values["rooms_at_once"] = min(_DUE_ROOMS, write.limit - erased)
        values["rooms"] = [room_id for (room_id,) in await fetch_all(connection, erasing.ROOMS_TO_ERASE, values)]
        if not values["rooms"]:
            break
        values["limit"] = write.limit - erased
        erased += (await connection.execute(erasing.REMOVE_MESSAGES, values)).rowcount
        await connection.execute(erasing.REMOVE_ROOMS, values)
    return Removed(erased)


async def _expire_members(
    text: bytes, connection: Connection, write: ExpireInvitations | ExpireGuests | ExpireSanctions
) -> Removed:
    return Removed((await connection.execute(text, asdict(write))).rowcount)


async def _cut_words(connection: Connection, write: CutWords) -> WordsCut:
    left = None
    if write.after == FIRST:
        ((left,),) = await fetch_all(connection, messages.COUNT_OLD_WORDS, {})
    room_id, seq = write.after
    old = await fetch_all(connection, messages.OLD_WORDS, {"room_id": room_id, "seq": seq, "limit": write.limit})
    if old:
        await connection.execute(messages.CUT_WORDS, rows(await _in_turns(words_row, old)))
    return WordsCut(old[-1][:2] if old else None, left)
