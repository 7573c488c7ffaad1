"""The notices that a transaction stores last."""

from collections.abc import Sequence

from model.account import Notice
from storage.postgres.connection.session import Connection, as_json
from storage.postgres.sql import notices as sql
from storage.postgres.sql.lease import NOTICE_LOCK


async def lock_notices(connection: Connection) -> None:
    """Wait until no other transaction stores notices, and keep them waiting until this one ends."""
    await connection.execute(sql.LOCK_NOTICES, {"key": NOTICE_LOCK})


async def note(connection: Connection, notices: Sequence[Notice], *, versions: Sequence[Notice] = ()) -> None:
    """Store notices; ``versions`` are those of changed accounts, which leave a suspension as it is.

    The last call of a transaction: from here until it ends, other transactions with notices wait for it.
    """
    if notices or versions:
        await lock_notices(connection)
    for statement, new in ((sql.NOTE, notices), (sql.NOTE_VERSION, versions)):
        if new:
            await connection.execute(statement, {"rows": as_json(list(new))})
