"""What is decided at the database reaches every node: without NATS, after a start, and never without being known."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
import pytest

from model.errors import ACCOUNT_CHANGED, BLOCKED, SIGNED_OUT, SUSPENDED, CloseCode
from model.room import FOREVER
from server.app import Server
from server.auth.access_list import STALE_SECONDS
from server.auth.keys import ServerKeys
from server.settings.values import Settings
from storage.ports.storage import Storage
from storage.postgres.connection.migrate import migrate
from storage.postgres.storage import PostgresStorage
from tests.contract.records import until
from tests.faults.nodes import Node, running
from tests.support.accounts import DAY, noted
from tests.support.nats import NatsServer
from tests.support.postgres import DatabaseServer
from tests.support.process import PATIENCE
from tests.support.proxy import Network
from tests.support.rawws import NATIVE, RawClient, fetch, upgrade
from tests.support.signed import SignedIn, bot, now_us, sign_in, signed_in
from tests.support.web import token_of
from utils.clock import SystemClock

SECRET = "the secret of the servers of this test"
KEYS = ServerKeys(SECRET)
SETTINGS = {"SERVER_SECRET": SECRET}


@asynccontextmanager
async def tables_of(url: str) -> AsyncIterator[Storage]:
    """Open the account tables, as the command line has them: without the lease."""
    storage = PostgresStorage(url)
    await storage._accounts.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
async def tables(database_url: str) -> AsyncIterator[Storage]:
    """Return the account tables."""
    async with tables_of(database_url) as opened:
        yield opened


async def suspend(tables: Storage, ann: SignedIn) -> CloseCode:
    await tables.access.suspend(ann.account.account_id, FOREVER, "spam", noted("suspend", at=now_us()))
    return SUSPENDED


async def end_login(tables: Storage, ann: SignedIn) -> CloseCode:
    await tables.logins.end(ann.account.account_id, only=ann.login.login_id, entry=noted("session_end", at=now_us()))
    return SIGNED_OUT


async def open_at(stack: AsyncExitStack, nodes: Sequence[Node], bearer: Any, **options: Any) -> list[RawClient]:
    """Connect to each node with a token, and wait until it knows the room."""
    clients = []
    for node in nodes:
        client = await RawClient.open(node.port, "/chat?r=den", [*NATIVE, *bearer], **options)
        clients.append(await stack.enter_async_context(client))
        await client.expect("joined")
    return clients


async def closes(clients: Sequence[RawClient], decided: float) -> tuple[set[Any], float]:
    """Return how connections were closed, and how long after the decision the last one was."""
    ends = {await client.closing() for client in clients}
    return ends, time.monotonic() - decided


async def until_accepted(node: Node, bearer: Sequence[tuple[str, str]]) -> None:
    """Wait until a node has read of a key."""
    async with asyncio.timeout(PATIENCE):
        while (await fetch(node.port, "/api/rooms", bearer)).status == 401:  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.one_server("it starts nodes by itself")
async def test_every_node_closes_within_a_second(database_url: str, nats: NatsServer, tables: Storage) -> None:
    """A login, an account, a bot and an address; with NATS, and once it is away."""
    async with running(database_url, nats.url, SERVER_SECRET=SECRET) as nodes, AsyncExitStack() as stack:
        await nodes.owner()
        for away in (False, True):
            ann, ben, cora = [await sign_in(tables, KEYS) for _ in range(3)]
            secret, key = await bot(tables)
            key_bearer = [("Authorization", f"Bearer {secret}")]
            await asyncio.gather(*(until_accepted(node, key_bearer) for node in nodes.all))
            others = await open_at(stack, nodes.all, cora.bearer)
            of_ann = await open_at(stack, nodes.all, ann.bearer)
            of_ben = await open_at(stack, nodes.all, ben.bearer)
            of_bot = await open_at(stack, nodes.all, key_bearer)
            source = "127.0.0.8" if away else "127.0.0.9"
            of_source = await open_at(stack, nodes.all, [], source=source)
            if away:
                nats.kill()
            for decide, ended in ((end_login(tables, ann), of_ann), (suspend(tables, ben), of_ben)):
                close = await decide
                ends, seconds = await closes(ended, time.monotonic())
                assert ends == {(close.code, close.reason)}
                assert seconds < 1
            await tables.access.revoke_key(key.key_id, noted("key_revoke", at=now_us()))
            ends, seconds = await closes(of_bot, time.monotonic())
            assert ends == {(SIGNED_OUT.code, SIGNED_OUT.reason)}
            assert seconds < 1
            await tables.access.block(source, now_us() + DAY, "flood", noted("block", at=now_us()))
            ends, seconds = await closes(of_source, time.monotonic())
            assert ends == {(BLOCKED.code, BLOCKED.reason)}
            assert seconds < 1
            for client in others:
                await client.pong()
        nats.start()
        await nodes.owner()


@pytest.mark.slow
@pytest.mark.one_server("it starts nodes by itself")
async def test_a_node_that_starts_later_knows_what_was_decided(
    database_url: str, nats: NatsServer, tables: Storage
) -> None:
    """It reads the notices before it listens."""
    async with running(database_url, nats.url, idle={2}, SERVER_SECRET=SECRET) as nodes:
        await nodes.edges()
        ann, ben = await sign_in(tables, KEYS), await sign_in(tables, KEYS)
        secret, _ = await bot(tables)
        await suspend(tables, ann)
        later = nodes.all[2]
        await asyncio.to_thread(later.start)
        reply = await fetch(later.port, "/api/users", ann.bearer)
        assert (reply.status, reply.json()["error"]["code"]) == (403, "suspended")
        await nodes.owner()
        for bearer in (ben.bearer, [("Authorization", f"Bearer {secret}")]):
            assert (await fetch(later.port, "/api/users", bearer)).status == 200


@pytest.mark.slow
@pytest.mark.one_server("it starts nodes by itself")
async def test_at_a_node_without_the_database_the_owner_decides_who_may_act(
    database_url: str, nats: NatsServer, tables: Storage
) -> None:
    """That node learns of nothing: it serves those whom the owner lets act."""
    async with (
        running(database_url, nats.url, count=2, networks=True, SERVER_SECRET=SECRET) as nodes,
        AsyncExitStack() as stack,
    ):
        (edge,) = await nodes.edges()
        ann, ben, cora = [await sign_in(tables, KEYS) for _ in range(3)]
        (of_ann,), (of_ben,), (of_cora,) = [await open_at(stack, [edge], one.bearer) for one in (ann, ben, cora)]
        edge.database.refuse()
        edge.database.cut()
        for decide, one, client in ((suspend, ann, of_ann), (end_login, ben, of_ben)):
            close = await decide(tables, one)
            assert await client.closing() == (close.code, close.reason)
            async with await RawClient.open(edge.port, "/chat?r=den", [*NATIVE, *one.bearer]) as again:
                assert await again.closing() == (close.code, close.reason)
            assert (await fetch(edge.port, "/api/users", one.bearer)).status in (401, 403)
        await of_cora.pong()
        assert (await fetch(edge.port, "/api/users", cora.bearer)).status == 200
        edge.database.refuse(False)
        await nodes.owner()


class Shifted(SystemClock):
    """A clock of which a test moves the seconds that only grow."""

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.mark.one_server("the database of one server is cut off")
async def test_a_node_that_cannot_read_for_half_a_minute_admits_no_account(database_url: str) -> None:
    """Connections that it has stay; accounts of the application and guests are still admitted."""
    clock = Shifted()
    async with Network(database_url) as network:
        settings = {"PORT": "0", "DATABASE_URL": network.url, "JWT_SECRET": "s" * 32, **SETTINGS}
        server = Server(Settings(settings), clock)
        await server.start()
        await until(lambda: server.chat.problem() is None)
        ann = await signed_in(server)
        application = [("Authorization", f"Bearer {token_of('ben')}")]
        async with await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *ann.bearer]) as client:
            await client.expect("joined")
            network.freeze()
            clock.ahead = STALE_SECONDS + 1
            async with await RawClient.connect(server.port) as late:
                late.send(upgrade("/chat", [*NATIVE, *ann.bearer]))
                reply = await late.reply()
                assert (reply.status, "retry-after" in reply.headers) == (503, True)
            reply = await fetch(server.port, "/api/users", ann.bearer)
            assert (reply.status, reply.json()["error"]["code"]) == (503, "unavailable")
            for headers in (application, []):
                async with await RawClient.open(server.port, "/chat", [*NATIVE, *headers]) as other:
                    await other.expect("welcome")
            await client.pong()
            network.thaw()
            await until(lambda: not server.accounts.access.is_stale())
            assert (await fetch(server.port, "/api/users", ann.bearer)).status == 200
            await client.pong()
        assert await server.stop() == 0


@pytest.mark.one_server("the clock of one server is moved")
async def test_after_a_day_without_storage_every_account_connects_again(database_url: str) -> None:
    """Notices may have been removed that the server never read."""
    clock = Shifted()
    server = Server(Settings({"PORT": "0", "DATABASE_URL": database_url, **SETTINGS}), clock)
    await server.start()
    await until(lambda: server.chat.problem() is None)
    ann = await signed_in(server)
    async with (
        await RawClient.open(server.port, "/chat?r=den", [*NATIVE, *ann.bearer]) as client,
        await RawClient.open(server.port, "/chat?r=den", NATIVE) as guest,
    ):
        await client.expect("joined")
        clock.ahead = 24 * 3600.0
        assert await client.closing() == (ACCOUNT_CHANGED.code, ACCOUNT_CHANGED.reason)
        await guest.pong()
    assert await server.stop() == 0


@pytest.mark.one_server("the database of one server is restored")
async def test_what_was_decided_in_a_restored_database_is_followed(database_url: str, postgres: DatabaseServer) -> None:
    """Its numbers of notices have gone back, and forward again before the server reads them."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await migrate(connection)
    async with tables_of(database_url) as tables:
        ann = await sign_in(tables, KEYS)
    backup = await asyncio.to_thread(postgres.copy_database, database_url)
    server = Server(Settings({"PORT": "0", "DATABASE_URL": database_url, **SETTINGS}))
    await server.start()
    await until(lambda: server.chat.problem() is None)
    async with await RawClient.open(server.port, "/chat", [*NATIVE, *ann.bearer]) as client:
        await client.expect("welcome")
        await server._storage.access.block("127.0.0.7", now_us() + DAY, "flood", noted("block", at=now_us()))
        await server.accounts.follower.catch_up()
        async with tables_of(backup) as restored:
            await suspend(restored, ann)
            for network in ("127.0.0.8", "127.0.0.9"):
                await restored.access.block(network, now_us() + DAY, "flood", noted("block", at=now_us()))
            assert (await restored.access.notices(after=0))[-1].number > server.accounts.follower.last()
        await asyncio.to_thread(postgres.replace_database, database_url, backup)
        assert await client.closing() == (SUSPENDED.code, SUSPENDED.reason)
    blocked = [server.accounts.access.denial_of(f"127.0.0.{n}") is not None for n in (7, 8, 9)]
    assert blocked == [False, True, True]
    assert await server.stop() == 0
