"""The command line: arguments, ``.env``, logging, the event loop."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from model.errors import ParleyError
from model.principals import APPLICATION, principal_id
from model.text import check_user_name
from server.auth.tokens import sign_account
from server.commands import audit, blocks, check, exporting, health, importing, keys, migrate, sessions, users
from server.commands import settings as settings_command
from server.commands.opening import add_settings_file, run_command
from server.logs.formats import set_up_logging
from server.settings.sources import read_settings
from server.settings.table import SETTINGS, settings_help
from server.settings.values import SettingError, Settings
from server.supervisor import Supervisor
from utils.clock import DAY_SECONDS
from utils.version import installed_version

DOTENV = Path(".env")  # in the working directory
# The longest validity of a token: a hundred years.
DAYS = 36_500
# Commands about accounts, each with a parser of its own.
_NOUNS = {"user": users, "session": sessions, "key": keys, "block": blocks, "audit": audit}

_ABOUT_SERVER = {
    "check": check.run_check,
    "health": health.run_health,
    "migrate": migrate.run_migrate,
    "export": exporting.run_export,
    "import": importing.run_import,
    "settings": settings_command.run_settings,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server, or the command that ``arguments`` name (by default those of the process).

    Returns the exit status: 2 for wrong arguments or settings, 1 for a command that is refused.
    """
    _open_standard_streams()
    try:
        options = _parser().parse_args(arguments)
        dotenv = Path(options.env_file)
        if dotenv != DOTENV and not dotenv.exists():
            raise SettingError(f"--env-file: no such file: {dotenv}")
        read = partial(read_settings, os.environ, dotenv, host=options.host, port=options.port)
        settings = read()
        if options.command == "token":
            print(_token(settings, options))
        elif options.command in _NOUNS:
            return run_command(settings, options)
        elif options.command in _ABOUT_SERVER:
            return _ABOUT_SERVER[options.command](settings, options)
        else:
            return _run(settings, _reading_again(read, dotenv))
        return 0
    except SettingError as error:
        for problem in error.problems:
            print(f"{_program()}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # not of a server that runs, nor of a question of a command, which answer to it
        return 130
    finally:
        _let_go_of_standard_streams()


def _reading_again(read: Callable[[], Settings], dotenv: Path) -> Callable[[], Settings]:
    """Return a function that reads the settings while a server runs.

    A ``.env`` that has disappeared is an error: it would mean every default.
    """
    had_file = dotenv.is_file()

    def read_again() -> Settings:
        nonlocal had_file
        try:
            if dotenv.is_fifo():
                raise SettingError(f"{dotenv} is a pipe, which cannot be read again")
            if had_file and not dotenv.exists():
                raise SettingError(f"{dotenv} no longer exists")
            settings = read()
            had_file |= dotenv.is_file()
        except OSError as error:
            raise SettingError(f"{dotenv} cannot be read: {error.strerror}") from None
        return settings

    return read_again


def _program() -> str:
    """Return the name of the program as called: main.py, or parley if it is installed."""
    return Path(sys.argv[0]).name


def _parser() -> argparse.ArgumentParser:
    secrets = ", ".join(setting.name for setting in SETTINGS if setting.secret)
    parser = argparse.ArgumentParser(
        prog=_program(),
        usage=(
            "%(prog)s [-h] [--version] [run] [--host HOST] [--port PORT] [--env-file FILE]\n"
            "       %(prog)s token --user ID [--name NAME] [--role ROLE] [--days N]\n"
            "       %(prog)s check [--offline] [--json]\n"
            "       %(prog)s health [--ready]\n"
            "       %(prog)s migrate\n"
            "       %(prog)s settings [--all] [--json]\n"
            "       %(prog)s export FILE [--no-sessions]\n"
            "       %(prog)s import FILE [--slack [--users CSV]] [--dry-run]\n"
            "       %(prog)s {user,session,key,block,audit} ..."
        ),
        description="Parley: a self-hosted real-time chat server.",
        epilog=(
            "Settings, from the environment or a .env file in the working directory. NAME_FILE names a file with the\n"
            f"value of a secret ({secrets}):\n\n{settings_help()}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"parley {installed_version()}")
    _add_where(parser, None)
    add_settings_file(parser, str(DOTENV))
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands; without one, run", prog=_program()
    )
    run = commands.add_parser("run", help="run a server", description="Run a server until SIGTERM or Ctrl-C.")
    token = commands.add_parser(
        "token",
        help="print an account token, signed with JWT_SECRET; see token --help",
        description="Print a token for an account of your application, signed with JWT_SECRET.",
    )
    checking, showing = check.add(commands), settings_command.add(commands)
    health.add(commands)
    migrate.add(commands)
    exporting.add(commands)
    importing.add(commands)
    add_settings_file(run)
    add_settings_file(token)
    for noun in _NOUNS.values():
        noun.add(commands)
    for command in (run, checking, showing):
        _add_where(command, argparse.SUPPRESS)  # None would override an option before the command
    token.add_argument("--user", required=True, metavar="ID", help="id of the account in your application")
    token.add_argument("--name", help="display name (default: the id)")
    token.add_argument("--role", help="one of CHAT_ROLES (default: user if it is one, else the first)")
    token.add_argument("--days", default="30", metavar="N", help="days until the token expires (default: 30)")
    return parser


def _add_where(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("--host", default=default, help="addresses to listen on (setting HOST)")
    parser.add_argument("--port", default=default, help="port to listen on (setting PORT)")


def _token(settings: Settings, options: argparse.Namespace) -> str:
    if not settings.jwt_secret:
        raise SettingError("JWT_SECRET is not set; a token must be signed with the secret that the server uses")
    roles = settings.chat_roles
    role = options.role or ("user" if "user" in roles else roles[0])
    if role not in roles:
        raise SettingError(f"--role must be one of CHAT_ROLES: {', '.join(roles)}")
    try:
        principal_id(APPLICATION, options.user, "--user")
        name = check_user_name(options.user if options.name is None else options.name, "--name")
    except ParleyError as error:
        raise SettingError(error.message) from error
    try:
        days = float(options.days)
    except ValueError:
        days = 0.0
    if not 0 < days <= DAYS:
        raise SettingError(f"--days must be a number above 0, up to {DAYS}")
    expires = int(time.time() + days * DAY_SECONDS)
    more = {name: value for name, value in (("aud", settings.jwt_audience), ("iss", settings.jwt_issuer)) if value}
    return sign_account(settings.jwt_secret, userid=options.user, username=name, role=role, expires=expires, **more)


def _run(settings: Settings, read_again: Callable[[], Settings]) -> int:
    # Imported here, as it takes longer than most commands; without garbage collections, as it makes no garbage.
    gc.disable()
    from server.app import ListenError, serve

    fold = set_up_logging(settings.log_level.upper(), settings.log_format)
    _raise_file_limit()
    # Imported objects are never garbage, and a chat's objects are freed by reference counting, so a collection finds
    # nothing (tests/integration/port/test_garbage.py). A collection every 700 objects takes up to a tenth of the time;
    # one every 10,000 costs nothing measurable, and limits unforeseen cycles (20 objects with a frame of 64 KB each) to
    # 32 MB. One every 50,000 would allow 160 MB, and a full one after 50 of 20 of those would practically never run.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()
    # The settings refuse uvloop where it is missing.
    uvloop = settings.event_loop != "asyncio" and find_spec("uvloop") is not None
    try:
        with asyncio.Runner(loop_factory=import_module("uvloop" if uvloop else "asyncio").new_event_loop) as runner:
            return runner.run(serve(settings, read_again, Supervisor(os.environ)))
    except ListenError as error:
        print(f"{_program()}: {error}", file=sys.stderr)
        return 1
    finally:
        fold.flush()


def _open_standard_streams() -> None:
    """Open /dev/null in place of a closed stdin, stdout or stderr: sockets would get their numbers, to which libraries
    print and which uvloop cannot close."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115 - as long as the process
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _let_go_of_standard_streams() -> None:
    """Keep the exit status if the reader of the output or the log has gone away: Python would change it to 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _raise_file_limit() -> None:
    """Raise the limit on open files: each connection is one, and many systems start with 1024 but allow far more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # not allowed here: the limit stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 4096:
        logging.getLogger(__name__).warning(
            "only %d open files are allowed (was %d), which limits the number of connections", hard, soft
        )
