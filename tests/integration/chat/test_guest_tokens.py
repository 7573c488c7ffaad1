"""Guests' tokens over restarts, upgrades and several servers: the real server over real sockets."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import jwt
import psycopg
import pytest

from model.limits import GUEST_SECONDS
from server.app import Server
from server.settings.values import Settings
from storage.postgres.connection.migrate import load_migrations, migrate
from tests.contract.records import until
from tests.integration.chat.conftest import url
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client, Frame
from tests.support.postgres import PostgresCluster
from tests.support.process import poll_until
from tests.support.rawws import RawClient, upgrade
from tests.support.server import ServerProcess
from tests.support.serving import Serve
from tests.support.web import SECRET, Web, token_of

Start = Callable[[Mapping[str, str]], ServerProcess]
SERVER_SECRET = "of the servers, with at least thirty-two characters"


async def guest_of(server_url: str, name: str = "ann") -> tuple[str, str]:
    """A new guest's id and token."""
    async with Client(server_url, name) as client:
        welcome = await client.expect("welcome")
        return welcome["user"]["id"], welcome["token"]


async def hello(server_url: str, token: str) -> Frame:
    """The answer to a `hello` with this token."""
    async with Client(server_url) as client:
        await client.send("hello", id="h", token=token)
        return await client.until(lambda frame: frame.get("id") == "h")


async def who(server_url: str, token: str) -> str:
    """The id that a token is answered with, or the code of the error."""
    answer = await hello(server_url, token)
    return str(answer["code"] if answer["type"] == "error" else answer["user"]["id"])


async def ready(server: ServerProcess) -> None:
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="/ready is 200")


async def restart(server: ServerProcess, **environment: str) -> None:
    server.terminate()
    assert await asyncio.to_thread(server.wait) == 0
    server.env |= environment
    await asyncio.to_thread(server.start)
    await ready(server)


# --- restarts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [False, True], ids=["made", "given"])
async def test_a_restart_keeps_guests(start_server: Start, database_url: str, given: bool) -> None:
    environment = {"SERVER_SECRET": SERVER_SECRET} if given else {}
    server = await asyncio.to_thread(start_server, {"DATABASE_URL": database_url, "LOG_LEVEL": "debug", **environment})
    await ready(server)
    guest, token = await guest_of(server.ws_url)
    await restart(server)
    assert await who(server.ws_url, token) == guest
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        row = await (await connection.execute(b"SELECT secret, replaced_at FROM server_secret")).fetchone()
    assert row is not None
    assert (row[0] is None) == given
    assert row[1] is None
    shown = server.log_text()
    for path in ("/health", "/ready", "/metrics", "/openapi.json"):
        shown += (await Web(server.port).get(path)).body.decode()
    assert SERVER_SECRET not in shown
    assert row[0] is None or row[0].hex() not in shown
    # Another SERVER_SECRET makes every guest a new one.
    await restart(server, SERVER_SECRET=SERVER_SECRET[::-1])
    assert await who(server.ws_url, token) == "unauthorized"


async def test_memory_keeps_guests_only_with_a_server_secret(start_server: Start) -> None:
    server = await asyncio.to_thread(start_server, {"JWT_SECRET": SECRET})
    assert (
        "SERVER_SECRET is not set and there is no database: guests are not recognized after a restart"
        in server.log_text()
    )
    _, token = await guest_of(server.ws_url)
    await restart(server, SERVER_SECRET=SERVER_SECRET)
    assert await who(server.ws_url, token) == "unauthorized"
    guest, token = await guest_of(server.ws_url)
    await restart(server)
    assert await who(server.ws_url, token) == guest


@pytest.mark.one_server("without NATS_URL, a second server waits")
async def test_a_server_that_waits_for_another_one_knows_its_guests(serve: Serve, database_url: str) -> None:
    first = await serve(DATABASE_URL=database_url)
    guest, token = await guest_of(url(first))
    second = Server(Settings({"PORT": "0", "DATABASE_URL": database_url, "CLOSE_SECONDS": "1"}))
    await second.start()
    try:
        await until(lambda: second.chat.not_ready_reason() == "standby")
        assert await who(url(second), token) == guest
        other, signed_by_second = await guest_of(url(second))
        assert await who(url(first), signed_by_second) == other
        assert await first.stop() == 0
        await until(lambda: second.chat.problem() is None)
        assert await who(url(second), token) == guest
    finally:
        assert await second.stop() == 0


