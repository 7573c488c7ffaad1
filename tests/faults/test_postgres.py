"""PostgreSQL fails in every way, under a load of 20 users in 5 rooms."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from psycopg import sql

from server.app import Server
from tests.faults.conftest import QUICK, Serve, Settle
from tests.faults.database import administrator, lease_holder, sessions, small_disk, waits_for
from tests.faults.watching import Operator
from tests.integration.chat.conftest import url as ws_url
from tests.support.client import Client
from tests.support.load import Load, say, talk, talking
from tests.support.operations import Operation, Post, Reaction
from tests.support.person import Person
from tests.support.postgres import PostgresCluster
from tests.support.process import PATIENCE
from tests.support.proxy import Network

# How long the server waits for a database that may be frozen.
SHORT = QUICK._replace(answer=1.0, check=0.2)


async def recovered(load: Load, operator: Operator) -> None:
    """Wait until `/ready` is 200 and messages are acked again."""
    await operator.until_ready()
    assert await operator.metric("ready") == 1
    await load.more()


async def writes_wait(load: Load, server: Server, *, none_stored: bool = True) -> None:
    """Users keep posting during an outage. Their messages are broadcast and queued; none is acked, and none refused.

    With ``none_stored`` False some writes may still succeed, so acks may arrive.
    """
    pool = server.chat.parts.pool

    async def talk(acks: int | None) -> None:
        wanted = len(load.places) + 50

        def said() -> bool:
            assert not load.refusals, f"refused, with room in the queues: {dict(load.refusals)}"
            if acks is not None:
                assert load.acks == acks, f"{load.acks - acks} messages were acked that cannot have been stored"
                shown = sum(entry.seq is not None for person in load.people for entry in person.outbox)
                assert shown <= len(pool), f"{shown} messages are shown and not acked, {len(pool)} are in the queues"
            return len(load.places) >= wanted

        await load.until(said, "people talk on")

    await talk(None)  # wait for acks already sent
    await talk(load.acks if none_stored else None)
    await load.until(lambda: len(pool) > 50, "writes wait")


def bounded_by(server: Server, limit: int) -> bool:
    """Assert that queues and tails hold no more than the settings allow."""
    for worker in server.chat.parts.pool.workers:
        assert len(worker) <= limit
        assert worker._bytes <= worker._limits.queue_bytes
    for room in server.chat.parts.hub.rooms.values():
        assert room.backlog.unconfirmed <= limit // 2
        assert len(room.tail) >= len(room.pending_posts), "who comes back can be brought what waits from here alone"
        assert len(room.tail) <= server.chat.parts.options.room_tail + limit // 2
    return True


def say_or_react_to_the_last(person: Person, number: int) -> Operation:
    """Return a message, or a reaction to the last message in the same room."""
    post = say(person, number)
    states = person.copies[post.room].states
    return Reaction(post.id, post.room, max(states), "+1", number % 10 != 7) if states and number % 5 == 2 else post


async def test_two_crashes_of_postgres(
    serve: Serve, cluster: PostgresCluster, url: str, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    """Users keep posting, and pending writes are stored after the restart. Nothing is refused."""
    server = await serve(DATABASE_URL=url)
    async with talking(server.port) as load:
        operator = Operator(load)
        for _ in range(2):
            await asyncio.to_thread(cluster.stop, "immediate")
            await operator.until_said("to Postgres")
            assert await operator.metric("ready") == 0
            await writes_wait(load, server)
            assert await operator.metric("queue_depth") > 0
            await asyncio.to_thread(cluster.start)
            await recovered(load, operator)
        assert await operator.metric("store_retries_total") > 0
        await settle(load)
        assert not load.refusals
    assert re.search("writes wait for storage: .*to Postgres", caplog.text)
    assert "storage accepts writes again" in caplog.text
    assert "this server is now the writer of the database" in caplog.text


async def test_an_outage_longer_than_the_queues_hold(
    serve: Serve, cluster: PostgresCluster, url: str, settle: Settle
) -> None:
    """Refusals are `overloaded` and not broadcast, memory is bounded, and retries succeed later."""
    limit = 60
    server = await serve(DATABASE_URL=url, QUEUE_MESSAGES=str(limit), WORKERS="2", ROOM_TAIL="5")
    # No more before storage is back: changes of evicted messages would wait for it, and so would their authors. All
    # that clients leave unanswered is three times what the queues hold: what piles up does not depend on how long it
    # takes to notice the outage.
    async with talking(server.port, choose=say_or_react_to_the_last, unanswered=3 * 2 * limit // 20) as load:
        operator = Operator(load)
        await asyncio.to_thread(cluster.stop, "fast")
        await operator.until_said("to Postgres")
        await load.until(
            lambda: bounded_by(server, limit) and load.refusals.get("overloaded", 0) > 30, "30 are refused"
        )
        refused_while_away = load.refusals.get("overloaded", 0)
        assert await operator.metric("errors_total") >= refused_while_away
        faults = [fault for person in load.people for fault in person.faults]
        assert not faults, faults[0]
        await asyncio.to_thread(cluster.start)
        load.choose = talk
        await load.until(lambda: bounded_by(server, limit) and server.chat.problem() is None, "/ready is 200")
        await recovered(load, operator)
        counts = await settle(load)
        assert set(load.refusals) <= {"overloaded", "unavailable"}
        assert refused_while_away
        assert counts.acked + sum(len(person.given_up) for person in load.people) == counts.operations
        # A refused message has another place when it is retried: a client that had seen it would have seen two.
        assert all(len(places) == 1 for places in load.places.values())


async def test_connections_are_terminated_one_by_one(
    serve: Serve, url: str, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection of the lease, those of the writers, and those for reads."""
    server = await serve(DATABASE_URL=url)
    async with talking(server.port) as load, administrator(url) as admin:
        operator = Operator(load)
        async with asyncio.timeout(PATIENCE):
            # Of the lease, four writers, and at least one for reads, which is opened by the first read.
            while len(there := await sessions(admin)) < 6:  # noqa: ASYNC110  # sessions have no event to wait for
                await asyncio.sleep(0.02)
        # That of the lease is last: with it the server gives up all of its writers.
        lease = await lease_holder(admin)
        for pid in [*sorted(there - {lease}), lease]:
            ended = await (await admin.execute("SELECT pg_terminate_backend(%s)", (pid,))).fetchone()
            assert ended == (True,), "this connection had ended before"
            await load.more(30)
            await operator.until_ready()
        assert not there & await sessions(admin)
        await settle(load)
        assert not load.refusals
    assert "Postgres is shutting down, or ended this connection: terminating connection" in caplog.text


