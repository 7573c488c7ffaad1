"""The one place that chooses a backend, and the only one that imports them."""

from collections.abc import AsyncIterator, Iterable, Sequence

from storage.ports.inspection import Inspection
from storage.ports.storage import AccountStorage, Storage
from storage.ports.transfer import Record


def check_url(url: str) -> None:
    """Check a URL for `open_storage`, without connecting.

    Raises:
        ValueError: the URL is invalid. The text completes "DATABASE_URL ..." and repeats nothing of it.
    """
    from storage.postgres.connection.url import read_url

    read_url(url)


def open_storage(
    url: str | None,
    *,
    memory_messages: int = 10_000,
    memory_rooms: int = 10_000,
    memory_bytes: int = 256 << 20,
    read_connections: int = 4,
    connect_seconds: float = 5.0,
    read_seconds: float = 5.0,
    write_seconds: float = 30.0,
    close_seconds: float = 5.0,
    makes_secret: bool = True,
    node: str = "",
    node_name: str = "",
) -> Storage:
    """Return the storage behind ``url``. It connects when it is started.

    Args:
        url: ``postgresql://user:password@host:port/database``, also with several hosts; None or empty for memory.
        memory_messages: messages kept per room (memory only).
        memory_rooms: rooms kept (memory only).
        memory_bytes: bytes kept in total (memory only).
        read_connections: connections for reads (Postgres only); each writer has one of its own.
        connect_seconds: how long an attempt to connect may take.
        read_seconds: how long a read may take, including its wait for a connection.
        write_seconds: how long a batch may take.
        close_seconds: how long ``close`` may take.
        makes_secret: whether to make a secret for the servers if storage has none, see
            `storage.ports.storage.LeaseEvents.on_secret`; memory always makes one.
        node: the id of this server as a node of a cluster (Postgres only); empty for a server that writes alone.
        node_name: its name for operators, which others see in storage.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
    """
    if not url:
        from storage.memory.storage import MemoryStorage

        return MemoryStorage(memory_messages=memory_messages, memory_rooms=memory_rooms, memory_bytes=memory_bytes)
    from storage.postgres.storage import PostgresStorage

    return PostgresStorage(
        url,
        read_connections=read_connections,
        connect_seconds=connect_seconds,
        read_seconds=read_seconds,
        write_seconds=write_seconds,
        close_seconds=close_seconds,
        makes_secret=makes_secret,
        node=node,
        node_name=node_name,
    )


def open_accounts(
    url: str, *, connect_seconds: float = 5.0, seconds: float = 10.0, close_seconds: float = 2.0
) -> AccountStorage:
    """Return the accounts behind ``url``, for another process than a server. Servers may run: it takes no lease.

    `AccountStorage.start` waits for a connection, and raises `StorageUnavailable` if there is none. The tables must
    exist: a server makes them.

    Args:
        url: as for `open_storage`.
        connect_seconds: how long an attempt to connect may take.
        seconds: how long a transaction may take.
        close_seconds: how long ``close`` may take.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
    """
    from storage.postgres.accounts.storage import PostgresAccountStorage

    return PostgresAccountStorage(url, connect_seconds=connect_seconds, seconds=seconds, close_seconds=close_seconds)


async def inspect_storage(url: str, *, connect_seconds: float = 5.0, seconds: float = 5.0) -> Inspection:
    """Return what a server would find behind ``url``. Servers may run: it takes no lease and changes nothing.

    Args:
        url: as for `open_storage`.
        connect_seconds: how long an attempt to connect may take.
        seconds: how long all questions together may take.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
        StorageUnavailable: it cannot be reached, or is of no use for a server; the text gives the reason.
    """
    from storage.postgres.connection.inspection import inspect_database

    return await inspect_database(url, connect_seconds=connect_seconds, seconds=seconds)


async def upgrade_storage(url: str, *, connect_seconds: float = 5.0) -> list[str]:
    """Apply the migrations that are to be applied, and return their files. A server that starts meanwhile waits.

    Args:
        url: as for `open_storage`; its user owns the tables.
        connect_seconds: how long an attempt to connect may take. A migration has no limit.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
        StorageUnavailable: a server runs, or the database cannot be used; the text gives the reason. Each migration is
            applied as a whole or not at all.
    """
    from storage.postgres.connection.upgrade import upgrade_database

    return await upgrade_database(url, connect_seconds=connect_seconds)


def export_storage(url: str, *, sessions: bool, connect_seconds: float = 5.0) -> AsyncIterator[Sequence[Record]]:
    """Yield all records of `storage.ports.transfer` as they are at one moment. Servers may run.

    Args:
        url: as for `open_storage`.
        sessions: include the secret of the servers and the logins.
        connect_seconds: how long an attempt to connect may take. Reading has no limit.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
        StorageUnavailable: the database cannot be used; the text gives the reason.
    """
    from storage.postgres.transfer.export import export_database

    return export_database(url, sessions=sessions, connect_seconds=connect_seconds)


async def import_storage(
    url: str, batches: Iterable[Sequence[Record]], *, beside_accounts: bool = False, connect_seconds: float = 5.0
) -> None:
    """Store all records, or none. The tables are made if need be. A server that starts meanwhile waits.

    Args:
        url: as for `open_storage`; its user owns the tables.
        batches: as `storage.ports.transfer.in_batches` makes them, in the order of `storage.ports.transfer.KINDS`. What
            iterating over them raises ends the import, and nothing is stored.
        beside_accounts: only rooms, members and messages must be none so far.
        connect_seconds: how long an attempt to connect may take. Writing has no limit.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
        NotEmpty: something is stored already; the text says what.
        BatchRefused: a record can never be stored.
        StorageUnavailable: a server runs, or the database cannot be used; the text gives the reason.
    """
    from storage.postgres.transfer.importing import import_records

    await import_records(url, batches, beside_accounts=beside_accounts, connect_seconds=connect_seconds)


async def check_empty(url: str, *, beside_accounts: bool = False, connect_seconds: float = 5.0) -> None:
    """Check what `import_storage` checks before it writes, and change nothing. Tables may be missing.

    Raises:
        ValueError: the URL is invalid. The text does not repeat it: it contains a password.
        NotEmpty: something is stored already; the text says what.
        StorageUnavailable: the database cannot be used; the text gives the reason.
    """
    from storage.postgres.transfer.importing import find_rows

    await find_rows(url, beside_accounts=beside_accounts, connect_seconds=connect_seconds)
