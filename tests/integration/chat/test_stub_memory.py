"""The memory that a client of an edge takes at the owner."""

import asyncio
import gc
import socket
import tracemalloc

import pytest

from tests.contract.records import until
from tests.integration.port.test_idle_memory import IN_A_ROOM, join, server_bytes
from tests.support.server import ServerProcess
from tests.support.serving import started, wait_ready

CLIENTS = 400
MOST_BYTES = 2 << 10


@pytest.mark.one_server("it starts two nodes itself, of which the edge is another process: its memory does not count")
async def test_a_client_of_an_edge_takes_at_most_2_kb_at_the_owner(node_settings: dict[str, str]) -> None:
    """A guest in one room, as after loading the page."""
    settings = {"PRESENCE_GRACE": "0", **node_settings}
    owner = await started(settings)
    rooms, clients = owner.chat.parts.hub.rooms, list[socket.socket]()

    async def everyone_is_idle() -> None:
        await until(lambda: sum(len(room.presence.sessions) for room in rooms.values()) == len(clients))
        await until(lambda: all(room.presence._timer is None for room in rooms.values()))  # each diff was sent
        assert owner._cluster is not None
        peers = owner._cluster.node.peers
        await until(lambda: all(peer.link.idle for peer in peers.values()))
        gc.collect()

    try:
        async with ServerProcess(settings) as edge:
            await asyncio.to_thread(wait_ready, edge)
            await join(edge.port, clients, IN_A_ROOM)
            await everyone_is_idle()
            tracemalloc.start()
            before = server_bytes()
            await join(edge.port, clients, CLIENTS)
            await everyone_is_idle()
            taken = (server_bytes() - before) / CLIENTS
            for client in clients:
                client.close()
    finally:
        tracemalloc.stop()
        assert await owner.stop() == 0
    assert taken <= MOST_BYTES
