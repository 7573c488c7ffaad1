"""``migrate``: change the tables of the database to those of this version, without a server."""

import asyncio
import sys
from argparse import Namespace

from server.commands.opening import Nouns, add_command
from server.settings.values import Settings
from storage.factory import inspect_storage, upgrade_storage
from storage.ports.errors import StorageUnavailable


def add(nouns: Nouns) -> None:
    """Add the parser."""
    add_command(
        nouns,
        "migrate",
        "make or change the tables of the database, as a server does when it starts",
        "Make or change the tables of the database, as a server does when it starts. No server may run. Only servers"
        " whose database user may not change tables need it.",
    )


def run_migrate(settings: Settings, options: Namespace) -> int:
    """Apply what is to be applied, and return the exit status: 1 if that is refused."""
    if not settings.database_url:
        print("DATABASE_URL is not set: there are no tables", file=sys.stderr)
        return 1
    try:
        asyncio.run(_migrate(settings.database_url))
    except StorageUnavailable as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


async def _migrate(url: str) -> None:
    found = await inspect_storage(url)
    if found.errors:
        raise StorageUnavailable("; ".join(found.errors))
    if not found.to_apply:
        print(f"nothing to apply: the tables are those of this version ({found.applied} migrations)")
        return
    print(f"applying to {found.place}: {', '.join(found.to_apply)}", flush=True)  # which may take long
    await upgrade_storage(url)
    print("done")
