"""``export``: write everything that an installation holds into one file."""

import asyncio
import contextlib
import http.client
import io
import json
import os
import sys
from argparse import SUPPRESS, Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from model.audit import OPERATOR, entry
from server.commands.health import check_port, connection_to, where
from server.commands.opening import Nouns, add_command
from server.commands.progress import Progress, in_words, say
from server.settings.values import Settings
from server.transfer.archive import FORMAT, VERSION, ArchiveError, ArchiveReader, ArchiveWriter, Header
from storage.factory import export_storage, open_accounts
from storage.ports.errors import StorageError
from utils.clock import SystemClock, rfc3339
from utils.version import installed_version

STANDARD = "-"
PATH = "/api/export"
# How long the running server may take for its next bytes.
_SECONDS = 60.0
_CHUNK_BYTES = 64 << 10
_GONE = "the reader of the export has gone away"


class _Refused(Exception):
    """The export cannot be made. The text is for the operator."""


def add(nouns: Nouns) -> None:
    """Add the parser."""
    parser = add_command(
        nouns,
        "export",
        "write everything that is stored into a file, from which import makes it again",
        "Write everything that is stored into a file, from which import makes it again: from the database of"
        " DATABASE_URL, next to running servers; without one, from the memory of the running server with these"
        " settings, which must have an EXPORT_TOKEN. The file has the secrets of a database: keep it like a backup.",
    )
    parser.add_argument("file", metavar="FILE", help="file to write, which must not exist; - for standard output")
    parser.add_argument(
        "--no-sessions",
        action="store_true",
        help="leave out the secret of the servers and the sessions: users sign in again, and guests are new",
    )
    # None would override an option before the command.
    parser.add_argument("--host", default=SUPPRESS, help="address of the server (setting HOST)")
    parser.add_argument("--port", default=SUPPRESS, help="port of the server (setting PORT)")


def run_export(settings: Settings, options: Namespace) -> int:
    """Write the file, and return the exit status: 1 if that is refused or fails. A file that fails is removed."""
    try:
        with _writing(options.file) as file:
            if settings.database_url:
                counts = asyncio.run(_from_database(settings.database_url, file, sessions=not options.no_sessions))
            else:
                counts = _from_server(settings, file, sessions=not options.no_sessions)
    except (_Refused, StorageError, ArchiveError) as error:
        say(f"{error}")
        return 1
    say(f"exported {in_words(counts)}")
    return 0


@contextmanager
def _writing(name: str) -> Iterator[IO[bytes]]:
    """Give a file to write, which has its name once it is complete, and which only its owner may read."""
    if name == STANDARD:
        if sys.stdout.isatty():
            raise _Refused("the export is not for a terminal: name a file")
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise _Refused(_GONE) from None
        except OSError as error:
            raise _Refused(f"cannot write standard output: {error.strerror}") from None
        return
    path, unfinished = Path(name), Path(f"{name}.part")
    if path.exists():
        raise _Refused(f"{name} exists already: name another file")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                unfinished.rename(path)
            finally:
                unfinished.unlink(missing_ok=True)
    except FileExistsError:
        raise _Refused(f"{unfinished} exists already: another export runs, or was killed; then remove it") from None
    except OSError as error:
        raise _Refused(f"cannot write {name}: {error.strerror}") from None


# --- from a database -------------------------------------------------------------------------------------------------


async def _from_database(url: str, file: IO[bytes], *, sessions: bool) -> Counter[str]:
    await _record(url)
    progress, clock = Progress("exported"), SystemClock()
    header = Header(FORMAT, VERSION, installed_version(), rfc3339(clock.now_us()), "postgresql", sessions)
    writer = ArchiveWriter(header)
    async with aclosing(cast(Any, export_storage(url, sessions=sessions))) as batches:
        async for batch in batches:
            file.write(writer.write(batch))
            progress.count(batch)
    file.write(writer.end())
    return writer.counts


async def _record(url: str) -> None:
    """Note in the audit log that everything was exported."""
    accounts = open_accounts(url)
    try:
        await accounts.start()
        await accounts.audit.append([entry(SystemClock(), "export", OPERATOR, detail="everything")])
    except StorageError as error:  # a standby, from which an export disturbs nobody, accepts no entry
        if "read-only" not in str(error):
            raise
        say("the audit log has no entry of this export: the database accepts no writes")
    finally:
        await accounts.close()


# --- from the memory of a server ----------------------------------------------------------------------------------


def _from_server(settings: Settings, file: IO[bytes], *, sessions: bool) -> Counter[str]:
    if not settings.export_token:
        raise _Refused(
            "DATABASE_URL and EXPORT_TOKEN are not set. To export what a running server keeps in memory, write a random"
            " EXPORT_TOKEN into its .env, send it SIGHUP, and repeat this with the same .env"
        )
    check_port(settings.host, settings.port, "PORT")
    connection = connection_to(
        settings.host.split(",")[0], settings.port, _SECONDS, proxy_header=settings.proxy_protocol
    )
    headers = {"Host": "localhost", "Authorization": f"Bearer {settings.export_token}"}
    try:
        connection.request("GET", PATH if sessions else f"{PATH}?sessions=false", headers=headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise _Refused(f"the server refused the export: {answer.status} {_reason(answer)}")
        return _checked(answer, file)
    except http.client.IncompleteRead:
        raise _Refused("the server broke the export off; its log says why") from None
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _Refused(f"no answer from {where(settings.host, settings.port)}: {error}") from None
    finally:
        connection.close()


def _reason(answer: http.client.HTTPResponse) -> str:
    """Return the sentence of a refusal."""
    text = answer.read(10_000).decode(errors="replace")
    with contextlib.suppress(ValueError, LookupError, TypeError):
        text = json.loads(text)["error"]["message"]
    return str(text)[:500]


def _checked(answer: http.client.HTTPResponse, file: IO[bytes]) -> Counter[str]:
    """Write what the server sends, and read it at the same time as an import will."""
    reader, progress = ArchiveReader(cast(IO[bytes], _Copying(answer, file))), Progress("exported")
    for record, _ in reader:
        progress.count([record])
    answer.read()  # the end, without which the body is not complete
    return reader.counts


class _Copying(io.RawIOBase):
    """Reads an answer, and writes what was read to a file."""

    def __init__(self, answer: http.client.HTTPResponse, file: IO[bytes]) -> None:
        self._answer = answer
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._answer.read(_CHUNK_BYTES if size < 0 else size)
        try:
            self._file.write(data)
        except BrokenPipeError:  # not of the connection to the server
            raise _Refused(_GONE) from None
        return data
