"""A clean stop leaves its epoch to the next server, so that clients resume there; and the cases when it must not."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import psycopg
import pytest

from tests.support.client import Client
from tests.support.process import poll_until
from tests.support.server import ServerProcess

pytestmark = pytest.mark.one_server("it restarts on a database; changes of the owner are in tests/faults")

Start = Callable[[Mapping[str, str]], ServerProcess]
SETTINGS = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": "s" * 32, "CLOSE_SECONDS": "1"}
ROOM = "general"
TABLES = ("rooms", "members", "messages", "mentions", "lease")
POISON = b"""
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '22000'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.content = 'poison') EXECUTE FUNCTION refuse();
"""


class Seen(NamedTuple):
    """The state of the room that a disconnected client knows."""

    since: int
    epoch: str


async def started(start_server: Start, url: str) -> ServerProcess:
    server = await asyncio.to_thread(start_server, {**SETTINGS, "DATABASE_URL": url})
    await ready(server)
    return server


async def ready(server: ServerProcess) -> None:
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="/ready is 200")


async def stop(server: ServerProcess) -> None:
    server.terminate()
    assert await asyncio.to_thread(server.wait) == 0


async def start(server: ServerProcess) -> None:
    await asyncio.to_thread(server.start)
    await ready(server)


async def say(server: ServerProcess, *contents: str) -> Seen:
    """Post messages and return the state after them."""
    async with Client(server.ws_url, "ben", ROOM) as ben:
        joined = ben.of("joined")[0]
        seq = joined["head"]
        for content in contents:
            await ben.say(content, "m" + content)
            seq = (await ben.expect("ack"))["ids"][-1]["seq"]
        return Seen(seq, joined["epoch"])


async def resume(server: ServerProcess, seen: Seen) -> list[str] | None:
    """Return the messages of a resume; None if it was not recovered."""
    async with Client(server.ws_url, "ann") as ann:
        joined = await ann.resume(ROOM, seen.since, seen.epoch)
        if not joined["recovered"]:
            return None
        await ann.expect("synced")
        return [frame["content"] for frame in ann.of("message")]


async def execute(url: str, statement: bytes) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(statement)


async def test_a_resume_after_a_clean_restart_returns_exactly_the_missed_messages(
    start_server: Start, database_url: str
) -> None:
    """Over several restarts, the last one directly after a start, with the same epoch."""
    server = await started(start_server, database_url)
    seen = await say(server, "one")
    last = await say(server, "two", "three")
    for _ in range(2):
        await stop(server)
        await start(server)
        assert await resume(server, seen) == ["two", "three"]
        assert await resume(server, last) == []
    again = await say(server, "four")
    assert again.epoch == seen.epoch
    await stop(server)
    await start(server)
    await stop(server)
    await start(server)
    assert await resume(server, seen) == ["two", "three", "four"]


async def test_a_missed_retraction_prevents_recovery(start_server: Start, database_url: str) -> None:
    """A client that saw the message, and was away when it was retracted, must not keep it."""
    server = await started(start_server, database_url)
    await execute(database_url, POISON)
    async with Client(server.ws_url, "ann", ROOM) as ann, Client(server.ws_url, "ben", ROOM) as ben:
        await ben.say("poison", "p")
        shown = await ann.expect("message", content="poison")
        seen = Seen(shown["version"], ann.epoch(ROOM))
        await ann.expect("retracted")
    await stop(server)
    await start(server)
    assert await resume(server, seen) is None


@pytest.mark.slow
async def test_a_restored_dump_prevents_recovery(start_server: Start, database_url: str) -> None:
    """The dump was made while the server was stopped, so it contains an epoch; its rows go into the same tables."""
    server = await started(start_server, database_url)
    await say(server, "one")
    await stop(server)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        dump: dict[str, bytes] = {}
        for table in TABLES:
            async with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)".encode()) as copy:
                dump[table] = b"".join([bytes(part) async for part in copy])
    await start(server)
    seen = await say(server, "two")
    await stop(server)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(b"SET session_replication_role = replica")  # no triggers, as with pg_restore
        for table in TABLES:
            await connection.execute(b"DELETE FROM " + table.encode())
            async with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as restoring:
                await restoring.write(dump[table])
    await start(server)
    await say(server, "other two")
    assert await resume(server, seen) is None


@pytest.mark.slow
async def test_a_copied_database_has_another_epoch(start_server: Start, database_url: str) -> None:
    """The copy diverges from then on; the original is not affected."""
    server = await started(start_server, database_url)
    seen = await say(server, "one")
    await stop(server)
    name = database_url.rpartition("/")[2]
    admin = f"{database_url.rpartition('/')[0]}/postgres"
    await execute(admin, f"CREATE DATABASE {name}_copy TEMPLATE {name}".encode())
    copied = await started(start_server, f"{database_url}_copy")
    assert await resume(copied, seen) is None
    await stop(copied)
    await execute(admin, f"DROP DATABASE {name}_copy".encode())
    await start(server)
    assert await resume(server, seen) == []


@pytest.mark.slow
@pytest.mark.parametrize("talks", [True, False])
async def test_a_kill_right_after_a_clean_start_prevents_recovery(
    start_server: Start, database_url: str, talks: bool
) -> None:
    server = await started(start_server, database_url)
    seen = await say(server, "one")
    await stop(server)
    await start(server)
    if talks:
        seen = await say(server, "two")
    await asyncio.to_thread(server.kill)
    await start(server)
    assert await resume(server, seen) is None


@pytest.mark.parametrize("cleanly", [True, False])
async def test_the_epoch_passes_between_servers_that_stop_cleanly(
    start_server: Start, database_url: str, cleanly: bool
) -> None:
    """The epoch is handed on as long as each server stops cleanly."""
    server = await started(start_server, database_url)
    seen = await say(server, "one")
    await stop(server)
    other = await started(start_server, database_url)
    await say(other, "two")
    await (stop(other) if cleanly else asyncio.to_thread(other.kill))
    await start(server)
    assert await resume(server, seen) == (["two"] if cleanly else None)


@pytest.mark.slow
async def test_an_older_version_writing_in_between_prevents_recovery(start_server: Start, database_url: str) -> None:
    """It does not know of stored epochs, and takes the lease."""
    server = await started(start_server, database_url)
    seen = await say(server, "one")
    await stop(server)
    await execute(database_url, b"UPDATE lease SET holder = 'an older version', since = now()")
    await start(server)
    assert await resume(server, seen) is None


async def test_a_standby_server_continues_the_epoch(start_server: Start, database_url: str) -> None:
    server = await started(start_server, database_url)
    seen = await say(server, "one")
    waiting = await asyncio.to_thread(start_server, {**SETTINGS, "DATABASE_URL": database_url})
    await say(server, "two")
    await stop(server)
    await ready(waiting)
    assert await resume(waiting, seen) == ["two"]


async def test_memory_storage_keeps_no_epoch(start_server: Start) -> None:
    server = await asyncio.to_thread(start_server, SETTINGS)
    seen = await say(server, "one")
    await stop(server)
    await asyncio.to_thread(server.start)
    assert await resume(server, seen) is None
