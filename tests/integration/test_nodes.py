"""Servers that live at the same time: one of them writes, and gives that right away, or loses it when it hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest

from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained, Servers
from storage.ports.storage import STORED
from storage.postgres.connection.lease import Pace
from storage.postgres.connection.migrate import Migration, load_migrations
from storage.postgres.connection.node import NodeLease
from storage.postgres.sql import lease as sql
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, filled, inserts, inserts_more, message, ready, room, until
from tests.support.postgres import PostgresCluster
from tests.support.proxy import Network

NEVER = 3600.0
# A node takes nothing from one that lives, except in the tests of just that.
QUIET = PACE._replace(look=0.02, cut=NEVER, hung=NEVER, rest=NEVER)
EAGER = QUIET._replace(cut=0.1)
SUPERSEDED = "superseded"


class Node:
    """One node, and what it was told."""

    def __init__(self, storage: PostgresStorage) -> None:
        self.storage = storage
        self.events: list[Gained | str] = []
        self.installations: list[bytes] = []
        events = storage.lease_events
        events.on_gained = self.events.append
        events.on_superseded = lambda: self.events.append(SUPERSEDED)
        events.on_installation = self.installations.append

    @property
    def writes(self) -> bool:
        return self.storage.lease.tenure is not None

    @property
    def seen(self) -> Servers:
        """What its last look has shown."""
        servers = self.storage.servers()
        return Servers(0, "", False, frozenset(), frozenset()) if servers is None else servers

    @property
    def pid(self) -> int:
        """The process id of its session."""
        assert self.storage.lease.tenure is not None
        return self.storage.lease.tenure.pid


Start = Callable[..., Awaitable[Node]]


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    """Start the storage of one more node on the database."""
    started: list[PostgresStorage] = []

    async def start(name: str, pace: Pace = QUIET, url: str = database_url) -> Node:
        storage = PostgresStorage(url, pace=pace, node=name, read_seconds=1.0)
        node = Node(storage)
        started.append(storage)
        await storage.start()
        return node

    yield start
    for storage in started:
        await storage.close()


async def owner(start: Start, name: str = "one", *args: object) -> Node:
    """Start the node that writes."""
    node = await start(name, *args)
    await until(lambda: node.writes)
    return node


async def edge(start: Start, name: str = "two", *args: object) -> Node:
    """Start a node that knows which other one writes."""
    node = await start(name, *args)
    await until(lambda: node.seen.owner_lives and bool(node.installations))
    return node


async def execute(url: str, statement: bytes, **values: object) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def end_session(url: str, pid: int) -> None:
    await execute(url, b"SELECT pg_terminate_backend(%(pid)s)", pid=pid)


# --- what a node knows ----------------------------------------------------------------------------------------------


async def test_nodes_know_each_other(start: Start) -> None:
    """And which of them writes, and which reach the bus, until they stop."""
    one = await owner(start)
    two = await edge(start)
    await until(lambda: one.seen.lives("two") and two.seen.lives("one") and not two.seen.lives("three"))
    assert (two.seen.token, two.seen.owner, two.seen.owner_lives) == (1, "one", True)
    assert one.seen.owner_lives
    assert not two.seen.on_bus
    one.storage.say_on_bus(True)
    await until(lambda: two.seen.reaches_bus("one") and not two.seen.reaches_bus("two"))
    one.storage.say_on_bus(False)
    await until(lambda: not two.seen.reaches_bus("one"))
    assert one.installations == two.installations
    assert one.events == [Gained(1, None, False)]
    assert two.events == []
    assert two.storage.another_writes()
    await one.storage.close()
    assert one.storage.servers() is None
    await until(lambda: not two.seen.lives("one"))
    assert (two.seen.owner, two.seen.owner_lives) == ("one", False)


async def test_a_copy_of_a_database_is_another_installation(start: Start, database_url: str) -> None:
    """A node learns no installation from a copied row: only after the first one of the copy has signed it."""
    one = await owner(start)
    await one.storage.resign(None)
    await one.storage.close()
    admin, _, name = database_url.rpartition("/")
    copy = f"{database_url}_copy"
    await execute(f"{admin}/postgres", f"CREATE DATABASE {name}_copy TEMPLATE {name}".encode())
    waiting = await start("two", QUIET, copy)  # the row of the copy has no saved epoch
    await until(lambda: waiting.seen.owner == "one")
    assert waiting.installations == []
    first = await owner(start, "three", EAGER, copy)
    await until(lambda: bool(waiting.installations))
    assert waiting.installations == first.installations
    assert first.installations != one.installations
    for node in (waiting, first):
        await node.storage.close()
    await execute(f"{admin}/postgres", f"DROP DATABASE {name}_copy WITH (FORCE)".encode())


# --- to resign -------------------------------------------------------------------------------------------------------


async def test_a_node_resigns_and_the_next_one_continues_its_epoch(start: Start) -> None:
    one = await owner(start)
    two = await edge(start)
    where = room()
    writer = await filled(one.storage, where)
    assert await one.storage.resign("e_one")
    with pytest.raises(StorageUnavailable, match="has given up the right to write"):
        await writer.write(inserts_more(where, message(where, 1)))
    await until(lambda: two.writes)
    assert two.events == [Gained(2, "e_one", False)]
    assert one.events == [Gained(1, None, False)]
    assert await two.storage.writer().write(inserts_more(where, message(where, 1))) == [STORED]
    await until(lambda: one.seen.owner == "two" and one.seen.owner_lives)
    # And back, with the epoch: what it had told its own clients before is outdated.
    assert await two.storage.resign("e_two")
    assert not await two.storage.resign("e_two"), "it no longer writes"


async def test_a_node_that_resigned_takes_the_lease_back_if_no_other_does(start: Start) -> None:
    one = await owner(start, "one", QUIET._replace(rest=0.1))
    assert await one.storage.resign("e_one")
    await until(lambda: one.writes)
    assert one.events == [Gained(1, None, False), Gained(2, "e_one", False)]


async def test_the_lease_goes_back_and_forth(start: Start) -> None:
    one = await owner(start, "one", QUIET._replace(rest=0.1))
    two = await edge(start, "two", QUIET._replace(rest=0.1))
    assert await one.storage.resign("e_one")
    await until(lambda: two.writes)
    assert await two.storage.resign("e_one")
    await until(lambda: one.writes)
    assert one.events == [Gained(1, None, False), Gained(3, "e_one", True)]


async def test_without_an_epoch_the_next_node_waits(start: Start) -> None:
    """The lock is as free as after a crash."""
    one = await owner(start)
    two = await edge(start)
    assert await one.storage.resign(None)
    await until(lambda: not two.seen.owner_lives)
    three = await start("three", EAGER)
    await until(lambda: three.writes)
    assert three.events == [Gained(2, None, False)]
    assert two.events == []


async def test_resigning_ends_what_still_writes(start: Start, database_url: str) -> None:
    """A batch that waits for a lock of another program: the next owner does not wait for it."""
    one = await owner(start)
    two = await edge(start)
    where = room()
    writer = await filled(one.storage, where)
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute(b"LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        writing = asyncio.ensure_future(writer.write(inserts_more(where, message(where, 1))))
        async with asyncio.timeout(20):
            while await execute(database_url, b"SELECT count(*) FROM pg_locks WHERE NOT granted") != [(1,)]:
                pass
        assert await one.storage.resign("e_one")
        with pytest.raises(StorageUnavailable):
            await writing
        await until(lambda: two.writes)
    assert await two.storage.messages.history(where, limit=5) == []


async def test_only_one_of_many_takes_over(start: Start) -> None:
    one = await owner(start)
    others = [await edge(start, name) for name in ("two", "three", "four")]
    assert await one.storage.resign("e_one")
    await until(lambda: any(node.writes for node in others))
    await until(lambda: all(node.seen.token == 2 and node.seen.owner_lives for node in others))
    assert [node.events for node in others if node.writes] == [[Gained(2, "e_one", False)]]
    assert [node.events for node in others if not node.writes] == [[], []]


async def test_resigning_needs_no_answer(start: Start, database_url: str) -> None:
    """On a frozen network it fails within its time limit, and the tenure has ended nevertheless."""
    async with Network(database_url) as network:
        one = await owner(start, "one", QUIET._replace(answer=0.3), network.url)
        network.freeze()
        async with asyncio.timeout(5):
            assert not await one.storage.resign("e_one")
        assert not one.writes
        network.thaw()
        two = await start("two", EAGER)
        await until(lambda: two.writes)
        assert one.events == [Gained(1, None, False)]
        await one.storage.close()


# --- to lose it ------------------------------------------------------------------------------------------------------


async def test_a_cut_session_is_back_with_the_same_tenure(start: Start, database_url: str) -> None:
    one = await owner(start)
    two = await edge(start, "two", QUIET._replace(cut=1.0))
    before = one.pid
    where = room()
    await filled(one.storage, where)
    await end_session(database_url, before)
    await until(lambda: one.writes and one.pid != before)
    await until(lambda: two.seen.owner_lives)
    assert (one.seen.token, one.seen.owner) == (1, "one")
    assert one.events == [Gained(1, None, False)]
    assert two.events == []
    assert await one.storage.writer().write(inserts_more(where, message(where, 1))) == [STORED]


async def test_a_crashed_node_is_replaced(start: Start, database_url: str) -> None:
    """Its sessions end, and it does not come back."""
    async with Network(database_url) as network:
        one = await owner(start, "one", QUIET, network.url)
        two = await edge(start, "two", EAGER)
        network.refuse()
        network.cut()
        await until(lambda: two.writes)
        assert two.events == [Gained(2, None, True)]
        # If it does after all, it learns that it was superseded, and has no part in the tenure.
        await until(lambda: not one.writes)
        network.refuse(False)
        await until(lambda: one.events[1:] == [SUPERSEDED])
        await until(lambda: one.seen.owner == "two")
        assert one.storage.another_writes()
        assert await two.storage.resign("e_two")
        await until(lambda: one.writes)
        assert one.events[2:] == [Gained(3, "e_two", True)]
        await one.storage.close()


async def test_a_node_that_hangs_is_replaced(start: Start, database_url: str) -> None:
    """Another node ends its connections, which are still open, and so its locks; what it sends later is not stored."""
    async with Network(database_url) as network:
        # It does not notice itself: its time limits are as long as its pause would be.
        one = await owner(start, "one", QUIET._replace(answer=NEVER), network.url)
        where = room()
        writer = await filled(one.storage, where)
        two = await edge(start, "two", QUIET._replace(hung=0.5, cut=0.1))
        network.freeze()
        writing = asyncio.ensure_future(writer.write(inserts_more(where, message(where, 1))))
        await until(lambda: not two.seen.owner_lives)
        assert two.seen.lives("one"), "its session is there"
        await until(lambda: two.writes)
        assert await two.storage.messages.history(where, limit=5) == []
        assert await two.storage.writer().write(inserts_more(where, message(where, 2))) == [STORED]
        network.thaw()
        with pytest.raises(StorageUnavailable):
            await writing
        await until(lambda: one.events[1:] == [SUPERSEDED])
        with pytest.raises(StorageUnavailable):
            await writer.write(inserts_more(where, message(where, 1)))
        assert await two.storage.messages.history(where, limit=5) == [message(where, 2)]
        assert one.storage.problem() == one.storage.lease.problem
        await one.storage.close()


async def test_a_connection_of_an_old_tenure_cannot_write(start: Start, database_url: str) -> None:
    """The session of the lease has ended, and a connection that it admitted has not: it is ended first."""
    async with (
        Network(database_url) as network,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection,
    ):
        one = await owner(start, "one", QUIET, network.url)
        where = room()
        await filled(one.storage, where)
        assert one.storage.lease.tenure is not None
        await one.storage.lease.admit(connection, one.storage.lease.tenure)
        two = await edge(start, "two", QUIET._replace(cut=0.1, hung=0.5))
        network.refuse()
        network.cut()
        await until(lambda: two.writes)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            await connection.execute(b"DELETE FROM rooms")
        assert await two.storage.rooms.find_room(where.name) == where
        await one.storage.close()


async def test_a_problem_ends_with_the_tenure(start: Start, database_url: str) -> None:
    """The writer that had it may never write again: its rooms are another server's now."""
    one = await owner(start, "one", QUIET._replace(rest=0.1))
    where = room()
    writer = await filled(one.storage, where)
    ((ended,),) = await execute(
        database_url,
        b"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %(fence)s",
        fence=sql.FENCE_LOCK & 0xFFFFFFFF,
    )
    assert ended
    with pytest.raises(StorageUnavailable):
        await writer.write(inserts_more(where, message(where, 1)))
    assert "ended this connection" in str(one.storage.problem())
    assert await one.storage.resign("e_one")
    await ready(one.storage)


