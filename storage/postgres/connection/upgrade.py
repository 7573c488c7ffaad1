"""Apply migrations without a server: for databases whose servers may not change tables."""

from storage.ports.errors import StorageUnavailable
from storage.postgres.connection.lease import Holder
from storage.postgres.connection.migrate import MigrationError, MigrationsBusyError, migrate
from storage.postgres.connection.once import connected
from storage.postgres.connection.session import Connection, fetch_all, value
from storage.postgres.sql import lease as sql
from storage.postgres.sql import nodes


async def upgrade_database(url: str, *, connect_seconds: float = 5.0, seconds: float = 10.0) -> list[str]:
    """See `storage.factory.upgrade_storage`."""
    try:
        async with connected(url, "parley migrate", connect_seconds=connect_seconds, seconds=seconds) as (
            connection,
            _,
        ):
            await keep_servers_out(connection)  # until it ends
            return await migrate(connection)
    except (MigrationError, MigrationsBusyError) as error:
        raise StorageUnavailable(str(error) or "another server is applying migrations") from error


async def keep_servers_out(connection: Connection) -> None:
    """Take the locks of a server that writes, see `storage.postgres.connection.lease`: one that starts meanwhile waits.

    Raises:
        StorageUnavailable: a server runs.
    """
    for key in (sql.WRITER_LOCK, sql.FENCE_LOCK):
        if not await value(connection, sql.TRY_LOCK, key=key):
            rows = await fetch_all(connection, sql.HOLDERS, {"number": key & 0xFFFFFFFF})
            holders = ", ".join(str(Holder(*row)) for row in rows)
            raise StorageUnavailable(f"a server writes to the database; stop it first: {holders}")
    if living := await value(connection, nodes.LIVING):
        raise StorageUnavailable(f"{living} nodes use the database; stop them first")
