"""Servers that live at the same time: they know each other, and one of them writes until it resigns."""

import asyncio
import logging
from collections.abc import Callable

import psycopg
import pytest

from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained
from storage.ports.storage import STORED
from storage.postgres.connection.migrate import Migration, load_migrations
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, filled, inserts_more, message, open_postgres, ready, room, until
from tests.support.process import PATIENCE
from tests.support.proxy import Network
from tests.support.storage_nodes import EAGER, NEVER, QUIET, Nodes


async def beat(nodes: Nodes) -> int:
    """Return how often the nodes that write have raised the beat."""
    ((beats,),) = await nodes.execute(b"SELECT last_value FROM lease_beat")
    return int(beats)


# --- what a node knows ----------------------------------------------------------------------------------------------


async def test_nodes_know_each_other(nodes: Nodes) -> None:
    """And which of them writes, and which reach the bus, until they stop."""
    one = await nodes.owner()
    two = await nodes.edge()
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


async def test_a_copy_of_a_database_is_another_installation(nodes: Nodes) -> None:
    """A node learns no installation from a copied row: only after the first one of the copy has signed it."""
    one = await nodes.owner()
    await one.storage.resign(None)
    await one.storage.close()
    admin, _, name = nodes.url.rpartition("/")
    copy = f"{nodes.url}_copy"
    await Nodes(f"{admin}/postgres").execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}".encode())
    waiting = await nodes.start("two", QUIET, copy)  # the row of the copy has no saved epoch
    await until(lambda: waiting.seen.owner == "one")
    assert waiting.installations == []
    first = await nodes.owner("three", EAGER, copy)
    await until(lambda: bool(waiting.installations))
    assert waiting.installations == first.installations
    assert first.installations != one.installations
    for node in (waiting, first):
        await node.storage.close()
    await Nodes(f"{admin}/postgres").execute(f"DROP DATABASE {name}_copy WITH (FORCE)".encode())


async def test_looks_write_no_new_versions_of_the_row(nodes: Nodes) -> None:
    """An open transaction, such as that of a backup, would keep all of them, and each look would read them."""

    async def version() -> object:
        return await nodes.execute(b"SELECT ctid, xmin FROM lease")

    one = await nodes.owner()
    before, beaten = await version(), await beat(nodes)
    for _ in range(3):
        one.lease.check_now()
        async with asyncio.timeout(PATIENCE):
            while await beat(nodes) == beaten:  # noqa: ASYNC110  # a row has no event to wait for
                await asyncio.sleep(0.02)
        beaten = await beat(nodes)
    assert await version() == before


# --- to resign -------------------------------------------------------------------------------------------------------


async def test_a_node_resigns_and_the_next_one_continues_its_epoch(nodes: Nodes) -> None:
    one = await nodes.owner()
    two = await nodes.edge()
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


async def test_a_node_that_resigned_takes_the_lease_back_if_no_other_does(nodes: Nodes) -> None:
    one = await nodes.owner("one", QUIET._replace(rest=0.1))
    assert await one.storage.resign("e_one")
    await until(lambda: one.writes)
    assert one.events == [Gained(1, None, False), Gained(2, "e_one", False)]


async def test_the_lease_goes_back_and_forth(nodes: Nodes) -> None:
    one = await nodes.owner("one", QUIET._replace(rest=1.0))  # until the other one has looked
    two = await nodes.edge("two")
    assert await one.storage.resign("e_one")
    await until(lambda: two.writes)
    assert await two.storage.resign("e_one")
    await until(lambda: one.writes)
    assert one.events == [Gained(1, None, False), Gained(3, "e_one", True)]


async def test_without_an_epoch_the_next_node_waits(nodes: Nodes) -> None:
    """The lock is as free as after a crash."""
    one = await nodes.owner()
    two = await nodes.edge()
    assert await one.storage.resign(None)
    await until(lambda: not two.seen.owner_lives)
    three = await nodes.start("three", EAGER)
    await until(lambda: three.writes)
    assert three.events == [Gained(2, None, False)]
    assert two.events == []