@pytest.fixture
async def network(url: str) -> AsyncIterator[Network]:
    async with Network(url) as opened:
        yield opened


async def test_a_network_that_freezes_and_recovers(serve: Serve, network: Network, settle: Settle) -> None:
    """Delayed packets arrive in the end, next to their retries."""
    server = await serve(DATABASE_URL=network.url, pace=SHORT)
    async with talking(server.port) as load:
        operator = Operator(load)
        network.freeze()
        await operator.until_said("Postgres did not answer in time", seconds=15)
        await load.until(lambda: network.held > 0, "something is on its way")
        await writes_wait(load, server)
        network.thaw()
        await recovered(load, operator)
        await settle(load)


@pytest.mark.slow
async def test_a_network_that_freezes_and_drops(serve: Serve, network: Network, settle: Settle) -> None:
    """Packets are lost, and no connection is possible for a while."""
    server = await serve(DATABASE_URL=network.url, pace=SHORT)
    async with talking(server.port) as load:
        operator = Operator(load)
        network.freeze()
        await load.until(lambda: network.held > 0, "something is on its way")
        network.refuse()
        network.cut()
        network.thaw()
        await operator.until_said("to Postgres")
        await writes_wait(load, server)
        network.refuse(False)
        await recovered(load, operator)
        await settle(load)


async def test_the_response_to_a_commit_is_lost(serve: Serve, network: Network, settle: Settle) -> None:
    """The commit succeeded, but the server cannot know: it retries, and nothing is stored twice."""
    server = await serve(DATABASE_URL=network.url)
    # The first batch of a new room is a transaction of several statements, and so is one of messages and changes; a
    # batch of one kind is a single statement.
    network.lose_answers(*[b"COMMIT", b'"content":', b'"reactions":'] * 3)
    async with talking(server.port) as load:
        await load.until(lambda: network.lost == 9, "nine answers are lost")
        operator = Operator(load)
        await recovered(load, operator)
        assert await operator.metric("store_retries_total") >= 9
        await settle(load)
        assert await operator.metric("retractions_total") == 0


