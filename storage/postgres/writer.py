"""A writer with a connection of its own: batches in, one transaction each, one statement for each run of a kind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from typing import Any, Protocol

import msgspec
import psycopg
from msgspec import Struct
from msgspec.structs import asdict
from psycopg.types.json import Json

from model.message import Message, body_hash
from model.room import RoomRecord
from storage.postgres import sql
from storage.postgres.errors import FAILURES, REFUSALS, translated
from storage.postgres.lease import Tenure
from storage.postgres.session import Connection, T, abort, bounded
from storage.repository import (
    STORED,
    ChangeMessage,
    Duplicate,
    InsertMessage,
    InsertRoom,
    Outcome,
    Refused,
    StorageUnavailable,
    Write,
)
from utils.words import cut_words

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode

# Rooms that a connection has seen in the table, so that it looks each one up once. Above this many it starts again.
_KNOWN_ROOMS = 100_000


class _MessageRow(Struct, gc=False):
    """One element of ``%(rows)s``, named as `sql.INSERT_MESSAGES` and the look-ups name them."""

    room_id: int
    seq: int
    created_at: str
    sender_id: str
    sender: str
    client_id: str | None
    content: str
    words: str


class _ChangeRow(ChangeMessage, frozen=True, gc=False):
    """One element of ``%(rows)s``, named as `sql.CHANGE_MESSAGES` names them."""

    words: str | None = None


class _Key(Struct, gc=False):
    room_id: int
    seq: int
    sender_id: str
    client_id: str | None


class Owner(Protocol):
    """What a writer asks of the repository it belongs to."""

    @property
    def tenure(self) -> Tenure | None:
        """The lease as it is now."""

    def trouble(self) -> str | None:
        """Why nothing can be written now."""

    async def connect(self) -> Connection:
        """A new connection. Raises `FAILURES`."""

    async def admit(self, connection: Connection, tenure: Tenure) -> None:
        """Let the connection write. Raises `StorageUnavailable` and `FAILURES`."""

    def wrote(self, writer: PostgresWriter, trouble: str | None) -> None:
        """A batch was stored, or why it was not."""

    def closed(self, writer: PostgresWriter) -> None:
        """The writer is gone."""


class PostgresWriter:
    """See `storage.repository.Writer`.

    Args:
        owner: the repository.
        seconds: how long a batch may take, connecting included.
    """

    def __init__(self, owner: Owner, seconds: float) -> None:
        self._owner = owner
        self._seconds = seconds
        self._connection: Connection | None = None
        self._known_rooms: set[int] = set()
        self._closed = False

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        """See `storage.repository.Writer.write`."""
        if self._closed:
            raise StorageUnavailable("the writer is closed")
        if not batch:
            return []
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            connection = self._connection or await self._connect(deadline)
            outcomes = await self._use(connection, self._store(connection, batch), deadline)
        except REFUSALS as error:
            # The statement was undone and the connection is as good as before.
            self._known_rooms.clear()
            raise translated(error) from error
        except StorageUnavailable as error:
            self._failed(str(error))
            raise
        except FAILURES as error:
            failure = translated(error)
            self._failed(str(failure))
            raise failure from error
        except BaseException:
            self.drop()  # cancelled: whether it was committed is not known, nor what the connection is doing
            raise
        self._owner.wrote(self, None)
        return outcomes

    async def close(self) -> None:
        """See `storage.repository.Writer.close`."""
        self._closed = True
        self.drop()
        self._owner.closed(self)

    def drop(self) -> None:
        """End the connection now. A batch under way ends as `StorageUnavailable`; the next one connects again."""
        connection, self._connection = self._connection, None
        self._known_rooms.clear()
        if connection is not None:
            abort(connection)
            _finish(connection)

    def _failed(self, trouble: str) -> None:
        self.drop()
        self._owner.wrote(self, trouble)

    async def _connect(self, deadline: float) -> Connection:
        tenure = self._owner.tenure
        if tenure is None:
            raise StorageUnavailable(self._owner.trouble() or "not connected to Postgres")
        connection = await self._owner.connect()
        self._connection = connection
        await self._use(connection, self._owner.admit(connection, tenure), deadline)
        return connection

    async def _use(self, connection: Connection, work: Coroutine[Any, Any, T], deadline: float) -> T:
        try:
            return await bounded(connection, work, deadline - asyncio.get_running_loop().time())
        finally:
            if connection is not self._connection:
                _finish(connection)  # dropped meanwhile, and yet the answer may have come

    # --- one batch -------------------------------------------------------------------------------------------------

    async def _store(self, connection: Connection, batch: Sequence[Write]) -> list[Outcome]:
        runs = _runs(batch)
        if len(runs) == 1:
            # A statement is a transaction by itself; BEGIN and COMMIT would be two more round trips. What a look-up
            # finds after it is durable too.
            return await self._store_run(connection, runs[0])
        outcomes: list[Outcome] = []
        async with connection.transaction():
            for run in runs:
                outcomes += await self._store_run(connection, run)
        return outcomes

    async def _store_run(self, connection: Connection, run: list[Any]) -> list[Outcome]:
        store: Callable[[Connection, list[Any]], Coroutine[Any, Any, list[Outcome]]]
        if isinstance(run[0], InsertRoom):
            store = self._store_rooms
        elif isinstance(run[0], ChangeMessage):
            store = self._store_changes
        else:
            store = self._store_messages
        return await store(connection, run)

    async def _store_rooms(self, connection: Connection, run: list[InsertRoom]) -> list[Outcome]:
        return await self._insert_rooms(connection, [write.room for write in run])

    async def _insert_rooms(self, connection: Connection, rooms: list[RoomRecord]) -> list[Outcome]:
        await connection.execute(sql.INSERT_ROOMS, {"rows": Json(rooms, dumps=_encode)})
        there = await self._find_rooms(connection, [room.room_id for room in rooms])
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

    async def _store_messages(self, connection: Connection, run: list[InsertMessage]) -> list[Outcome]:
        strangers = {write.room_id for write in run} - self._known_rooms
        refused = await self._meet(connection, strangers, run) if strangers else {}
        known = [write for write in run if write.room_id not in refused] if refused else run
        cursor = await connection.execute(
            sql.INSERT_MESSAGES, {"rows": Json([_row(write.room_id, write.message) for write in known], dumps=_encode)}
        )
        if cursor.rowcount == len(run):
            return [STORED] * len(run)
        # Not RETURNING: it could not tell which of two rows with the same seq was the one that went in.
        found = await self._look_up(connection, known)
        return [refused.get(write.room_id) or _outcome(write.room_id, write.message, *found) for write in run]

    async def _store_changes(self, connection: Connection, run: list[ChangeMessage]) -> list[Outcome]:
        cursor = await connection.execute(
            sql.CHANGE_MESSAGES, {"rows": Json([_change_row(change) for change in run], dumps=_encode)}
        )
        if cursor.rowcount == len(run):
            return [STORED] * len(run)
        # What is missing was changed later, or by this very write that is repeated; or there is no such message.
        keys = [_Key(change.room_id, change.seq, "", None) for change in run]
        found = await _all(connection, sql.FIND_BY_SEQ, {"rows": Json(keys, dumps=_encode)})
        there = {(room_id, seq) for room_id, seq, *_ in found}
        return [
            STORED
            if (change.room_id, change.seq) in there
            else _refuse(f"there is no message at seq {change.seq} of room {change.room_id}")
            for change in run
        ]

    async def _meet(self, connection: Connection, strangers: set[int], run: list[InsertMessage]) -> dict[int, Refused]:
        """Look rooms up that this connection has not seen, and bring those back that are gone, as memory does.

        They can be gone when the database lost what it had committed (a crash with ``synchronous_commit = off``, a
        backup): the room is still talking, and its messages need a name to be found by.
        """
        if len(self._known_rooms) > _KNOWN_ROOMS:
            self._known_rooms.clear()
            strangers = {write.room_id for write in run}
        there = await self._find_rooms(connection, list(strangers))
        self._known_rooms.update(there)
        gone: dict[int, RoomRecord] = {}
        for write in run:
            if write.room_id in strangers and write.room_id not in there and write.room_id not in gone:
                gone[write.room_id] = RoomRecord(write.room_id, write.message.room, write.message.timestamp)
        if not gone:
            return {}
        log.warning("%d rooms were not in the table, and are brought back by their messages", len(gone))
        outcomes = await self._insert_rooms(connection, list(gone.values()))
        return {
            room_id: outcome for room_id, outcome in zip(gone, outcomes, strict=True) if isinstance(outcome, Refused)
        }

    async def _find_rooms(self, connection: Connection, room_ids: list[int]) -> dict[int, str]:
        rows = await (await connection.execute(sql.FIND_ROOMS, {"rooms": room_ids})).fetchall()
        return dict(rows)

    async def _look_up(self, connection: Connection, run: list[InsertMessage]) -> tuple[_BySeq, _ById]:
        keys = [_Key(write.room_id, write.message.seq, write.message.sender_id, write.message.id) for write in run]
        rows = {"rows": Json(keys, dumps=_encode)}
        by_seq: _BySeq = {}
        for room_id, seq, sender_id, client_id, content, kept in await _all(connection, sql.FIND_BY_SEQ, rows):
            by_seq[room_id, seq] = (sender_id, client_id, _first_body(content, kept))
        by_id: _ById = {}
        for room_id, seq, sender_id, client_id, content, kept in await _all(connection, sql.FIND_BY_ID, rows):
            by_id[room_id, sender_id, client_id] = (seq, _first_body(content, kept))
        return by_seq, by_id


def _finish(connection: Connection) -> None:
    """Close it, unless somebody waits on it: who does is told, and lets it go."""
    if connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
        connection.pgconn.finish()


_BySeq = dict[tuple[int, int], tuple[str, str | None, int]]
_ById = dict[tuple[int, str, str], tuple[int, int]]


def _runs(batch: Sequence[Write]) -> list[list[Any]]:
    """Writes of one kind in a row, a statement each; a message is changed once in each of them."""
    runs: list[list[Any]] = []
    for kind, group in groupby(batch, type):
        run: list[Any] = list(group)
        runs += _each_once(run) if kind is ChangeMessage else [run]
    return runs


def _each_once(changes: list[ChangeMessage]) -> list[list[Any]]:
    runs: list[list[Any]] = [[]]
    seen: set[tuple[int, int]] = set()
    for change in changes:
        key = (change.room_id, change.seq)
        if key in seen:
            runs.append([])
            seen.clear()
        seen.add(key)
        runs[-1].append(change)
    return runs


def _change_row(change: ChangeMessage) -> _ChangeRow:
    words = None if change.content is None else " ".join(cut_words(change.content))
    return _ChangeRow(**asdict(change), words=words)


def _row(room_id: int, message: Message) -> _MessageRow:
    return _MessageRow(
        room_id,
        message.seq,
        message.timestamp,
        message.sender_id,
        message.sender,
        message.id,
        message.content,
        " ".join(cut_words(message.content)),
    )


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


def _refuse(reason: str) -> Refused:
    log.error("a write was refused: %s", reason)
    return Refused(reason)


def _first_body(content: str, kept: int | None) -> int:
    """See ``body_hash`` in migrations/0001_messages.sql: kept only when ``content`` is no longer the first body."""
    return body_hash(content) if kept is None else kept


async def _all(connection: Connection, text: bytes, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(text, values)).fetchall()
