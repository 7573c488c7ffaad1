"""Real PostgreSQL for tests: a private cluster to stop, kill and restart, or a server named from outside."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql

from tests.support.postgres_binaries import find_postgres, readable_copy, unprivileged_user
from tests.support.process import (
    PATIENCE,
    NotReadyError,
    free_port,
    has_ended,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

StopMode = Literal["smart", "fast", "immediate"]
_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# Ordinary tests discard their data, so they need not wait for the disk. Fault tests use `durable=True`.
# Their data is in memory if there is space: hundreds of databases are created and dropped, of 300 files each, and ext4
# spends 0.2 s of CPU time per database to find inodes for these among those that were deleted in the last minutes.
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
_MEMORY_MB = 2048


class DatabaseServer:
    """A PostgreSQL server that tests may create databases on."""

    def url(self, dbname: str = "postgres") -> str:
        """Return the `postgresql://` URL of one database, with its password."""
        raise NotImplementedError

    def create_database(self, *, template: str = "template1") -> str:
        """Create a database with a new name from `template` (which must have no connections); return its URL."""
        name = f"parley_test_{secrets.token_hex(6)}"
        # By copying files: cheaper than copying pages through the log, which is the default.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database of a URL that create_database returned, and its connections."""
        name = urlsplit(url).path.lstrip("/")
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def replace_database(self, url: str, by: str) -> None:
        """Put another database in the place of one that is in use, as an administrator does who restores a backup."""
        name, backup = (sql.Identifier(urlsplit(database).path.lstrip("/")) for database in (url, by))
        self.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        self.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(backup, name))

    def copy_database(self, url: str) -> str:
        """Create a copy of a database, to which there must be no connections; return its URL."""
        return self.create_database(template=urlsplit(url).path.lstrip("/"))

    def back_up(self, url: str) -> str:
        """Restore a backup of a database that may be in use into a new one; return its URL."""
        programs, backup = find_postgres(), self.create_database(template="template0")
        dumped = subprocess.run([programs / "pg_dump", "--format=custom", url], stdout=subprocess.PIPE, check=True)
        restore = ["--exit-on-error", "--dbname", backup]
        subprocess.run([programs / "pg_restore", *restore], input=dumped.stdout, check=True)
        return backup

    def execute(self, statement: sql.Composed) -> None:
        """Run one statement on its own connection, outside a transaction. Raises psycopg.Error."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)


class ExternalServer(DatabaseServer):
    """The server that TEST_DATABASE_URL names. Its user must be allowed to create databases and roles."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, dbname: str = "") -> str:
        """Return the given URL, with another database name if one is given."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{dbname}")) if dbname else self._url


class PostgresCluster(DatabaseServer):
    """A private cluster in a temp folder, listening on a free port of 127.0.0.1, with a password.

    If we are root, it runs as `postgres` or `nobody`. It shuts itself down when pytest dies for any reason. Methods
    block; from async tests call them through `asyncio.to_thread`.

    `durable` keeps PostgreSQL's defaults (fsync on); `settings` are further postgresql.conf values. With `primary`, it
    is a standby of that cluster until `promote`, which must have been started.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        primary: "PostgresCluster | None" = None,
    ) -> None:
        self._folder = make_temp_folder("postgres")
        self._data = (self._folder if durable else make_temp_folder("data", memory_mb=_MEMORY_MB)) / "data"
        self._user = unprivileged_user()
        binaries = find_postgres()
        self._binaries = binaries if self._user is None else readable_copy(binaries, self._folder)
        self._primary = primary
        self._password: str = secrets.token_urlsafe(12) if primary is None else primary._password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",  # a long temp folder name would not fit into a socket address
            "max_connections": "200",
            "shared_buffers": "32MB",
            **({} if durable else _CARELESS),
            **(settings or {}),
        }

    @property
    def log_path(self) -> Path:
        """The server's log, kept across restarts."""
        return self._folder / "postgres.log"

    @property
    def pid(self) -> int:
        """The process id of the running server, whose children its other processes are."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server process lives. It may still be starting or recovering."""
        return self._process is not None and self._process.poll() is None

    def url(self, dbname: str = "postgres") -> str:
        """Return the URL of a database; the port stays the same across restarts."""
        return f"postgresql://postgres:{quote(self._password)}@127.0.0.1:{self.port}/{dbname}"

    def start(self, timeout: float = PATIENCE) -> Self:
        """Start the server (the first time: make its data folder) and wait until it answers a query.

        Raises NotReadyError with the end of its log.
        """
        if self.running:
            return self
        data = self._data
        if not data.exists():
            if self._primary is None:
                self._make_data_folder(data)
            else:
                self._copy_data_folder(data, self._primary)
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        self._process = spawn(
            [self._binaries / "postgres", "-D", data, "-p", str(self.port), *options],
            log=self.log_path,
            env=_environment(),
            cwd=self._folder,
            user=self._user,
            death_signal=signal.SIGQUIT,  # "immediate": a SIGKILL would leave its workers for a moment
        )
        self._process_ready(timeout)
        return self

    def stop(self, mode: StopMode = "fast", timeout: float = PATIENCE) -> None:
        """Stop the server and wait for its end. `immediate` is a crash: the next start recovers from the log."""
        self._end(_STOP_SIGNALS[mode], timeout)

    def kill(self, timeout: float = PATIENCE) -> None:
        """SIGKILL the server and all of its workers, as the kernel's out-of-memory killer would, and wait."""
        workers: list[psutil.Process] = []
        if self._process is not None and self.running:
            # Stopped first: otherwise it would notice its workers' end, and replace them.
            self._process.send_signal(signal.SIGSTOP)
            workers = psutil.Process(self._process.pid).children(recursive=True)
            for worker in workers:
                try:
                    worker.kill()
                except psutil.NoSuchProcess:
                    continue  # it ended by itself
        self._end(signal.SIGKILL, timeout)
        # Their shared memory keeps the next start from succeeding.
        poll_until(lambda: all(has_ended(worker.pid) for worker in workers), timeout=timeout, what="its workers ended")

    def restart(self, mode: StopMode = "fast", timeout: float = PATIENCE) -> None:
        """Stop in `mode`, then start on the same port with the same data."""
        self.stop(mode, timeout)
        self.start(timeout)

    def freeze(self) -> None:
        """Make it hang: connections stay open, new ones are accepted by the kernel, and nothing answers."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        return [server, *server.children(recursive=True)]  # the server first: it starts no others while it is stopped

    def follow_synchronously(self) -> None:
        """Let the primary answer a commit only when this standby has it."""
        assert self._primary is not None
        with psycopg.connect(self._primary.url(), autocommit=True, connect_timeout=10) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")

            def synchronous() -> bool:
                found = connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
                return found.fetchone() is not None

            poll_until(synchronous, what="the standby is synchronous")

    def promote(self) -> None:
        """Make a standby accept writes, without regard to its primary."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            connection.execute("SELECT pg_promote()")

    def remove(self) -> None:
        """Stop the server and remove its folder. Safe to call twice."""
        self.stop("immediate")
        remove_temp_folder(self._data.parent)
        remove_temp_folder(self._folder)

    def log_text(self) -> str:
        """Return everything the server has logged so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _make_data_folder(self, data: Path) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        password_file.chmod(0o600)
        data.mkdir(mode=0o700)
        if self._user is not None:
            for path in (data, password_file):
                os.chown(path, *self._user)
        # C.UTF-8: the same order everywhere, and lower() still knows letters beyond ASCII, which plain C does not.
        # `password`: as strict as scram towards clients without it, and without computation per connection.
        self._run(
            self._binaries / "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8",
            "--auth=password", f"--pwfile={password_file}", "--no-sync",
        )  # fmt: skip

    def _copy_data_folder(self, data: Path, primary: "PostgresCluster") -> None:
        """Copy that of a running server, with the settings of its standby."""
        data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(data, *self._user)
        self._run(
            self._binaries / "pg_basebackup", "-D", data, "-d", primary.url(), "-R", "-X", "stream",
            "--checkpoint=fast", "--no-sync",
        )  # fmt: skip

    def _run(self, program: Path, *arguments: str | Path) -> None:
        running = spawn([program, *arguments], log=self.log_path, env=_environment(), cwd=self._folder, user=self._user)
        if running.wait(PATIENCE) != 0:
            raise NotReadyError(f"{program.name} failed:\n{self.log_text()[-2000:]}")

    def _process_ready(self, timeout: float) -> None:
        last = "no attempt was made"

        def answers() -> bool:
            nonlocal last
            if not self.running:
                raise NotReadyError(f"PostgreSQL ended while starting:\n{self.log_text()[-2000:]}")
            try:
                with psycopg.connect(self.url(), connect_timeout=2) as connection:
                    connection.execute("SELECT 1")
            except psycopg.OperationalError as error:  # not listening yet, or starting up
                last = str(error)
                return False
            return True

        try:
            poll_until(answers, timeout=timeout, what="PostgreSQL answers a query")
        except NotReadyError as error:
            raise NotReadyError(f"{error}; last: {last}\n{self.log_text()[-2000:]}") from None

    def _end(self, how: signal.Signals, timeout: float) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(how)
        self._process.wait(timeout)
        self._process = None


@contextmanager
def any_server() -> Iterator[DatabaseServer]:
    """Yield the server that TEST_DATABASE_URL names, or else a private cluster, which is removed in the end."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield ExternalServer(url)
        return
    with PostgresCluster() as cluster:
        yield cluster


def _environment() -> dict[str, str]:
    """The environment of PostgreSQL: without the PG* variables and the locale of the user who runs the tests."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
