"""The tables of accounts in Postgres, also without the rest of storage."""

import logging

from storage.postgres.accounts.access import PostgresAccessRepository
from storage.postgres.accounts.accounts import PostgresAccountRepository
from storage.postgres.accounts.audit import PostgresAuditRepository
from storage.postgres.accounts.links import PostgresLinkRepository
from storage.postgres.accounts.logins import PostgresLoginRepository
from storage.postgres.accounts.pool import AccountPool
from storage.postgres.accounts.safety import PostgresSafetyRepository
from storage.postgres.accounts.secrets import PostgresSecretRepository
from storage.postgres.accounts.users import PostgresUserRepository
from storage.postgres.connection.errors import FAILURES, unavailable
from storage.postgres.connection.session import Connector, ParleyConnection, session_settings
from storage.postgres.connection.url import read_url


class PostgresAccounts:
    """The repositories of accounts, over one pool."""

    def __init__(self, pool: AccountPool) -> None:
        self.accounts = PostgresAccountRepository(pool)
        self.logins = PostgresLoginRepository(pool)
        self.secrets = PostgresSecretRepository(pool)
        self.access = PostgresAccessRepository(pool)
        self.links = PostgresLinkRepository(pool)
        self.safety = PostgresSafetyRepository(pool)
        self.users = PostgresUserRepository(pool)
        self.audit = PostgresAuditRepository(pool)


class PostgresAccountStorage(PostgresAccounts):
    """Accounts without rooms and messages, for another process than a server. See `storage.factory.open_accounts`."""

    def __init__(self, url: str, *, connect_seconds: float, seconds: float, close_seconds: float) -> None:
        self._connector = Connector(read_url(url), connect_seconds, "parley command")
        self._options = self._connector.options(connect_seconds, session_settings(seconds))
        self._close_seconds = close_seconds
        self._pool = AccountPool(self._connector, connect_seconds=connect_seconds, seconds=seconds)
        self.place = f"in Postgres at {self._connector.place}"
        super().__init__(self._pool)

    async def start(self) -> None:
        for logger in ("psycopg", "psycopg.pool"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        try:  # a pool would only say that it has no connection yet
            connection = await ParleyConnection.connect(self._connector.conninfo, **self._options)
        except FAILURES as error:
            raise unavailable(error) from error
        await connection.close()
        await self._pool.open()

    async def close(self) -> None:
        self._pool.stop()
        await self._pool.close(self._close_seconds)
