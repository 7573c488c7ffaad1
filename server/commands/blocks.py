"""``block``: addresses and networks that the server refuses."""

import os
from argparse import Namespace

from model.audit import OPERATOR, entry
from model.limits import REASON_CHARS
from model.networks import check_network
from model.room import User
from model.text import check_text
from server.access.networks import own_part
from server.accounts.lines import time_of
from server.commands.opening import Command, CommandRefused, Nouns, add_noun, add_verb, read_until

_COLUMNS = ("network", "since", "until", "reason")
_NETWORK = "an IP address, or a network such as 192.0.2.0/24 or 2001:db8::/32"


def add(nouns: Nouns) -> None:
    """Add the parser."""
    verbs = add_noun(
        nouns,
        "block",
        "block addresses and networks",
        "  main.py block add 192.0.2.7 --until 12h\n  main.py block list\n  main.py block remove 192.0.2.7",
    )
    adding = add_verb(
        verbs,
        "add",
        _add,
        "block an address or a network; its connections close within a second",
        "  main.py block add 192.0.2.7 --until 12h --reason 'flooding'\n  main.py block add 2001:db8::/32",
    )
    adding.add_argument("network", help=_NETWORK)
    adding.add_argument(
        "--until", metavar="WHEN", help="7d, 12h, or a time such as 2027-01-01T00:00:00Z (default: no end)"
    )
    adding.add_argument("--reason", default="", help="shown to clients that are refused")
    adding.add_argument(
        "--force",
        action="store_true",
        help="also loopback, your own address (of SSH), and addresses of TRUSTED_PROXIES",
    )
    add_verb(verbs, "list", _list, "list what is blocked", "  main.py block list\n  main.py block list --json")
    remove = add_verb(verbs, "remove", _remove, "end a block", "  main.py block remove 192.0.2.7")
    remove.add_argument("network", help="as block list shows it")


async def _add(command: Command, options: Namespace) -> None:
    network = check_network(options.network)
    here = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    if not options.force and (own := own_part(network, here, command.settings.trusted_proxies)):
        raise CommandRefused(f"{network} has {own} in it; --force blocks it all the same")
    until = read_until(options.until, command.clock)
    reason = check_text(options.reason, "--reason", REASON_CHARS)
    end = time_of(until)
    detail = "without an end" if end is None else f"until {end}"
    recorded = entry(command.clock, "block", OPERATOR, target=User(network, ""), detail=detail)
    await command.storage.access.block(network, until, reason, recorded)
    command.output.done(f"blocked {network} {detail}", {"network": network, "until": end, "reason": reason})


async def _list(command: Command, options: Namespace) -> None:
    rows = [
        {
            "network": notice.subject,
            "since": time_of(notice.at),
            "until": time_of(notice.deny_until),
            "reason": notice.reason,
        }
        for notice in await command.storage.access.blocks(command.clock.now_us())
    ]
    command.output.rows(_COLUMNS, rows)


async def _remove(command: Command, options: Namespace) -> None:
    network = check_network(options.network)
    recorded = entry(command.clock, "unblock", OPERATOR, target=User(network, ""))
    if not await command.storage.access.block(network, 0, "", recorded):
        raise CommandRefused(f"{network} is not blocked; block list shows what is")
    command.output.done(f"{network} is no longer blocked", {"network": network})
