"""The command line of `dev.py cluster`. It needs no package, so that it is read before any is installed."""

import argparse
from collections.abc import Sequence

MOST_NODES = 9

DESCRIPTION = """Start several nodes of Parley on this machine, with a nats-server and a PostgreSQL of their own, to try
what happens when one of them is killed. The nodes have the default settings: no .env and no variable is read. They
listen on 127.0.0.1, on the first free ports from 8080. With TEST_DATABASE_URL, that server gets one more database
instead. A nats-server or PostgreSQL that is killed starts again after some seconds. Everything is stopped on Ctrl-C,
and what was stored is removed."""


def count_of(arguments: Sequence[str]) -> int:
    """Read the command line. Ends the process with status 2 for a wrong one."""
    it = argparse.ArgumentParser(prog="dev.py cluster", description=DESCRIPTION)
    it.add_argument("--nodes", type=int, default=3, metavar="N", help="how many, 2 to 9 (3)")
    count: int = it.parse_args(arguments).nodes
    if not 2 <= count <= MOST_NODES:
        it.error(f"--nodes must be from 2 to {MOST_NODES}")
    return count