async def test_a_node_that_was_paused_accuses_no_other(start: Start, database_url: str) -> None:
    """It counts its own looks, not the time that has passed."""
    async with Network(database_url) as network:
        one = await owner(start, "one", QUIET._replace(answer=NEVER), network.url)
        two = await edge(start, "two", QUIET._replace(hung=NEVER / 2))
        network.freeze()
        await until(lambda: network.held > 0)
        lease = two.storage.lease
        assert isinstance(lease, NodeLease)
        before = two.seen
        lease._looked_at -= NEVER
        await until(lambda: two.seen is not before)
        assert two.seen.owner_lives
        network.thaw()
        await until(lambda: lease._seen_for == 0.0)
        assert one.writes


# --- the bus ---------------------------------------------------------------------------------------------------------


async def test_a_node_off_the_bus_takes_nothing_while_another_is_on_it(start: Start) -> None:
    one = await owner(start)
    off = await edge(start, "off", EAGER)
    on = await edge(start, "on", QUIET._replace(rest=0.1))
    on.storage.say_on_bus(True)
    await until(lambda: off.seen.reaches_bus("on"))
    assert await one.storage.resign("e_one")
    await until(lambda: on.writes)
    assert off.events == []
    # None of the others is on the bus once the last one stops: any may write.
    await on.storage.close()
    await until(lambda: off.writes)


