"""The memory of an idle connection."""

import asyncio
import gc
import socket
import tracemalloc

import pytest

from tests.contract.records import until
from tests.support.rawws import NATIVE, command, upgrade
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server(
    "memory of a connection; that of a client of another node is in tests/integration/chat/test_stub_memory.py"
)

CONNECTIONS = 400
IN_A_ROOM = 100
# Of Python and of the event loop, by module. Kernel memory is not counted.
MOST_BYTES = {"uvloop": 3 << 10, "asyncio": 7 << 9}


async def test_an_idle_connection_takes_at_most_3_kb(serve: Serve) -> None:
    """A guest in one room, as after loading the page."""
    server = await serve()
    clients: list[socket.socket] = []
    try:
        await join(server.port, clients, IN_A_ROOM)
        await until(lambda: len(server.chat.parts.hub.sessions) == IN_A_ROOM)
        gc.collect()
        tracemalloc.start()
        before = server_bytes()
        await join(server.port, clients, CONNECTIONS)
        rooms = server.chat.parts.hub.rooms.values()
        await until(lambda: sum(len(room.presence.sessions) for room in rooms) == len(clients))
        await until(lambda: all(room.presence._timer is None for room in rooms))  # each diff was sent
        gc.collect()
        taken = (server_bytes() - before) / CONNECTIONS
    finally:
        tracemalloc.stop()
        for client in clients:
            client.close()
    assert taken <= MOST_BYTES[type(asyncio.get_running_loop()).__module__.partition(".")[0]]


async def join(port: int, clients: list[socket.socket], count: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(count):
        number = len(clients)
        client = socket.socket()
        clients.append(client)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, upgrade(f"/chat?u=user{number}", NATIVE))
        await loop.sock_sendall(client, command(type="join", room=f"room{number // IN_A_ROOM}"))


def server_bytes() -> int:
    ours = tracemalloc.Filter(False, __file__)
    taken = tracemalloc.take_snapshot().filter_traces([ours, tracemalloc.Filter(False, tracemalloc.__file__)])
    return sum(statistic.size for statistic in taken.statistics("filename"))
