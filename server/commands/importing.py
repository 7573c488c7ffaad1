"""``import``: make an installation of an export, of Parley or of Slack, in an empty database."""

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any

from model.audit import OPERATOR, entry
from server.commands.opening import Nouns, add_command
from server.commands.progress import Progress, in_words, say
from server.settings.values import Settings
from server.transfer.archive import ArchiveError, ArchiveReader
from server.transfer.slack.people import read_ids
from server.transfer.slack.workspace import Workspace
from storage.factory import check_empty, import_storage
from storage.ports.errors import BatchRefused, NotEmpty, StorageUnavailable
from storage.ports.transfer import Audit, Record, in_batches
from utils.clock import SystemClock

STANDARD = "-"


def add(nouns: Nouns) -> None:
    """Add the parser."""
    parser = add_command(
        nouns,
        "import",
        "read the file of an export into an empty database",
        "Read the file of an export into the empty database of DATABASE_URL: all of it, or nothing. No server may run"
        " on it; it needs no tables yet.",
    )
    parser.add_argument("file", metavar="FILE", help="the file of export; - for standard input, unless it is Slack's")
    parser.add_argument(
        "--slack",
        action="store_true",
        help="the file is the zip file of Slack's export; the database may have accounts, but no rooms",
    )
    parser.add_argument(
        "--users",
        metavar="CSV",
        help="with --slack, the ids of users in your application, or of accounts made here (a_...): lines of a user's"
        " id in Slack, or e-mail address, a comma, and the id (default: Slack's id)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read and check all of it, say what there is, and write nothing"
    )


def run_import(settings: Settings, options: Namespace) -> int:
    """Import, and return the exit status: 1 if that is refused or fails; nothing is stored then."""
    if not settings.database_url and not options.dry_run:
        say("DATABASE_URL is not set: an import needs a database")
        return 1
    if options.users and not options.slack:
        say("--users is for an import from Slack: add --slack")
        return 2
    try:
        with ExitStack() as stack:
            if options.slack:
                counts = _import_slack(settings, options)
            else:
                source = None if options.file == STANDARD else stack.enter_context(Path(options.file).open("rb"))
                counts = _import(settings.database_url, source or sys.stdin.buffer, dry_run=options.dry_run)
    except OSError as error:
        say(f"cannot read {error.filename or options.file}: {error.strerror or error}")
        return 1
    except BatchRefused as error:
        say(f"the database refuses a record: {error}. Nothing was imported")
        return 1
    except NotEmpty as error:
        say(f"{error}. Import into a new database")
        return 1
    except (ArchiveError, StorageUnavailable) as error:
        say(f"{error}. Nothing was imported" if not options.dry_run else f"{error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted: nothing was imported")
        return 130
    say(f"{'would import' if options.dry_run else 'imported'} {in_words(counts)}")
    return 0


def _import(url: str, file: IO[bytes], *, dry_run: bool) -> Counter[str]:
    reader, progress = ArchiveReader(file), Progress("read")
    batches = progress.of(in_batches(reader))
    header = reader.header
    say(f"reading an export of {header.at[:19]}Z by Parley {header.program[:40]}")
    if dry_run:
        if url:
            _run(check_empty(url))
        for _ in batches:
            pass
    else:
        _run(import_storage(url, _and_noted(batches)))
    return reader.counts


def _import_slack(settings: Settings, options: Namespace) -> Counter[str]:
    clock, url = SystemClock(), settings.database_url
    ids = {} if options.users is None else read_ids(Path(options.users))
    workspace = Workspace(Path(options.file), ids, most=settings.max_content_chars, now_us=clock.now_us())
    with closing(workspace):
        say("checking the export of Slack")
        counts = workspace.check(Progress("checked").count)
        if url:
            _run(check_empty(url, beside_accounts=True))
        if not options.dry_run:
            batches = Progress("written").of(in_batches(workspace.records()))
            _run(import_storage(url, _and_noted(batches, "from Slack"), beside_accounts=True))
        say(f"users: {len(workspace.people):,}, of whom --users names {workspace.people.placed:,}")
        for what, count in workspace.lost.items():
            say(f"not as it was in Slack: {what}: {count:,}")
        return counts


def _run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner() as runner:
        runner.get_loop().run_until_complete(work)  # run()'s handler of Ctrl-C would wait for a file that is a pipe


def _and_noted(batches: Iterable[Sequence[Record]], what: str = "everything") -> Iterator[Sequence[Record]]:
    """Yield the batches, and then the entry of this import in the audit log."""
    yield from batches
    yield [Audit(entry(SystemClock(), "import", OPERATOR, detail=what))]
