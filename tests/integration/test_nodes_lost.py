"""A node loses the right to write when its sessions end or it hangs, and never writes afterwards."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained, node_key
from storage.ports.storage import STORED
from storage.postgres.sql import lease as sql
from storage.postgres.sql.nodes import node_lock
from tests.contract.records import filled, inserts, inserts_more, message, ready, room, until
from tests.support.postgres import PostgresCluster
from tests.support.proxy import Network
from tests.support.storage_nodes import EAGER, NEVER, QUIET, SUPERSEDED, Nodes

# --- to lose it ------------------------------------------------------------------------------------------------------


async def test_a_cut_session_is_back_with_the_same_tenure(nodes: Nodes) -> None:
    one = await nodes.owner()
    two = await nodes.edge("two", QUIET._replace(cut=1.0))
    before = one.pid
    where = room()
    await filled(one.storage, where)
    await nodes.end_session(before)
    await until(lambda: one.writes and one.pid != before)
    await until(lambda: two.seen.owner_lives)
    assert (one.seen.token, one.seen.owner) == (1, "one")
    assert one.events == [Gained(1, None, False)]
    assert two.events == []
    assert await one.storage.writer().write(inserts_more(where, message(where, 1))) == [STORED]


async def test_a_returning_node_ends_its_own_earlier_sessions(nodes: Nodes) -> None:
    """Postgres has not noticed that they were cut off, and they hold its locks."""
    one = await nodes.owner()
    two = await nodes.edge()
    assert one.lease.tenure is not None
    async with (
        await psycopg.AsyncConnection.connect(nodes.url, autocommit=True) as writing,
        await psycopg.AsyncConnection.connect(nodes.url, autocommit=True) as cut_off,
    ):
        await one.lease.admit(writing, one.lease.tenure)
        await cut_off.execute(sql.TRY_LOCK_SHARED, {"key": node_lock(node_key("one"))})
        waiting = asyncio.ensure_future(cut_off.execute(b"SELECT pg_advisory_lock(%(key)s)", {"key": sql.WRITER_LOCK}))
        while await nodes.execute(b"SELECT count(*) FROM pg_locks WHERE NOT granted") != [(1,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # a lock has no event to wait for
        before = one.pid
        await nodes.end_session(before)
        await until(lambda: one.writes and one.pid != before)
        await waiting
        for connection in (writing, cut_off):
            with pytest.raises(psycopg.OperationalError, match="terminating connection"):
                await connection.execute(b"SELECT 1")
    assert one.events == [Gained(1, None, False)]
    assert two.events == []


async def test_a_node_learns_of_a_tenure_that_is_over(nodes: Nodes) -> None:
    """Another one had the lease and has crashed: the lock is free, but this node does not continue its own tenure."""
    async with Network(nodes.url) as network:
        one = await nodes.owner("one", EAGER, network.url)
        two = await nodes.edge("two", EAGER)
        network.refuse()
        network.cut()
        await until(lambda: two.writes)
        await two.storage.close()
        network.refuse(False)
        await until(lambda: one.writes)
        assert one.events == [Gained(1, None, False), SUPERSEDED, Gained(3, None, True)]
        await one.storage.close()


async def test_a_node_that_lost_its_session_too_lets_the_holder_return_first(nodes: Nodes) -> None:
    """As after a restart of Postgres; a node whose session was there all the time waits for a shorter time."""
    async with Network(nodes.url) as network:
        one = await nodes.owner("one", QUIET, network.url)
        two = await nodes.edge("two", QUIET._replace(cut=0.0, grace=NEVER))
        session = b"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %(key)s::bigint"
        ((pid,),) = await nodes.execute(session, key=node_key("two"))
        await nodes.end_session(pid)
        await until(lambda: two.storage.servers() is None)
        await until(lambda: two.seen.owner_lives)
        network.refuse()
        network.cut()
        await until(lambda: not one.writes and not two.seen.owner_lives)
        await two.looks()
        assert two.events == []
        three = await nodes.start("three", EAGER)
        await until(lambda: three.writes)
        await one.storage.close()


async def test_a_crashed_node_is_replaced(nodes: Nodes) -> None:
    """Its sessions end, and it does not come back."""
    async with Network(nodes.url) as network:
        one = await nodes.owner("one", QUIET, network.url)
        two = await nodes.edge("two", EAGER)
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


async def test_a_node_that_hangs_is_replaced(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    """Another node ends its connections, which are still open, and so its locks; what it sends later is not stored."""
    async with Network(nodes.url) as network:
        # It does not notice itself: its time limits are as long as its pause would be.
        one = await nodes.owner("one", QUIET._replace(answer=NEVER), network.url)
        where = room()
        writer = await filled(one.storage, where)
        two = await nodes.edge("two", QUIET._replace(hung=0.5, cut=0.1))
        network.freeze()
        writing = asyncio.ensure_future(writer.write(inserts_more(where, message(where, 1))))
        await until(lambda: not two.seen.owner_lives)
        assert two.seen.lives("one"), "its session is there"
        await until(lambda: two.writes)
        assert await two.storage.messages.history(where, limit=5) == []
        assert await two.storage.writer().write(inserts_more(where, message(where, 2))) == [STORED]
        ended = [record.getMessage() for record in caplog.records if "ending" in record.message]
        assert len(ended) == 1, "its writers end with the session of the lease"
        assert ended[0].startswith("ending the writing server, which hangs (PostgreSQL process ")
        network.thaw()
        with pytest.raises(StorageUnavailable):
            await writing
        await until(lambda: one.events[1:] == [SUPERSEDED])
        with pytest.raises(StorageUnavailable):
            await writer.write(inserts_more(where, message(where, 1)))
        assert await two.storage.messages.history(where, limit=5) == [message(where, 2)]
        assert one.storage.problem() == one.lease.problem
        await one.storage.close()


async def test_a_connection_of_an_old_tenure_cannot_write(nodes: Nodes) -> None:
    """The session of the lease has ended, and a connection that it admitted has not: it is ended first."""
    async with (
        Network(nodes.url) as network,
        await psycopg.AsyncConnection.connect(nodes.url, autocommit=True) as connection,
    ):
        one = await nodes.owner("one", QUIET, network.url)
        where = room()
        await filled(one.storage, where)
        assert one.lease.tenure is not None
        await one.lease.admit(connection, one.lease.tenure)
        two = await nodes.edge("two", QUIET._replace(cut=0.1, hung=0.5))
        network.refuse()
        network.cut()
        await until(lambda: two.writes)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            await connection.execute(b"DELETE FROM rooms")
        assert await two.storage.rooms.find_room(where.name) == where
        await one.storage.close()


async def test_a_problem_ends_with_the_tenure(nodes: Nodes) -> None:
    """The writer that had it may never write again: its rooms are another server's now."""
    one = await nodes.owner("one", QUIET._replace(rest=0.1))
    where = room()
    writer = await filled(one.storage, where)
    ((ended,),) = await nodes.execute(
        b"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %(fence)s",
        fence=sql.FENCE_LOCK & 0xFFFFFFFF,
    )
    assert ended
    with pytest.raises(StorageUnavailable):
        await writer.write(inserts_more(where, message(where, 1)))
    assert "ended this connection" in str(one.storage.problem())
    assert await one.storage.resign("e_one")
    await ready(one.storage)


async def test_a_node_that_was_paused_accuses_no_other(nodes: Nodes) -> None:
    """It counts its own looks, not the time that has passed."""
    async with Network(nodes.url) as network:
        one = await nodes.owner("one", QUIET._replace(answer=NEVER), network.url)
        two = await nodes.edge("two", QUIET._replace(hung=NEVER / 2))
        network.freeze()
        await until(lambda: network.held > 0)
        two.lease._looked_at -= NEVER
        await two.looks()
        assert two.seen.owner_lives
        network.thaw()
        await until(lambda: two.lease._seen_for == 0.0)
        assert one.writes


# --- Postgres itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with PostgresCluster(durable=True) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_restart_of_postgres_leaves_the_lease_where_it_was(cluster: PostgresCluster, how: str) -> None:
    nodes = Nodes(await asyncio.to_thread(cluster.create_database))
    pace = QUIET._replace(cut=0.1, grace=5.0, look=0.05)
    one = await nodes.owner("one", pace)
    two = await nodes.edge("two", pace)
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
    await nodes.close()
