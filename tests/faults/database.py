"""Operations on a database from outside while a server writes to it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from storage.postgres.read.messages import PostgresMessageRepository
from storage.postgres.read.rooms import PostgresRoomRepository
from tests.support.operations import Frame
from tests.support.postgres import PostgresCluster
from tests.support.postgres_binaries import unprivileged_user

Admin = psycopg.AsyncConnection[psycopg.rows.TupleRow]


@asynccontextmanager
async def administrator(url: str, *, autocommit: bool = True) -> AsyncIterator[Admin]:
    """Open a connection that is not Parley's."""
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=autocommit, application_name="an administrator"
    ) as connection:
        yield connection


async def sessions(admin: Admin) -> set[int]:
    """Return the process ids of Parley's connections to this database."""
    rows = await admin.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'parley'"
    )
    return {row[0] for row in await rows.fetchall()}


async def lease_holder(admin: Admin) -> int:
    """Return the process id of the connection that holds Parley's lease."""
    rows = await admin.execute(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() "
        "AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted"
    )
    ((pid,),) = await rows.fetchall()
    return int(pid)


async def waits_for(admin: Admin, table: str) -> bool:
    """Return whether a statement waits for a lock on this table."""
    found = await admin.execute("SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted", (table,))
    return await found.fetchone() is not None


class Onlooker:
    """Reads the database directly, as each server has the newest messages in memory."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._rooms = PostgresRoomRepository(self._fetch)
        self._messages = PostgresMessageRepository(self._fetch)

    async def _fetch(self, text: bytes, values: dict[str, Any], *, search: bool = False) -> list[tuple[Any, ...]]:
        return await (await self._admin.execute(text, values)).fetchall()

    async def log(self, room: str) -> dict[int, Frame]:
        """Return a room's messages by seq, as `/history` must return them."""
        record = await self._rooms.find_room(room)
        stored = [] if record is None else await self._messages.history(record, limit=100_000)
        return {message.seq: msgspec.json.decode(msgspec.json.encode(message)) for message in stored}


class SmallDisk:
    """A file system of a few megabytes for one database, which can be filled completely and emptied again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Fill the disk."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def empty(self) -> None:
        """Free the disk again."""
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(cluster: PostgresCluster, megabytes: int) -> Iterator[SmallDisk | None]:
    """Mount a small disk for a tablespace of this cluster; None without permission to mount."""
    folder = cluster.log_path.parent / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(folder)]
    if os.getuid() != 0 or mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        folder.rmdir()
        yield None
        return
    try:
        place = folder / "tablespace"
        place.mkdir()
        if (user := unprivileged_user()) is not None:
            os.chown(place, *user)
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