# --- who may sign ----------------------------------------------------------------------------------------------------


def signed(key: bytes, **claims: object) -> str:
    return jwt.encode({"exp": int(time.time()) + GUEST_SECONDS, **claims}, key, algorithm="HS256")


FORMER_KEY = hmac.digest(SECRET.encode(), b"parley guest token v1", hashlib.sha256)


@ON_BOTH
async def test_the_application_cannot_forge_a_guest(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(**storage)
    guest, _ = await guest_of(url(server))
    for key in (SECRET.encode(), FORMER_KEY):
        forged = signed(key, sub=guest, name="ann")
        assert await who(url(server), forged) == "unauthorized"
        assert (await Web(server.port, token=forged).get("/api/rooms")).status == 401


async def test_account_tokens_of_the_previous_secret_are_accepted(serve: Serve) -> None:
    server = await serve(JWT_SECRET="n" * 32, JWT_SECRET_PREVIOUS=SECRET)
    assert await who(url(server), token_of("ann")) == "u_ann"
    assert (await Web(server.port, "ann").post("/api/rooms", {"name": "den"})).status == 201
    replaced = await serve(JWT_SECRET="n" * 32)
    assert await who(url(replaced), token_of("ann")) == "unauthorized"
    assert (await Web(replaced.port, "ann").post("/api/rooms", {"name": "den"})).status == 401


@pytest.mark.one_server("it restarts on a database")
async def test_guests_of_an_earlier_version_are_recognized_for_30_days(serve: Serve, empty_database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as connection:
        await migrate(connection, [each for each in load_migrations() if each.version < 11])
        await connection.execute(b"INSERT INTO lease (id, holder, since) VALUES (1, 's_earlier', now())")
        server = await serve(DATABASE_URL=empty_database_url)
        former = signed(FORMER_KEY, sub="g_ann", name="ann")
        welcome = await hello(url(server), former)
        assert welcome["user"] == {"id": "g_ann", "name": "ann"}
        assert (await Web(server.port, token=former).get("/api/rooms")).status == 200
        assert await server.stop() == 0
        await connection.execute(b"UPDATE server_secret SET replaced_at = now() - interval '30 days 1 second'")
    server = await serve(DATABASE_URL=empty_database_url)
    assert await who(url(server), former) == "unauthorized"
    assert (await Web(server.port, token=former).get("/api/rooms")).status == 401
    assert await who(url(server), str(welcome["token"])) == "g_ann"


# --- a server whose database is not there yet -------------------------------------------------------------------------


async def test_guests_who_come_before_the_database_keep_their_identity(stopped_cluster: PostgresCluster) -> None:
    settings = {"PORT": "0", "JWT_SECRET": SECRET, "DATABASE_URL": stopped_cluster.url(), "CLOSE_SECONDS": "1"}
    await asyncio.to_thread(stopped_cluster.start)
    earlier = Server(Settings(settings))
    await earlier.start()
    await until(lambda: earlier.chat.problem() is None)
    guest, token = await guest_of(url(earlier))
    assert await earlier.stop() == 0
    await asyncio.to_thread(stopped_cluster.stop)
    server = Server(Settings(settings))
    await server.start()
    try:
        async with Client(url(server), "new") as new, Client(url(server)) as back:
            assert (await new.expect("welcome"))["token"] == ""
            await new.send("join", id="j", room="general")
            await back.send("hello", id="h", token=token)
            await back.send("join", id="j", room="general")
            refused = await Web(server.port, token=token).get("/api/rooms")
            assert (refused.status, refused.json()["error"]["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "2"
            async with await RawClient.connect(server.port) as early:
                early.send(upgrade(headers=[("Authorization", f"Bearer {token}")]))
                refused = await early.reply()
            assert (refused.status, refused.headers["retry-after"]) == (503, "2")
            assert await who(url(server), token_of("ann")) == "u_ann"
            await asyncio.to_thread(stopped_cluster.start)
            assert (await back.expect("welcome", id="h"))["user"]["id"] == guest
            await back.expect("joined", id="j")
            welcome = await new.expect("welcome")
            assert welcome["user"] == new.of("welcome")[0]["user"]
            assert (await new.expect("joined"))["epoch"] == welcome["epoch"]
            assert not new.of("error") + back.of("error")
        assert await who(url(server), welcome["token"]) == welcome["user"]["id"]
    finally:
        assert await server.stop() == 0
