"""The obvious chat server with aiohttp: a set of sockets per room, `send_str` for each. `baseline_aiohttp.py PORT`.

A baseline to measure against: no history, no JSON, no limits. Raw text in, the same text out to the whole room.
"""

import asyncio
import contextlib
import sys
from collections import defaultdict
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from aiohttp import WSMsgType, web

rooms: defaultdict[str, set[web.WebSocketResponse]] = defaultdict(set)


async def chat(request: web.Request) -> web.WebSocketResponse:
    """One connection, from its handshake to its end."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    members = rooms[request.query["r"]]
    members.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                for member in list(members):
                    with contextlib.suppress(ConnectionError):  # it leaves just now
                        await member.send_str(message.data)
    finally:
        members.discard(socket)
    return socket


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop where it is installed, as Parley does."""
    library: Any = import_module("uvloop") if find_spec("uvloop") else asyncio
    loop: asyncio.AbstractEventLoop = library.new_event_loop()
    return loop


def main() -> None:
    """Serve on 127.0.0.1 until killed."""
    app = web.Application()
    app.router.add_get("/chat", chat)
    where: dict[str, Any] = {"host": "127.0.0.1", "port": int(sys.argv[1]), "backlog": 1024}
    web.run_app(app, **where, loop=new_event_loop(), access_log=None, print=None)


if __name__ == "__main__":
    main()
