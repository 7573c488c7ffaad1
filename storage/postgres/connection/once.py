"""One connection, for one task of another process than a server."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.postgres.connection.errors import FAILURES, unavailable
from storage.postgres.connection.session import Connection, Connector, ParleyConnection, session_settings
from storage.postgres.connection.url import read_url


@asynccontextmanager
async def connected(
    url: str, name: str, *, connect_seconds: float, seconds: float
) -> AsyncIterator[tuple[Connection, str]]:
    """Open a connection for a block, and give it with the place of the database in words.

    Args:
        url: a libpq URL.
        name: the application name of the session.
        connect_seconds: how long an attempt to connect may take.
        seconds: how long a statement may take.

    Raises:
        ValueError: the URL is invalid.
        StorageUnavailable: it could not connect, or the database failed in the block.
    """
    for logger in ("psycopg", "psycopg.pool"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    connector = Connector(read_url(url), connect_seconds, name)
    options = connector.options(connect_seconds, session_settings(seconds))
    try:
        connection = await ParleyConnection.connect(connector.conninfo, **options)
        try:
            yield connection, connector.place
        finally:
            await connection.close()
    except FAILURES as error:
        raise unavailable(error) from error