async def test_resigning_ends_what_still_writes(nodes: Nodes) -> None:
    """A batch that waits for a lock of another program: the next owner does not wait for it."""
    one = await nodes.owner()
    two = await nodes.edge()
    where = room()
    writer = await filled(one.storage, where)
    async with await psycopg.AsyncConnection.connect(nodes.url) as blocker:
        await blocker.execute(b"LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        writing = asyncio.ensure_future(writer.write(inserts_more(where, message(where, 1))))
        async with asyncio.timeout(PATIENCE):
            while await nodes.execute(b"SELECT count(*) FROM pg_locks WHERE NOT granted") != [(1,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # a lock has no event to wait for
        assert await one.storage.resign("e_one")
        assert await nodes.execute(b"SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]
        with pytest.raises(StorageUnavailable):
            await writing
        await until(lambda: two.writes)
    assert await two.storage.messages.history(where, limit=5) == []


async def test_only_one_of_many_takes_over(nodes: Nodes) -> None:
    one = await nodes.owner()
    others = [await nodes.edge(name) for name in ("two", "three", "four")]
    assert await one.storage.resign("e_one")
    await until(lambda: any(node.writes for node in others))
    await until(lambda: all(node.seen.token == 2 and node.seen.owner_lives for node in others))
    assert [node.events for node in others if node.writes] == [[Gained(2, "e_one", False)]]
    assert [node.events for node in others if not node.writes] == [[], []]


async def test_resigning_needs_no_answer(nodes: Nodes) -> None:
    """On a frozen network it fails within its time limit, and the tenure has ended nevertheless."""
    async with Network(nodes.url) as network:
        one = await nodes.owner("one", QUIET._replace(answer=0.3), network.url)
        network.freeze()
        async with asyncio.timeout(5):
            assert not await one.storage.resign("e_one")
        assert not one.writes
        network.thaw()
        two = await nodes.start("two", EAGER)
        await until(lambda: two.writes)
        assert one.events == [Gained(1, None, False)]
        await one.storage.close()


async def test_a_node_that_has_just_lost_its_session_resigns(nodes: Nodes) -> None:
    """It cannot save its epoch, and does not take the lease back."""
    async with Network(nodes.url) as network:
        one = await nodes.owner("one", QUIET, network.url)
        two = await nodes.edge()
        network.refuse()
        network.cut()
        await until(lambda: not one.writes)
        assert not await one.storage.resign("e_one")
        network.refuse(False)
        await until(lambda: two.seen.lives("one"))
        await one.looks()
        assert one.events == [Gained(1, None, False)]
        assert not two.seen.owner_lives
        await one.storage.close()


async def test_a_saved_epoch_stays_until_the_end(nodes: Nodes) -> None:
    """A server that stops without resigning saves it too, and may look again before its session ends."""
    one = await nodes.owner()
    two = await nodes.edge()
    await one.storage.keep_epoch("e_one")
    await one.looks()
    await one.storage.close()
    await until(lambda: two.writes)
    assert two.events == [Gained(2, "e_one", False)]


# --- the bus ---------------------------------------------------------------------------------------------------------


async def test_a_node_off_the_bus_takes_nothing_while_another_is_on_it(nodes: Nodes) -> None:
    one = await nodes.owner()
    off = await nodes.edge("off", EAGER)
    on = await nodes.edge("on", QUIET._replace(rest=0.1))
    on.storage.say_on_bus(True)
    await until(lambda: off.seen.reaches_bus("on"))
    assert await one.storage.resign("e_one")
    await until(lambda: on.writes)
    assert off.events == []
    # None of the others is on the bus once the last one stops: any may write.
    await on.storage.close()
    await until(lambda: off.writes)


async def test_a_node_off_the_bus_takes_what_a_hung_one_on_it_leaves(nodes: Nodes) -> None:
    async with Network(nodes.url) as network:
        one = await nodes.owner()
        on = await nodes.edge("on", QUIET._replace(answer=NEVER), network.url)
        on.storage.say_on_bus(True)
        off = await nodes.edge("off", EAGER._replace(hung=0.2))
        await until(lambda: off.seen.reaches_bus("on"))
        network.freeze()
        assert await one.storage.resign("e_one")
        await until(lambda: off.writes)
        assert off.events == [Gained(2, "e_one", False)]
        network.thaw()
        await on.storage.close()


async def test_a_node_that_says_the_same_of_the_bus_again_does_not_look_sooner(nodes: Nodes) -> None:
    """It says so many times a second, and each look of the node that writes raises the beat."""

    one = await nodes.owner("one", QUIET._replace(look=NEVER))
    one.storage.say_on_bus(True)
    await until(lambda: one.seen.reaches_bus("one"))
    before = await beat(nodes)
    for _ in range(10):
        one.storage.say_on_bus(True)
        assert await beat(nodes) == before
    one.storage.say_on_bus(False)
    await until(lambda: not one.seen.reaches_bus("one"))
    assert await beat(nodes) != before


# --- one server that is no node --------------------------------------------------------------------------------------


async def test_a_node_and_a_server_alone_exclude_each_other(nodes: Nodes) -> None:
    alone = await open_postgres(nodes.url)
    where = room()
    writer = await filled(alone, where)
    one = await nodes.start("one", QUIET._replace(hung=0.1))
    await until(lambda: "another server is writing to this database: parley at" in str(one.storage.problem()))
    # It raises no beat, and is not accused for that.
    await until(lambda: one.lease._seen_for > 0.5)
    assert one.seen.owner_lives
    assert await writer.write(inserts_more(where, message(where, 1))) == [STORED]
    await alone.keep_epoch("e_alone")
    await alone.close()
    await until(lambda: one.writes)
    assert one.events == [Gained(2, "e_alone", False)]
    again = PostgresStorage(nodes.url, pace=PACE)
    await again.start()
    two = await nodes.start("two", QUIET)
    waits = "this server has no NATS_URL, and others that use the database have"
    await until(lambda: again.problem() == f"{waits}: 2 live")
    assert again.another_writes()
    # It would be of no use to the other nodes, although the lock is free for a moment.
    await one.storage.close()
    await until(lambda: again.problem() == f"{waits}: 1 live")
    assert not two.writes
    await two.storage.close()
    await ready(again)
    await again.close()


# --- migrations ------------------------------------------------------------------------------------------------------


def later(text: str) -> Callable[[], list[Migration]]:
    """Return the migrations, and one of a later version."""
    known = load_migrations()
    return lambda: [*known, Migration(len(known) + 1, "later", text, "checksum")]


@pytest.mark.parametrize("first_line", ["-- adds a table", "-- alone"])
async def test_a_migration_that_does_not_only_add_waits_until_no_other_node_lives(
    nodes: Nodes, first_line: str
) -> None:
    one = await nodes.owner()
    older = await nodes.edge("older")
    newer = await nodes.start("newer", QUIET)
    newer.lease._migrations = later(f"{first_line}\nCREATE TABLE later (x int)")
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


async def test_a_node_that_is_too_old_for_the_database_lives_without_writing(nodes: Nodes) -> None:
    """Unless the migrations that it does not know are additive."""
    newer = await nodes.start("newer")
    newer.lease._migrations = later("CREATE TABLE later (x int)")
    await until(lambda: newer.writes)
    older = await nodes.edge("older")
    assert await newer.storage.resign("e_newer")
    await until(lambda: "which this version does not know" in str(older.storage.problem()))
    assert older.seen.lives("older")
    assert newer.seen.lives("older")
    assert older.events == []
    async with await psycopg.AsyncConnection.connect(nodes.url, autocommit=True) as connection:
        await connection.execute("UPDATE schema_migrations SET additive = true WHERE name = 'later'")
    await until(lambda: older.writes)


async def test_a_node_that_migrates_for_long_does_not_hang(nodes: Nodes) -> None:
    """It raises no beat in that time."""
    one = await nodes.owner()
    two = await nodes.edge("two", QUIET._replace(hung=0.1))
    newer = await nodes.start("newer")
    newer.lease._migrations = later("SELECT pg_advisory_xact_lock(77)")
    newer.storage.say_on_bus(True)
    await until(lambda: two.seen.reaches_bus("newer"))
    async with await psycopg.AsyncConnection.connect(nodes.url, autocommit=True) as blocker:
        await blocker.execute(b"SELECT pg_advisory_lock(77)")
        assert await one.storage.resign("e_one")
        await until(lambda: two.lease._seen_for > 0.5)
        await blocker.execute(b"SELECT pg_advisory_unlock(77)")
    await until(lambda: newer.writes)
    assert newer.events == [Gained(2, "e_one", False)]


async def test_of_nodes_started_together_one_writes(nodes: Nodes) -> None:
    """On an empty database, whose schema is created once."""
    started = [await nodes.start(name) for name in ("one", "two", "three")]
    await until(lambda: any(node.writes for node in started))
    await until(lambda: all(node.seen.token == 1 and node.seen.owner_lives for node in started))
    assert [node.writes for node in started].count(True) == 1
    versions = await nodes.execute(b"SELECT count(*) FROM schema_migrations")
    assert versions == [(len(load_migrations()),)]


async def test_that_another_node_writes_is_no_news(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is no node is."""
    caplog.set_level(logging.INFO)
    alone = await open_postgres(nodes.url)
    one = await nodes.start("one")
    words = "cannot write: another server is writing to this database: parley at"
    await until(lambda: words in caplog.text)
    await alone.keep_epoch("e_alone")
    await alone.close()
    await until(lambda: one.writes)
    caplog.clear()
    two = await nodes.edge("two")
    await until(lambda: two.seen.owner_name == "one")
    assert "cannot write" not in caplog.text
