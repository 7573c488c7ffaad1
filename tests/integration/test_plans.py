"""Every query of a page uses an index, reads no more than the page needs, and sorts nothing. See docs/storage.md."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from storage.postgres import sql
from storage.postgres.migrate import migrate
from storage.postgres.session import conninfo

# 100 messages in each of 199 rooms, and 60,000 in room 1; 50 senders of which "rare" wrote 3; changes here and there.
_FILL = b"""
INSERT INTO rooms SELECT n, 'room ' || n, now() FROM generate_series(1, 20000) n;
INSERT INTO messages (room_id, seq, version, created_at, sender_id, sender, client_id, content, words)
SELECT room, seq, seq, now(), 'u' || seq % 50, CASE WHEN seq % 20000 = 77 THEN 'rare' ELSE 'sender ' || seq % 50 END,
       'c' || seq, 'content of the message number ' || seq,
       ARRAY['content', 'of', 'the', 'message', 'number', seq::text, 'w' || seq % 1000]
FROM (SELECT 1 AS room, seq FROM generate_series(1, 60000) seq
      UNION ALL SELECT room, seq FROM generate_series(2, 200) room, generate_series(1, 100) seq) x;
UPDATE messages SET version = seq + 60000 WHERE seq % 1000 = 3;
"""
PAGE: dict[str, Any] = {"room_id": 1, "after": 20000, "before": 50000, "until": 30000, "limit": 50}


@pytest.fixture(scope="module")
def filled_url(module_database_url: str) -> str:
    async def fill() -> None:
        async with await psycopg.AsyncConnection.connect(module_database_url, autocommit=True) as connection:
            await migrate(connection)
            await connection.execute(_FILL)
            await connection.execute("VACUUM ANALYZE")

    asyncio.run(fill())
    return module_database_url


@pytest.fixture
def connection(filled_url: str) -> Iterator[psycopg.Connection]:
    """A connection as the pool's are: with the settings that choose how statements are planned."""
    url = conninfo(filled_url, connect_seconds=5, statement_seconds=30)
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(connection: psycopg.Connection, text: bytes, values: dict[str, Any]) -> list[dict[str, Any]]:
    row = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) " + text, values).fetchone()
    assert row is not None
    return list(nodes(row[0][0]["Plan"]))


def types(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Node Type"] for node in plan}


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def rows_read(plan: list[dict[str, Any]]) -> Any:
    """Rows that the scans found, those they threw away included."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if "Scan" in node["Node Type"]
    )


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_page_of_a_room(connection: psycopg.Connection, oldest_first: bool) -> None:
    plan = explain(connection, sql.HISTORY[sql.HistoryKind(oldest_first, sender=False, words=False)], PAGE)
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_pkey"}
    assert rows_read(plan) == 50


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize(("sender", "rows"), [("sender 7", 50), ("rare", 2), ("nobody", 0)])
def test_a_page_of_a_sender(connection: psycopg.Connection, oldest_first: bool, sender: str, rows: int) -> None:
    kind = sql.HistoryKind(oldest_first, sender=True, words=False)
    plan = explain(connection, sql.HISTORY[kind], PAGE | {"sender": sender})
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_sender"}
    assert rows_read(plan) == rows


@pytest.mark.parametrize("sender", [None, "sender 7"])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_search_for_common_words_walks_the_log(
    connection: psycopg.Connection, oldest_first: bool, sender: str | None
) -> None:
    """In order, and stops when the page is full: sorting every hit would cost the whole room."""
    kind = sql.HistoryKind(oldest_first, sender=sender is not None, words=True)
    values = PAGE | {"words": ["the", "message"]} | ({"sender": sender} if sender else {})
    plan = explain(connection, sql.HISTORY[kind], values)
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_sender" if sender else "messages_pkey"}
    assert rows_read(plan) == 50


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_search_for_a_rare_word_asks_the_index_of_words(connection: psycopg.Connection, oldest_first: bool) -> None:
    """The few hits are sorted, and nothing else is read."""
    kind = sql.HistoryKind(oldest_first, sender=False, words=True)
    plan = explain(connection, sql.HISTORY[kind], PAGE | {"words": ["the", "31234"]})
    assert "messages_words" in indexes(plan)
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) < 20
    (sorted_rows,) = [node["Actual Rows"] for node in plan if node["Node Type"] == "Sort"]
    assert sorted_rows == 1


def test_what_changed_since(connection: psycopg.Connection) -> None:
    """Two halves, each in the order of its index, merged: no sort, and no more than two pages are read."""
    for values in (PAGE, PAGE | {"after": 60000, "until": 10**9}, PAGE | {"after": 10**9, "until": 10**10}):
        plan = explain(connection, sql.CHANGED, values)
        assert types(plan) <= {"Limit", "Merge Append", "Index Scan", "Subquery Scan", "Result"}
        assert indexes(plan) == {"messages_pkey", "messages_changed"}
        assert rows_read(plan) <= 2 * 50 + 5
        counted = explain(connection, sql.COUNT_CHANGED, values)
        assert not types(counted) & {"Seq Scan", "Sort"}
        assert rows_read(counted) <= 2 * 50 + 5


def test_head(connection: psycopg.Connection) -> None:
    plan = explain(connection, sql.HEAD, PAGE)
    assert not types(plan) & {"Seq Scan", "Sort"}
    assert rows_read(plan) <= 4


def test_looking_up_one_thing(connection: psycopg.Connection) -> None:
    plan = explain(connection, sql.FIND_POSTED, {"room_id": 1, "sender_id": "u7", "id": "c20007"})
    assert types(plan) == {"Index Scan"}
    assert indexes(plan) == {"messages_client_id"}
    plan = explain(connection, sql.FIND_ROOM, {"name": "room 7"})
    assert types(plan) == {"Index Scan"}
    assert indexes(plan) == {"rooms_name"}


@pytest.mark.parametrize(
    ("text", "index"), [(sql.FIND_BY_SEQ, "messages_pkey"), (sql.FIND_BY_ID, "messages_client_id")]
)
def test_looking_up_the_rows_of_a_batch(connection: psycopg.Connection, text: bytes, index: str) -> None:
    """One look into the index for each row, however many messages there are."""
    keys = ",".join(
        f'{{"room_id":1,"seq":{seq},"sender_id":"u{seq % 50}","client_id":"c{seq}"}}' for seq in range(100, 600)
    )
    plan = explain(connection, text, {"rows": f"[{keys}]"})
    assert index in indexes(plan)
    assert "Seq Scan" not in types(plan)


def test_plans_do_not_age_into_generic_ones(connection: psycopg.Connection) -> None:
    """psycopg prepares a text after five uses; Postgres must still plan for the values of each call."""
    row = connection.execute("SHOW plan_cache_mode").fetchone()
    assert row == ("force_custom_plan",)
