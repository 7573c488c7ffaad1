"""The obvious chat server with websockets: a set of connections per room, `broadcast`. `baseline_websockets.py PORT`.

A baseline to measure against: no history, no JSON, no limits. Raw text in, the same text out to the whole room.
"""

import asyncio
import sys
from collections import defaultdict
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def chat(connection: ServerConnection) -> None:
    """One connection, from its handshake to its end."""
    assert connection.request is not None
    members = rooms[parse_qs(urlsplit(connection.request.path).query)["r"][0]]
    members.add(connection)
    try:
        async for message in connection:
            broadcast(members, message)
    except ConnectionClosed:
        pass  # without a closing handshake: as good as any other end
    finally:
        members.discard(connection)


async def run(port: int) -> None:
    """Serve on 127.0.0.1 until killed."""
    async with serve(chat, "127.0.0.1", port, compression=None, backlog=1024):
        await asyncio.get_running_loop().create_future()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop where it is installed, as Parley does."""
    library: Any = import_module("uvloop") if find_spec("uvloop") else asyncio
    loop: asyncio.AbstractEventLoop = library.new_event_loop()
    return loop


def main() -> None:
    """Run until killed."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(int(sys.argv[1])))


if __name__ == "__main__":
    main()
