"""What the public port reveals of a server, and what only the operator's `ADMIN_PORT` does."""

import pytest

from server.app import Server
from tests.contract.records import until
from tests.integration.port.test_metrics import scrape
from tests.support.postgres import DatabaseServer
from tests.support.rawws import RawClient, command, fetch, request
from tests.support.serving import Serve
from tests.support.web import SECRET, Web

pytestmark = pytest.mark.one_server("each node has an ADMIN_PORT and metrics of its own; an edge has no rooms to name")

NOBODY = "postgresql://someone:s3cr3t-w0rd@127.0.0.1:1/nothing"


async def with_rooms(server: Server) -> RawClient:
    """Put a user in a room of each kind; `hidden` is private and the fourth is direct."""
    ann, ben = Web(server.port, "ann"), Web(server.port, "ben")
    await ann.create("shown")
    await ann.create("hidden", private=True)
    await ann.create("locked", password="pass word")
    await ben.create("of ben")
    client = await RawClient.native(server.port)
    client.send(command(type="hello", id="h", token=ann.token))
    await client.expect("welcome", id="h")
    client.send(command(type="direct", id="d", user="u_ben"))
    direct = (await client.expect("room", id="d"))["room"]
    for room in ("shown", "hidden", "locked", "fleeting", direct):
        client.send(command(type="join", id=room, room=room))
        await client.expect("joined", room=room)
    return client


async def status(port: int, path: str) -> int:
    """Return the status of a path that is not in the published document."""
    async with await RawClient.connect(port) as client:
        client.send(request(path))
        return (await client.reply()).status


async def named(port: int) -> set[str]:
    return {label for name, label in await scrape(port) if name == "room_connections"}


async def test_metrics_name_only_publicly_listed_rooms(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET)
    async with await with_rooms(server):
        assert await named(server.port) == {"shown", "fleeting"}
        body = (await fetch(server.port, "/metrics")).body
        assert b'"hidden"' not in body
        assert b'"locked"' not in body
        assert b"python_info" not in body, "no versions"


async def test_only_the_admin_port_serves_metrics(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET, ADMIN_PORT="0")
    async with await with_rooms(server):
        rooms = await named(server.admin_port)
        assert rooms > {"shown", "fleeting", "hidden", "locked"}
        assert len(rooms) == 5
        assert b"python_info" in (await fetch(server.admin_port, "/metrics")).body
    assert await status(server.port, "/metrics") == 404
    assert "/metrics" not in (await fetch(server.port, "/openapi.json")).json()["paths"]
    assert (await fetch(server.admin_port, "/health")).json() == {"status": "ok"}
    assert (await fetch(server.admin_port, "/ready")).json() == {"status": "ready"}
    for path in ("/", "/history", "/chat", "/api/rooms", "/openapi.json"):
        assert await status(server.admin_port, path) == 404


async def test_the_detailed_reason_is_only_on_the_admin_port(serve: Serve) -> None:
    server = await serve(DATABASE_URL=NOBODY, ADMIN_PORT="0")
    await until(lambda: "cannot connect" in str(server.chat.problem()))  # after its first attempt
    told = (await fetch(server.admin_port, "/ready")).json()
    assert (told["status"], told["reason"]) == ("not ready", "starting")
    assert "Connection refused" in told["detail"]
    assert "s3cr3t" not in str(told)
    public = await fetch(server.port, "/ready")
    assert public.json() == {"status": "not ready", "reason": "starting"}


async def test_a_second_server_is_on_standby(serve: Serve, database_url: str) -> None:
    first = await serve(DATABASE_URL=database_url)
    await until(lambda: first.chat.problem() is None)
    second = await serve(DATABASE_URL=database_url, ADMIN_PORT="0")
    await until(lambda: second.chat.not_ready_reason() == "standby")
    assert (await fetch(second.port, "/ready")).json() == {"status": "not ready", "reason": "standby"}
    assert "another server is writing" in (await fetch(second.admin_port, "/ready")).json()["detail"]


@pytest.mark.slow
async def test_lost_storage_is_reported_differently_from_storage_never_reached(
    serve: Serve, postgres: DatabaseServer
) -> None:
    url = postgres.create_database()
    server = await serve(DATABASE_URL=url)
    await until(lambda: server.chat.problem() is None)
    postgres.drop_database(url)
    await until(lambda: server.chat.problem() is not None)
    assert (await fetch(server.port, "/ready")).json() == {"status": "not ready", "reason": "storage"}


async def test_the_admin_port_reports_the_stop(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0")
    await server.chat.drain(1.0)
    told = (await fetch(server.admin_port, "/ready")).json()
    assert (told["reason"], told["detail"]) == ("stopping", "the server is shutting down")


async def test_a_head_to_the_admin_port_follows_the_same_rules(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0")
    async with await RawClient.connect(server.admin_port) as client:
        client.send(request("/health").replace(b"localhost", b"a b"))
        reply = await client.reply()
        assert (reply.status, reply.headers["server"]) == (400, "parley")
