"""A search in many rooms of a large database reads little, however common its words are. See docs/storage.md."""

import asyncio
from typing import Any

import psycopg
import pytest

from storage.postgres.sql.pages import SEARCH, SEARCH_OLD_WORDS
from tests.integration.test_plans import fill, nodes, planned, search_values

pytestmark = pytest.mark.slow

# 300,000 messages, from 200 rooms in turn, so that the messages of one room are as far apart on disk as in
# practice. `first` and `second` are in every third message, both in every ninth, `tenth` in every sixteenth; `rare` in
# three, the newest of all among them.
_FILL = b"""
INSERT INTO rooms (room_id, name, created_at) SELECT n, 'room ' || n, now() FROM generate_series(1, 200) n;
INSERT INTO messages (room_id, seq, version, created_at, sender_id, sender, content, words)
SELECT 1 + n * 7919 % 200, n, n, now(), 'u' || n % 500, 'sender ' || n % 500, 'content ' || n,
       array_remove(ARRAY['w' || n % 1000, CASE WHEN n * 48271 % 65537 < 21845 THEN 'first' END,
                          CASE WHEN n * 69621 % 65539 < 21846 THEN 'second' END,
                          CASE WHEN n * 16807 % 65521 < 4000 THEN 'tenth' END,
                          CASE WHEN n % 100000 = 0 THEN 'rare' END], NULL)
FROM generate_series(1::bigint, 300000) n;
"""
# Blocks: finding out that words are common reads each block of the table once at most (4,600), the walk the rest. An
# index lookup for each room would read 32,000 to 48,000.
COMMON_BLOCKS = 8000
RARE_BLOCKS = 600


@pytest.fixture(scope="module")
def search_url(module_database_url: str) -> str:
    asyncio.run(fill(module_database_url, _FILL))
    return module_database_url


@pytest.fixture(scope="module", params=["all", "after retention"])
def searched(request: pytest.FixtureRequest, search_url: str) -> str:
    """The full log, then without its oldest third; with the statistics for which Postgres once chose the worse plan."""
    if request.param == "after retention":
        with psycopg.connect(search_url, autocommit=True) as connection:
            connection.execute("DELETE FROM messages WHERE seq < 100000")
            connection.execute("VACUUM ANALYZE")
    return search_url


@pytest.mark.parametrize("text", [SEARCH, SEARCH_OLD_WORDS], ids=["new words", "old words too"])
@pytest.mark.parametrize("limit", [21, 31, 51])
@pytest.mark.parametrize(
    ("words", "blocks"),
    [
        (["first"], COMMON_BLOCKS),
        (["first", "second"], COMMON_BLOCKS),
        (["tenth"], COMMON_BLOCKS),
        (["second", "tenth"], COMMON_BLOCKS),
        (["w7"], RARE_BLOCKS),
        (["rare"], RARE_BLOCKS),
        (["first", "rare"], RARE_BLOCKS),
        (["nowhere"], RARE_BLOCKS),
        (["first", "nowhere"], RARE_BLOCKS),
    ],
)
def test_a_search_reads_a_bounded_number_of_rows(
    searched: str, words: list[str], blocks: int, limit: int, text: bytes
) -> None:
    values = search_values(range(1, 201), words, limit=limit) | {"old_words": words}
    with planned(searched) as connection:
        found = [row[1] for row in connection.execute(text, values).fetchall()]
        newest = connection.execute(
            "SELECT seq FROM messages WHERE words @> %s ORDER BY seq DESC LIMIT %s", (words, limit)
        ).fetchall()
        row = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING OFF) " + SEARCH, values).fetchone()
    assert found == [seq for (seq,) in newest]
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= blocks
    assert "JIT" not in row[0][0], "compiling takes longer than any search"
    by_word = [node for node in nodes(plan) if node.get("Index Name") == "messages_words"]
    assert sum(node["Actual Loops"] for node in by_word) <= 2, "the index of words is not read for each room"
