"""Several nodes on this machine, to try: `python3 dev.py cluster --help`."""

import re
import signal
import sys
from collections.abc import Sequence

import psycopg

from tests.cluster.arguments import count_of
from tests.cluster.running import Nodes, Restartable, say, show
from tests.support.nats import NatsMissingError, NatsServer
from tests.support.postgres import PostgresCluster, any_server
from tests.support.postgres_binaries import PostgresMissingError
from tests.support.process import NotReadyError, remove_own_temp_folders, remove_stale_temp_folders


def run(count: int) -> None:
    """Start everything, show what happens until no node is left, stop everything.

    Raises NotReadyError, NatsMissingError, PostgresMissingError, psycopg.Error or OSError if a part cannot start.
    """
    say(f"starting PostgreSQL, nats-server and {count} nodes")
    with NatsServer() as nats, any_server() as server:
        others: dict[str, Restartable] = {"nats-server": nats}
        if isinstance(server, PostgresCluster):
            others["PostgreSQL"] = server
        url = server.create_database()
        try:
            with Nodes(count, {"DATABASE_URL": url, "NATS_URL": nats.url}, others) as nodes:
                nodes.wait()
                show(nodes.describe())
                nodes.follow()
        finally:
            if "PostgreSQL" not in others:
                server.drop_database(url)


def in_one_line(error: Exception) -> str:
    """Return what an exception says first, and why: of a program's log, its first error, else its last line."""
    first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    why = next((line for line in rest if re.search("error|fatal", line, re.IGNORECASE)), rest[-1] if rest else "")
    return f"{first} {why}".strip()


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 0 when it was stopped, 1 when a part could not start or no node was left."""
    count = count_of(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        remove_stale_temp_folders()
        run(count)
    except KeyboardInterrupt:
        say("stopped")
        return 0
    except (NotReadyError, NatsMissingError, PostgresMissingError, psycopg.Error, OSError) as error:
        print(f"dev.py cluster: {in_one_line(error)}", file=sys.stderr)
        return 1
    finally:
        remove_own_temp_folders()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
