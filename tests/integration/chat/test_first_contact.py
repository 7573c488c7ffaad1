"""A server and its PostgreSQL start together: clients that connect at once wait a moment, and are not refused."""

import asyncio

import pytest

from server.app import Server
from server.settings.values import Settings
from tests.support.client import Client
from tests.support.postgres import PostgresCluster
from tests.support.web import SECRET, Web

pytestmark = pytest.mark.one_server("a server and its database start together")


async def test_a_client_that_connects_before_the_database_is_served_once_it_is_up(
    stopped_cluster: PostgresCluster,
) -> None:
    server = Server(
        Settings({"PORT": "0", "JWT_SECRET": SECRET, "DATABASE_URL": stopped_cluster.url(), "CLOSE_SECONDS": "1"})
    )
    await server.start()
    try:
        clients = [await Client(f"ws://127.0.0.1:{server.port}", f"p{number}").open() for number in range(20)]
        for client in clients:
            await client.send("join", id="j", room="general")
            await client.send("message", id="m", room="general", content="first")
        web = Web(server.port, "ann")
        asked = [
            asyncio.ensure_future(each) for each in (web.post("/api/rooms", {"name": "den"}), web.get("/api/rooms"))
        ]
        assert (await web.get("/ready")).status == 503  # while they wait
        assert not any(each.done() for each in asked)
        await asyncio.to_thread(stopped_cluster.start)
        for client in clients:
            await client.expect("joined", room="general")
            await client.expect("ack")
            assert not client.of("error")
            await client.close()
        assert [(await each).status for each in asked] == [201, 200]
    finally:
        assert await server.stop() == 0