async def test_the_disk_is_full(
    serve: Serve, cluster: PostgresCluster, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    """A real disk if a small file system can be mounted (root on Linux); else a trigger raises the same error."""
    with small_disk(cluster, 40) as disk:
        name = "small_disk"
        if disk is not None:
            place = sql.Literal(str(disk.folder / "tablespace"))
            await asyncio.to_thread(cluster.execute, sql.SQL("CREATE TABLESPACE small LOCATION {}").format(place))
        where = sql.SQL("" if disk is None else "TABLESPACE small")
        await asyncio.to_thread(cluster.execute, sql.SQL("CREATE DATABASE small_disk {}").format(where))
        url = cluster.url(name)
        server = await serve(DATABASE_URL=url)
        async with talking(server.port) as load, administrator(url) as admin:
            operator = Operator(load)
            if disk is not None:
                await asyncio.to_thread(disk.fill)
            else:
                await admin.execute(
                    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN RAISE 'could not extend file: No space left' USING ERRCODE = 'disk_full'; END $$"
                )
                await admin.execute("CREATE TRIGGER f BEFORE INSERT ON messages EXECUTE FUNCTION full_disk()")
            await operator.until_said("the database server's disk is full", "could not extend file")
            await writes_wait(load, server, none_stored=False)  # some rows may still fit in a page
            if disk is not None:
                await asyncio.to_thread(disk.empty)
            else:
                await admin.execute("DROP TRIGGER f ON messages")
            await recovered(load, operator)
            note = "the disk was real" if disk is not None else "a trigger said that the disk was full"
            await settle(load, note, database=url)
        await server.stop()
        await asyncio.to_thread(cluster.drop_database, url)
        if disk is not None:
            await asyncio.to_thread(cluster.execute, sql.SQL("DROP TABLESPACE {}").format(sql.Identifier("small")))
    assert " for storage: the database server's disk is full" in caplog.text  # one pending write, or several


async def test_the_database_becomes_read_only(serve: Serve, cluster: PostgresCluster, url: str, settle: Settle) -> None:
    """As on a standby, or set by an administrator; for open connections and new ones."""
    server = await serve(DATABASE_URL=url)
    async with talking(server.port) as load, administrator(url) as admin:
        operator = Operator(load)
        await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            await admin.execute("SELECT pg_reload_conf()")
            await operator.until_said("the database is read-only")
            for pid in await sessions(admin):
                await admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            await writes_wait(load, server)
            await operator.until_said("the database is read-only")
        finally:
            await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await admin.execute("SELECT pg_reload_conf()")
        await recovered(load, operator)
        await settle(load)


@pytest.mark.slow
async def test_a_deadlock(serve: Serve, url: str, settle: Settle, caplog: pytest.LogCaptureFixture) -> None:
    """A writer has locked rooms and needs messages, another session has locked messages and needs rooms."""
    server = await serve(DATABASE_URL=url)
    async with administrator(url) as admin, administrator(url, autocommit=False) as other:
        # Postgres checks for a cycle once, this long after the wait began, and aborts the transaction that checked.
        await other.execute("SET deadlock_timeout = '60s'")
        await other.execute("LOCK TABLE messages IN SHARE MODE")
        load = Load(server.port)
        load.start()
        try:
            while not await waits_for(admin, "messages"):
                await load.until(lambda: len(server.chat.parts.pool) > 0, "somebody says something")
            await other.execute("LOCK TABLE rooms IN SHARE MODE")
            operator = Operator(load)
            await operator.until_said("Postgres rolled the transaction back", "deadlock detected", seconds=15)
            await other.rollback()
            await recovered(load, operator)
            await settle(load)
        finally:
            await load.close()
    assert "deadlock detected" in caplog.text


async def test_an_invalid_row_in_a_batch_of_500(
    serve: Serve, url: str, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    """Three rows that only the database rejects: their authors get an error, the rest is stored."""
    server = await serve(DATABASE_URL=url, WORKERS="1", QUEUE_MESSAGES="10000")
    async with administrator(url) as admin, talking(server.port, every=0.01, unanswered=100) as load:
        room = next(iter(load.people[0].copies))
        await admin.execute("ALTER TABLE messages ADD CHECK (content <> 'poison')")
        async with administrator(url, autocommit=False) as other:
            await other.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
            witness = await Client(ws_url(server), "witness", room).open()
            for number, person in enumerate(load.people[:3]):
                await load.until(lambda goal=150 * (number + 1): len(server.chat.parts.pool) > goal, "many wait")  # type: ignore[misc]
                person.do(Post(f"poison {number}", next(iter(person.copies)), "poison"))
            await load.until(lambda: len(server.chat.parts.pool) > 700, "more than a batch waits")
            await witness.holds(lambda: "poison" in witness.heard(room), "the poison")
            await witness.close()
            waiting = [(person, entry) for person in load.people for entry in person.outbox if entry.seq is not None]
            await other.rollback()
        # There is one worker, so pending writes are answered before later ones.
        await load.more(len(waiting) + 300)
        load.every = 0.1
        forgotten = [entry.operation.id for person, entry in waiting if entry in person.outbox]
        assert not forgotten, f"{len(forgotten)} messages were overtaken by later ones, the first is {forgotten[0]}"
        assert load.refusals == {"not_stored": 3}
        operator = Operator(load)
        assert await operator.trouble() is None, "one row's trouble is not the server's"
        await recovered(load, operator)
        assert await operator.metric("refused_rows_total") == 3
        assert await operator.metric("retractions_total") == 3
        async with Client(ws_url(server), token=witness.token) as back:
            joined = await back.resume(room, witness.since(room), witness.epoch(room))
            assert joined["recovered"] is False, "it holds a message that was taken back, and is not told"
            for _ in range(2):
                await back.say("poison", "again", room=room)
                answer = await back.until(lambda frame: frame["type"] in ("ack", "error"), "an answer")
                assert answer.get("code") == "not_stored", f"what was refused is answered with {answer}"
        await settle(load)
        for number, person in enumerate(load.people[:3]):
            assert person.given_up[f"poison {number}"] == "not_stored"
        assert load.refusals == {"not_stored": 3}, "others than these were refused"
    bounds = dict(server.chat.parts.counters.batch_size.buckets())
    assert bounds["500"] > bounds["250"], "no batch was of 500"
    assert "storage refused a write of room" in caplog.text
    assert "poison" not in caplog.text, "the log is not for what people say"
