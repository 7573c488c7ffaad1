"""``audit``: the audit log."""

import re
from argparse import Namespace

from msgspec import to_builtins

from model.audit import AUDIT_ACTIONS, OPERATOR, SERVER, AuditFilter
from model.limits import AUDIT_LIMIT
from model.networks import is_network
from model.principals import KINDS
from model.usernames import asked_username
from server.accounts.lines import line_of
from server.commands.opening import Command, CommandRefused, Nouns, add_verb, read_past
from storage.ports.messages import ENDLESS

_COLUMNS = ("at", "action", "result", "actor", "target", "address", "room", "detail")
_DEFAULT = 50
# Of what has no user: links, keys, reports, deleted accounts.
_ID = re.compile(r"[a-z]_")


def add(nouns: Nouns) -> None:
    """Add the parser."""
    parser = add_verb(
        nouns,
        "audit",
        _audit,
        "show the audit log, newest first",
        "  main.py audit\n"
        "  main.py audit --action login_failed --since 2026-11-21T00:00:00Z\n"
        "  main.py audit --target ann --since 7d\n"
        "  main.py audit --actor a_5Vw0b1rQz2kPxY3t --limit 1000 --json",
    )
    parser.add_argument(
        "--actor",
        metavar="USER",
        help="who acted: a username or an id; operator is this command line, server the server",
    )
    parser.add_argument("--target", metavar="USER", help="the user, or the id of what else was acted on")
    parser.add_argument("--action", choices=AUDIT_ACTIONS, metavar="ACTION", help=", ".join(AUDIT_ACTIONS))
    parser.add_argument("--room", help="name of a room")
    parser.add_argument("--since", metavar="TIME", help="from this time on: 7d or 12h ago, or a time in RFC 3339")
    parser.add_argument("--until", metavar="TIME", help="before this time, in the same forms")
    parser.add_argument(
        "--limit", type=int, default=_DEFAULT, metavar="N", help=f"maximum number of entries (default: {_DEFAULT})"
    )


async def _audit(command: Command, options: Namespace) -> None:
    wanted = AuditFilter(
        await _id_of(command, "--actor", options.actor),
        await _id_of(command, "--target", options.target),
        options.action,
        options.room,
        read_past(options.since, "--since", command.clock),
        read_past(options.until, "--until", command.clock),
    )
    rows: list[dict[str, object]] = []
    before = ENDLESS
    while len(rows) < options.limit:
        limit = min(AUDIT_LIMIT, options.limit - len(rows))
        page = await command.storage.audit.page(wanted, before=before, limit=limit)
        rows += [to_builtins(line_of(*found)) for found in page]
        if len(page) < limit:
            break
        before = page[-1][0]
    if not options.json:
        for row in rows:
            row |= {"actor": _named(row.get("actor")), "target": _named(row.get("target"))}
    command.output.rows(_COLUMNS, rows)


async def _id_of(command: Command, option: str, given: str | None) -> str | None:
    """Return the id of what was given: of an account by its username, or an id or network unchanged.

    Raises:
        CommandRefused: it is neither. The log has ids only, so no entry would be found.
    """
    if given is None or given in (SERVER.id, OPERATOR.id) or given.startswith(KINDS):
        return given
    account = await command.storage.accounts.find_by_username(asked_username(given))
    if account is not None:
        return account.account_id
    if _ID.match(given) is None and not is_network(given):
        raise CommandRefused(f"there is no account {given!r}; {option} takes a username or an id")
    return given


def _named(user: object) -> str:
    """Return the id of a user in a row, with the name."""
    if not isinstance(user, dict):
        return ""
    return f"{user['id']} ({user['name']})" if "name" in user else user["id"]
