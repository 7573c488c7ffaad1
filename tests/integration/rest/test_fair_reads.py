"""The searches of one account do not delay the reads of others, over HTTP and WebSocket, with PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.contract.records import until
from tests.support.client import Client
from tests.support.serving import Serve
from tests.support.web import Web

# Every search waits for a lock of the test. An operator for text[] takes precedence over Postgres' own for any array.
_SLOW_SEARCH = b"""
CREATE FUNCTION slow_contains(text[], text[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4711);
    RETURN $1 OPERATOR(pg_catalog.@>) $2;
END
$$;
CREATE OPERATOR public.@> (LEFTARG = text[], RIGHTARG = text[], FUNCTION = slow_contains);
"""


@pytest.fixture
async def slow_search(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Return a connection: once it rolls back, searches are answered."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(_SLOW_SEARCH)
        await connection.set_autocommit(False)
        await connection.execute("SELECT pg_advisory_xact_lock(4711)")
        yield connection


@pytest.mark.one_server("it has a database of its own; at an edge, the turns are taken there: test_forwarding.py")
async def test_searches_of_one_account_do_not_delay_others(
    serve: Serve, database_url: str, slow_search: psycopg.AsyncConnection
) -> None:
    server = await serve(DATABASE_URL=database_url)
    mallory, ann = Web(server.port, "mallory"), Web(server.port, "ann")
    await ann.create("cold")
    await ann.say("cold", "hello")
    await mallory.create("hers")
    await mallory.say("hers", "hello")
    await until(lambda: "cold" not in server.chat.parts.hub.rooms)
    searches = [asyncio.create_task(mallory.get("/search?q=hello")) for _ in range(60)]
    refused: Counter[int] = Counter()
    while sum(refused.values()) < 43:
        done, _ = await asyncio.wait(searches, return_when=asyncio.FIRST_COMPLETED)
        refused.update(task.result().status for task in done)
        searches = [task for task in searches if task not in done]
    assert refused == {429: 43}
    metrics = (await ann.get("/metrics")).body.decode()
    assert "parley_reads_waiting 16.0" in metrics
    # A page of history, a list of rooms, and the join of a room that must be read from storage.
    assert len((await ann.json("/api/rooms/cold/messages"))["messages"]) == 1
    assert [room["room"] for room in (await ann.json("/api/rooms?mine=true"))["rooms"]] == ["cold"]
    async with Client(f"ws://127.0.0.1:{server.port}", room="cold", token=ann.token):
        assert "cold" in server.chat.parts.hub.rooms
    await slow_search.rollback()
    assert {(await task).status for task in searches} <= {200, 503}, "503 where the machine was too slow for this test"
    assert (await mallory.json("/search?q=hello"))["messages"]
