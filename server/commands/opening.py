"""Run a command: its parser, its connections to the database, and its errors."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from model.account import Account
from model.errors import ParleyError
from model.principals import ACCOUNT
from model.room import FOREVER
from model.text import check_time
from model.usernames import asked_username
from server.commands.output import Output
from server.settings.values import Settings
from storage.factory import open_accounts
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.storage import AccountStorage
from utils.clock import Clock, SystemClock

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class CommandRefused(Exception):
    """The command cannot be carried out: nothing has this name, or it is done already. The text is for the operator."""


class Command(NamedTuple):
    """What a command works with."""

    storage: AccountStorage
    clock: Clock
    output: Output
    settings: Settings


# What the parsers of nouns and verbs are added to.
Nouns: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run = Callable[[Command, argparse.Namespace], Awaitable[None]]


def add_noun(nouns: Nouns, name: str, summary: str, examples: str) -> Nouns:
    """Add a noun, with examples in its help, and return what its verbs are added to."""
    parser = nouns.add_parser(
        name,
        help=f"{summary}; see {name} --help",
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _show(parser, f"{examples}\n\n{name} VERB --help shows the arguments and more examples of a verb.")
    verbs: Nouns = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    return verbs


def add_verb(verbs: Nouns, name: str, run: Run, text: str, examples: str) -> argparse.ArgumentParser:
    """Add a verb, with ``--json`` and examples in its help."""
    parser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _show(parser, examples)
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    add_settings_file(parser)
    parser.set_defaults(run=run)
    return parser


def add_command(
    nouns: Nouns, name: str, summary: str, description: str, *, json: bool = False
) -> argparse.ArgumentParser:
    """Add a command about the server, without verbs; with ``--json`` if it prints rows."""
    parser = nouns.add_parser(name, help=summary, description=description)
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    add_settings_file(parser)
    return parser


def add_settings_file(parser: argparse.ArgumentParser, default: str = argparse.SUPPRESS) -> None:
    """Add ``--env-file`` to the parser of a command, or to that of the program, with its default."""
    # The default of a command would override an option before the command.
    parser.add_argument(
        "--env-file", default=default, metavar="FILE", help="file of settings (default: .env in the working directory)"
    )


def _show(parser: argparse.ArgumentParser, examples: str) -> None:
    """Show examples in the help of a parser, with the name of the program as it was called."""
    parser.epilog = f"Examples:\n\n{examples.replace('main.py', parser.prog.partition(' ')[0])}"


def run_command(settings: Settings, options: argparse.Namespace) -> int:
    """Run the command that ``options`` say. Returns the exit status: 1 if it is refused, 2 for wrong arguments."""
    try:
        with asyncio.Runner() as runner:
            runner.get_loop().run_until_complete(_run(settings, options))  # run()'s handler of Ctrl-C ends no prompt
    except ParleyError as error:
        print(f"{error.message}", file=sys.stderr)
        return 2
    except (CommandRefused, StorageUnavailable, BatchRefused) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):  # at a prompt
        print("\nnothing was changed", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings, options: argparse.Namespace) -> None:
    if not settings.database_url:
        raise CommandRefused("DATABASE_URL is not set; accounts in memory belong to the process of the server alone")
    storage = open_accounts(settings.database_url)
    try:
        await storage.start()
        await options.run(Command(storage, SystemClock(), Output(json=options.json), settings), options)
    finally:
        await storage.close()


# --- arguments -------------------------------------------------------------------------------------------------------


async def find_account(command: Command, given: str) -> Account:
    """Return the account with this username or id.

    Raises:
        CommandRefused: there is none.
    """
    accounts = command.storage.accounts
    by_id = given.startswith(ACCOUNT)
    found = await (accounts.find(given) if by_id else accounts.find_by_username(asked_username(given)))
    if found is None:
        raise CommandRefused(f"there is no account {given!r}")
    return found


def read_until(text: str | None, clock: Clock) -> int:
    """Return the time that ``--until`` gives, in Unix microseconds: a time in RFC 3339, or from now on ``7d``.

    Without one there is no end.

    Raises:
        ParleyError: ``bad_field``.
    """
    if text is None:
        return FOREVER
    now = clock.now_us()
    span = _span(text)
    until = _time(text, "--until") if span is None else now + span
    if not now < until < FOREVER:
        raise ParleyError("bad_field", "--until must be in the future", field="--until")
    return until


def read_past(text: str | None, option: str, clock: Clock) -> int | None:
    """Return the time that an option gives, in Unix microseconds: a time in RFC 3339, or ``7d`` for so long ago.

    Raises:
        ParleyError: ``bad_field``.
    """
    if text is None:
        return None
    span = _span(text)
    return _time(text, option) if span is None else max(0, clock.now_us() - span)


def _span(text: str) -> int | None:
    """Return a span such as ``7d`` in microseconds; None for anything else."""
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) <= 9:
        return int(number) * _UNITS[unit] * 1_000_000
    return None


def _time(text: str, option: str) -> int:
    try:
        return check_time(text, option)
    except ParleyError:
        wrong = f"{option} must be a span such as 7d or 12h, or a time such as 2027-01-01T00:00:00Z"
        raise ParleyError("bad_field", wrong, field=option) from None