# --- one server that is no node --------------------------------------------------------------------------------------


async def test_a_node_and_a_server_alone_exclude_each_other(start: Start, database_url: str) -> None:
    alone = PostgresStorage(database_url, pace=PACE)
    await alone.start()
    await ready(alone)
    one = await start("one", QUIET._replace(hung=0.1))
    await until(lambda: "another server is writing to this database: parley at" in str(one.storage.problem()))
    # However long: it raises no beat.
    lease = one.storage.lease
    assert isinstance(lease, NodeLease)
    await until(lambda: lease._seen_for > 0.5)
    assert one.seen.owner_lives
    assert alone.problem() is None
    await alone.keep_epoch("e_alone")
    await alone.close()
    await until(lambda: one.writes)
    assert one.events == [Gained(2, "e_alone", False)]
    again = PostgresStorage(database_url, pace=PACE)
    await again.start()
    await until(lambda: "another server is writing to this database" in str(again.problem()))
    assert await one.storage.resign("e_one")
    await ready(again)
    await until(lambda: one.seen.owner_lives and one.seen.token == 3)
    await again.close()


# --- migrations ------------------------------------------------------------------------------------------------------


def later(text: str) -> Callable[[], list[Migration]]:
    """Return the migrations, and one of a later version."""
    known = load_migrations()
    return lambda: [*known, Migration(len(known) + 1, "later", text, "checksum")]


