"""``audit``: the audit log."""

from argparse import Namespace

from msgspec import to_builtins

from model.audit import AUDIT_ACTIONS, AuditFilter
from model.limits import AUDIT_LIMIT
from model.text import check_time
from server.accounts.lines import line_of
from server.commands.opening import Command, Nouns, add_verb
from storage.ports.messages import ENDLESS

_COLUMNS = ("at", "action", "result", "actor", "target", "address", "room", "detail")
_DEFAULT = 50


def add(nouns: Nouns) -> None:
    """Add the parser."""
    parser = add_verb(
        nouns,
        "audit",
        _audit,
        "show the audit log, newest first",
        "  main.py audit\n"
        "  main.py audit --action login_failed --since 2026-11-21T00:00:00Z\n"
        "  main.py audit --actor a_5Vw0b1rQz2kPxY3t --limit 1000 --json",
    )
    parser.add_argument("--actor", metavar="ID", help="the user who acted; operator is this command line")
    parser.add_argument("--target", metavar="ID", help="the user, or what else was acted on")
    parser.add_argument("--action", choices=AUDIT_ACTIONS, metavar="ACTION", help=", ".join(AUDIT_ACTIONS))
    parser.add_argument("--room", help="name of a room")
    parser.add_argument("--since", metavar="TIME", help="from this time on (RFC 3339)")
    parser.add_argument("--until", metavar="TIME", help="before this time (RFC 3339)")
    parser.add_argument(
        "--limit", type=int, default=_DEFAULT, metavar="N", help=f"maximum number of entries (default: {_DEFAULT})"
    )


async def _audit(command: Command, options: Namespace) -> None:
    wanted = AuditFilter(
        options.actor,
        options.target,
        options.action,
        options.room,
        None if options.since is None else check_time(options.since, "--since"),
        None if options.until is None else check_time(options.until, "--until"),
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


def _named(user: object) -> str:
    """Return the id of a user in a row, with the name."""
    if not isinstance(user, dict):
        return ""
    return f"{user['id']} ({user['name']})" if "name" in user else user["id"]
