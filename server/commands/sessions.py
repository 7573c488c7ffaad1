"""``session``: the devices on which an account is signed in."""

from argparse import ArgumentTypeError, Namespace

from model.audit import OPERATOR, entry
from server.accounts.lines import time_of
from server.commands.opening import Command, CommandRefused, Nouns, add_noun, add_verb, find_account

_COLUMNS = ("id", "device", "address", "created_at", "refreshed_at", "ends_at")
_USER = "a username, or an id such as a_5Vw0b1rQz2kPxY3t"


def add(nouns: Nouns) -> None:
    """Add the parser."""
    verbs = add_noun(
        nouns,
        "session",
        "list and end the sessions of an account: the devices on which it is signed in",
        "  main.py session list ann\n  main.py session end ann",
    )
    listing = add_verb(
        verbs,
        "list",
        _list,
        "list the sessions of an account",
        "  main.py session list ann\n  main.py session list ann --json",
    )
    listing.add_argument("user", help=_USER)
    end = add_verb(
        verbs,
        "end",
        _end,
        "sign an account out, on one device or on all of them",
        "  main.py session end ann\n  main.py session end ann --session l_p0cQ3mXbW8yT1sZk5uVh2g",
    )
    end.add_argument("user", help=_USER)
    end.add_argument("--session", type=_session, metavar="ID", help="end only this one, see session list")


def _session(text: str) -> str:
    if not text:
        raise ArgumentTypeError("is empty: leave --session out to end all sessions")
    return text


async def _list(command: Command, options: Namespace) -> None:
    account = await find_account(command, options.user)
    logins = await command.storage.logins.of_account(account.account_id, command.clock.now_us())
    rows = [
        {
            "id": login.login_id,
            "device": login.device,
            "address": login.address,
            "created_at": time_of(login.created_at),
            "refreshed_at": time_of(login.refreshed_at),
            "ends_at": time_of(login.ends_at),
            "browser": login.by_cookie,
        }
        for login in logins
    ]
    command.output.rows(_COLUMNS, rows)


async def _end(command: Command, options: Namespace) -> None:
    account = await find_account(command, options.user)
    recorded = entry(
        command.clock, "session_end", OPERATOR, target=account.user, detail="one" if options.session else "all"
    )
    ended = await command.storage.logins.end(account.account_id, only=options.session or "", entry=recorded)
    if not ended:
        which = f"session {options.session!r}" if options.session else "session"
        raise CommandRefused(f"{account.username} has no {which}")
    count = f"{len(ended)} session{'s' if len(ended) > 1 else ''}"
    command.output.done(f"ended {count} of {account.username}", {"id": account.account_id, "ended": ended})