@pytest.mark.parametrize("first_line", ["-- adds a table", "-- alone"])
async def test_a_migration_that_does_not_only_add_waits_until_no_other_node_lives(
    start: Start, first_line: str
) -> None:
    one = await owner(start)
    older = await edge(start, "older")
    newer = await start("newer", QUIET)
    newer.storage.lease._migrations = later(f"{first_line}\nCREATE TABLE later (x int)")
    await until(lambda: newer.seen.owner_lives)
    newer.storage.say_on_bus(True)
    await until(lambda: older.seen.reaches_bus("newer"))
    assert await one.storage.resign("e_one")
    if first_line == "-- alone":
        problem = f"migration {len(load_migrations()) + 1:04d}_later.sql waits until no other server runs; 2 do"
        await until(lambda: newer.storage.problem() == problem)
        await one.storage.close()
        await until(lambda: not newer.seen.lives("one"))
        assert not newer.writes
        await older.storage.close()
    await until(lambda: newer.writes)
    assert newer.events == [Gained(2, "e_one", False)]


async def test_a_node_that_is_too_old_for_the_database_lives_without_writing(start: Start, database_url: str) -> None:
    newer = await start("newer")
    newer.storage.lease._migrations = later("CREATE TABLE later (x int)")
    await until(lambda: newer.writes)
    older = await edge(start, "older")
    assert await newer.storage.resign("e_newer")
    await until(lambda: "which this version does not know" in str(older.storage.problem()))
    assert older.seen.lives("older")
    assert newer.seen.lives("older")
    assert older.events == []


# --- Postgres itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with PostgresCluster(durable=True) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_restart_of_postgres_leaves_the_lease_where_it_was(
    start: Start, cluster: PostgresCluster, how: str
) -> None:
    url = await asyncio.to_thread(cluster.create_database)
    pace = QUIET._replace(cut=0.1, grace=5.0, look=0.05)
    one = await owner(start, "one", pace, url)
    two = await edge(start, "two", pace, url)
    await asyncio.to_thread(cluster.stop, "fast" if how == "fast" else "immediate")
    await until(lambda: not one.writes and one.storage.servers() is None and two.storage.servers() is None)
    await asyncio.to_thread(cluster.start)
    await until(lambda: one.writes)
    await until(lambda: two.seen.owner_lives)
    assert (two.seen.owner, two.seen.token) == ("one", 1)
    where = room()
    assert await one.storage.writer().write(inserts(where)) == [STORED]
    assert one.events == [Gained(1, None, False)]
    assert two.events == []
    for node in (one, two):
        await node.storage.close()


async def test_two_nodes_start_on_an_empty_database(start: Start, database_url: str) -> None:
    nodes = [await start(name) for name in ("one", "two", "three")]
    await until(lambda: any(node.writes for node in nodes))
    await until(lambda: all(node.seen.token == 1 and node.seen.owner_lives for node in nodes))
    assert [node.writes for node in nodes].count(True) == 1
    versions = await execute(database_url, b"SELECT count(*) FROM schema_migrations")
    assert versions == [(len(load_migrations()),)]
