"""Every query of a page uses an index, reads no more than the page needs, and sorts nothing. See docs/storage.md."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Json

from storage.postgres.connection.migrate import migrate
from storage.postgres.connection.session import session_settings
from storage.postgres.read.messages import RARE_HITS
from storage.postgres.sql import erasing as sql_erasing
from storage.postgres.sql import expiry as sql_expiry
from storage.postgres.sql import lease as sql_lease
from storage.postgres.sql import messages as sql
from storage.postgres.sql import rooms as sql_rooms
from storage.postgres.sql.pages import HISTORY, SEARCH, HistoryKind

# 100 messages in each of 199 rooms, and 60,000 in room 1; 50 senders, of whom "rare" wrote 3; some changes.
# 20,000 rooms: direct ones, public ones, and some that keep messages for 30 days only; all messages are of today.
# 10,000 users in room 1, half of them members; 200 of them are in 50 more rooms.
_FILL = b"""
INSERT INTO rooms (room_id, name, created_at, kind, retention_days, folded_name, oldest_seq)
SELECT n, 'room ' || n, now(), CASE WHEN n % 10 = 5 THEN 'public' WHEN n > 15000 THEN 'direct' ELSE 'ephemeral' END,
       CASE WHEN n % 100 = 7 THEN 30 ELSE 0 END, 'room ' || n, 100000000000000
FROM generate_series(1, 20000) n;
INSERT INTO messages (room_id, seq, version, created_at, sender_id, sender, client_id, content, words, mentions,
                      reply_to)
SELECT room, seq, seq, now(), 'u' || seq % 50, CASE WHEN seq % 20000 = 77 THEN 'rare' ELSE 'sender ' || seq % 50 END,
       'c' || seq, 'content of the message number ' || seq,
       ARRAY['content', 'of', 'the', 'message', 'number', seq::text, 'w' || seq % 1000],
       CASE WHEN seq % 20 = 9 THEN ARRAY['ann', 'bob'] END, CASE WHEN seq > 55000 AND seq % 10 = 1 THEN seq - 1 END
FROM (SELECT 1 AS room, seq FROM generate_series(1, 60000) seq
      UNION ALL SELECT room, seq FROM generate_series(2, 200) room, generate_series(1, 100) seq) x;
UPDATE messages SET version = seq + 60000 WHERE seq % 1000 = 3;
UPDATE messages SET pinned_at = now(), pinned_by = 'u1' WHERE seq % 5000 = 9;
INSERT INTO members (room_id, user_id, name, role, joined_at, seen_at, read_seq, banned_until, muted_until, reason)
SELECT room, 'u' || person, 'name', CASE WHEN person % 1000 = 8 THEN 'moderator' WHEN person % 2 = 0 THEN 'member' END,
       1, 1, 1, CASE WHEN person % 1000 = 9 THEN 5 ELSE 0 END, 0, ''
FROM (SELECT 1 AS room, person FROM generate_series(1, 10000) person
      UNION ALL SELECT person * 50 + n, person FROM generate_series(1, 200) person, generate_series(1, 50) n) x;
INSERT INTO user_blocks SELECT 'u' || n % 1000, 'u' || n, 1 FROM generate_series(1, 10000) n;
"""
DAY_US = 86_400_000_000
NOW = 100_000_000_000_000
PAGE: dict[str, Any] = {"room_id": 1, "after": 20000, "before": 50000, "until": 30000, "limit": 50}


@pytest.fixture(scope="module")
def filled_url(module_database_url: str) -> str:
    asyncio.run(fill(module_database_url, _FILL))
    return module_database_url


@pytest.fixture
def connection(filled_url: str) -> Iterator[psycopg.Connection]:
    with planned(filled_url) as opened:
        yield opened


async def fill(url: str, statements: bytes) -> None:
    """Make the tables, and rows in them, with the statistics from which plans are made."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)
        await connection.execute(statements)
        await connection.execute("VACUUM ANALYZE")


@contextmanager
def planned(url: str) -> Iterator[psycopg.Connection]:
    """A connection like those of the pool: with the settings that affect planning."""
    with psycopg.connect(url, autocommit=True) as opened:
        settings = [{"name": name, "value": text} for name, text in session_settings(30).items()]
        opened.execute(sql_lease.SET_SETTINGS, {"rows": Json(settings)})
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(connection: psycopg.Connection, text: bytes, values: dict[str, Any]) -> list[dict[str, Any]]:
    row = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) " + text, values).fetchone()
    assert row is not None
    # Nodes that never ran cost nothing, such as the lookup of quoted messages on a page without replies.
    return [node for node in nodes(row[0][0]["Plan"]) if node["Actual Loops"] > 0]


def types(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Node Type"] for node in plan}


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def rows_read(plan: list[dict[str, Any]]) -> Any:
    """Return the number of rows that the scans read, including discarded ones."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if "Scan" in node["Node Type"]
    )


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_page_of_a_room_reads_only_its_rows(connection: psycopg.Connection, oldest_first: bool) -> None:
    plan = explain(connection, HISTORY[HistoryKind(oldest_first, sender=False, words=False)], PAGE)
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_pkey"}
    assert rows_read(plan) == 50


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize(("sender", "rows"), [("sender 7", 50), ("rare", 2), ("nobody", 0)])
def test_a_page_of_a_sender_uses_the_sender_index(
    connection: psycopg.Connection, oldest_first: bool, sender: str, rows: int
) -> None:
    kind = HistoryKind(oldest_first, sender=True, words=False)
    plan = explain(connection, HISTORY[kind], PAGE | {"sender": sender})
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_sender"}
    assert rows_read(plan) == rows


@pytest.mark.parametrize("sender", [None, "sender 7"])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_search_for_common_words_walks_the_log(
    connection: psycopg.Connection, oldest_first: bool, sender: str | None
) -> None:
    """In order, until the page is full: sorting every hit would read the whole room."""
    kind = HistoryKind(oldest_first, sender=sender is not None, words=True)
    values = PAGE | {"words": ["the", "message"]} | ({"sender": sender} if sender else {})
    plan = explain(connection, HISTORY[kind], values)
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_sender" if sender else "messages_pkey"}
    assert rows_read(plan) == 50


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_search_for_a_rare_word_uses_the_word_index(connection: psycopg.Connection, oldest_first: bool) -> None:
    """Only the few hits are read and sorted."""
    kind = HistoryKind(oldest_first, sender=False, words=True)
    plan = explain(connection, HISTORY[kind], PAGE | {"words": ["the", "31234"]})
    assert "messages_words" in indexes(plan)
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) < 20
    (sorted_rows,) = [node["Actual Rows"] for node in plan if node["Node Type"] == "Sort"]
    assert sorted_rows == 1


def test_changed_messages_are_read_in_index_order(connection: psycopg.Connection) -> None:
    """Two halves, each in index order, are merged: no sort, and at most two pages of rows are read."""
    for values in (PAGE, PAGE | {"after": 60000, "until": 10**9}, PAGE | {"after": 10**9, "until": 10**10}):
        plan = explain(connection, sql.CHANGED, values)
        assert types(plan) <= {"Limit", "Merge Append", "Index Scan", "Subquery Scan", "Result"}
        assert indexes(plan) == {"messages_pkey", "messages_changed"}
        assert rows_read(plan) <= 2 * 50 + 5
        counted = explain(connection, sql.COUNT_CHANGED, values)
        assert not types(counted) & {"Seq Scan", "Sort"}
        assert rows_read(counted) <= 2 * 50 + 5


def test_the_head_is_read_from_an_index(connection: psycopg.Connection) -> None:
    plan = explain(connection, sql.HEAD, PAGE)
    assert not types(plan) & {"Seq Scan", "Sort"}
    assert rows_read(plan) <= 4


def test_single_lookups_use_an_index(connection: psycopg.Connection) -> None:
    plan = explain(connection, sql.FIND_POSTED, {"room_id": 1, "sender_id": "u7", "id": "c20007"})
    assert types(plan) == {"Index Scan"}
    assert indexes(plan) == {"messages_client_id"}
    plan = explain(connection, sql_rooms.FIND_ROOM, {"name": "room 7"})
    assert types(plan) == {"Index Scan"}
    assert indexes(plan) == {"rooms_name"}


@pytest.mark.parametrize(
    ("text", "index"), [(sql.FIND_BY_SEQ, "messages_pkey"), (sql.FIND_BY_ID, "messages_client_id")]
)
def test_the_rows_of_a_batch_are_looked_up_by_index(connection: psycopg.Connection, text: bytes, index: str) -> None:
    """One index lookup per row, however many messages there are."""
    keys = ",".join(
        f'{{"room_id":1,"seq":{seq},"sender_id":"u{seq % 50}","client_id":"c{seq}"}}' for seq in range(100, 600)
    )
    plan = explain(connection, text, {"rows": f"[{keys}]"})
    assert index in indexes(plan)
    assert "Seq Scan" not in types(plan)


def test_a_page_of_pinned_messages_uses_its_own_index(connection: psycopg.Connection) -> None:
    """From an index of pinned messages only, of which a room has few."""
    for oldest_first in (False, True):
        plan = explain(connection, HISTORY[HistoryKind(oldest_first, pinned=True)], PAGE)
        assert indexes(plan) == {"messages_pinned"}
        assert rows_read(plan) == 6


def test_a_page_with_replies_looks_up_only_the_quoted_messages(connection: psycopg.Connection) -> None:
    """One index lookup for each reply, and for no other message."""
    plan = explain(connection, HISTORY[HistoryKind(False)], PAGE | {"before": 60000})
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"messages_pkey"}
    assert rows_read(plan) == 50 + 5


def test_a_page_with_deleted_messages_reads_only_its_rows(connection: psycopg.Connection) -> None:
    plan = explain(connection, HISTORY[HistoryKind(False, include_deleted=True)], PAGE)
    assert types(plan) == {"Limit", "Index Scan"}
    assert rows_read(plan) == 50


PROBE = RARE_HITS + 1


def search_values(rooms: Sequence[int], words: list[str], *, limit: int, **before: int) -> dict[str, Any]:
    """Return the parameters that `storage.postgres.read` uses."""
    first = {"before": 2**63 - 1, "before_room": 2**63 - 1} | before
    page = {"limit": limit, "share": -(-limit // len(rooms)), "last": limit - 1}
    return {"rooms": list(rooms), "words": words, "probe": PROBE, **first, **page}


@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("rooms", [1, 20, 100])
def test_a_search_in_several_rooms_reads_a_page_per_room_at_most(
    connection: psycopg.Connection, rooms: int, common: bool
) -> None:
    """A rare word reads its hits; common ones at most a page of each room, once they are known to be common."""
    words = ["the", "message"] if common else ["the", "31234"]
    values = search_values(range(1, rooms + 1), words, limit=20, before=50000, before_room=7)
    plan = explain(connection, SEARCH, values)
    assert indexes(plan) <= {"rooms_pkey", "messages_pkey", "messages_words"}
    (hits,) = [node for node in plan if node.get("Subplan Name") == "CTE hits"]
    assert hits["Actual Rows"] == (PROBE if common else 1)
    read = rows_read([node for node in plan if node.get("Relation Name") == "messages"])
    if common:
        assert {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} == {"messages"}
        assert read <= PROBE + rooms * 21 + 40
        assert indexes(plan) == {"rooms_pkey", "messages_pkey"}
    else:
        assert "Seq Scan" not in types(plan)
        assert read <= 3
        assert indexes(plan) == {"messages_words", "messages_pkey"}


def test_unread_counts_read_a_bounded_number_of_rows(connection: psycopg.Connection) -> None:
    """A hundred rooms, including the largest, and at most as many rows of each as are counted."""
    cursors = ",".join(f'{{"room_id":{room},"seq":{room % 90}}}' for room in range(1, 101))
    values = {"cursors": f"[{cursors}]", "user_id": "u7", "name": "ann", "limit": 20}
    plan = explain(connection, sql.UNREAD, values)
    assert not types(plan) & {"Seq Scan", "Sort", "Hash Join"}
    assert indexes(plan) == {"messages_pkey", "mentions_pkey", "user_blocks_pkey"}
    # The user's own messages, one in fifty, are read but not counted.
    assert rows_read(plan) <= 100 + 100 * 22 + 100 * 20 + 20


@pytest.mark.parametrize(("after", "part"), [("", ""), ("room 14", ""), ("", "room 15"), ("", "nothing")])
def test_a_list_of_rooms_is_read_in_index_order(connection: psycopg.Connection, after: str, part: str) -> None:
    """In the order of an index without direct and private rooms; of each room only its newest message is read."""
    plan = explain(connection, sql_rooms.LISTED_ROOMS, {"after": after, "part": part, "limit": 50})
    assert types(plan) <= {"Limit", "Index Scan", "Index Only Scan", "Result"}
    assert indexes(plan) <= {"rooms_listed", "messages_pkey"}
    rooms = [node for node in plan if node.get("Index Name") == "rooms_listed"]
    messages = [node for node in plan if node.get("Relation Name") == "messages"]
    assert rows_read(rooms) <= 17_500
    assert rows_read(messages) <= 50


def test_the_rooms_of_a_user_are_found_by_index(connection: psycopg.Connection) -> None:
    plan = explain(connection, sql_rooms.ROOMS_OF, {"user_id": "u7", "limit": 100})
    assert "Seq Scan" not in types(plan)
    assert {"members_user", "rooms_pkey"} == indexes(plan)
    members = [node for node in plan if node.get("Relation Name") == "members"]
    assert rows_read(members) == 51
    plan = explain(connection, sql_rooms.FIND_USER, {"user_id": "u7"})
    assert indexes(plan) == {"members_user"}
    assert rows_read(plan) <= 2 * 51
    plan = explain(connection, sql_rooms.ACCOUNT_ROLE, {"user_id": "u7"})
    assert indexes(plan) == {"members_user"}
    assert rows_read(plan) <= 2 * 51


def test_a_lasting_room_with_a_similar_name_is_found_by_index(connection: psycopg.Connection) -> None:
    for name in ("Room 15", "room 15", "Room 16"):
        plan = explain(connection, sql_rooms.KEPT_LIKE, {"folded": name.lower(), "name": name})
        assert indexes(plan) == {"rooms_folded"}
        assert rows_read(plan) <= 1


def test_a_shared_room_is_found_from_both_users_rows(connection: psycopg.Connection) -> None:
    """Even if they share none: at most the rows of both."""
    for other in ("u9", "u10", "nobody"):
        plan = explain(connection, sql_rooms.SHARED_ROOM, {"user_id": "u7", "other_id": other})
        assert "Seq Scan" not in types(plan)
        assert rows_read(plan) <= 2 * (51 + 51)


def test_the_members_of_a_room_are_found_by_index(connection: psycopg.Connection) -> None:
    """Of ten thousand rows, only the special ones are read."""
    plan = explain(connection, sql_rooms.SPECIAL_MEMBERS, PAGE)
    assert indexes(plan) == {"members_standing"}
    assert rows_read(plan) <= 2 * 20
    plan = explain(connection, sql_rooms.MEMBERS_OF, {"room_id": 1, "after": "u5", "limit": 50})
    assert types(plan) == {"Limit", "Index Scan"}
    assert indexes(plan) == {"members_with_role"}
    assert rows_read(plan) == 50
    plan = explain(connection, sql_rooms.FIND_MEMBER, {"room_id": 1, "user_id": "u7"})
    assert rows_read(plan) == 1
    plan = explain(connection, sql_rooms.COUNT_MEMBERS, {"rooms": list(range(2, 102))})
    assert "Seq Scan" not in types(plan)
    assert indexes(plan) <= {"members_with_role", "members_pkey"}


EXPIRY = {"now_us": NOW + DAY_US, "cutoff": NOW - 9 * DAY_US, "rooms_at_once": 1000, "limit": 200, "rooms": [1]}


def test_expiry_with_nothing_due_reads_no_rows(connection: psycopg.Connection) -> None:
    """Of twenty thousand rooms and their messages none is read."""
    for cutoff in (-1, EXPIRY["cutoff"]):
        plan = explain(connection, sql_expiry.ROOMS_DUE, EXPIRY | {"cutoff": cutoff})
        assert indexes(plan) == {"rooms_oldest", "rooms_due"}
        assert rows_read(plan) == 0


def test_expiry_reads_only_rooms_with_expired_messages(connection: psycopg.Connection) -> None:
    """Some at a time, and no other room is read."""
    for now, cutoff, due in ((31, -9, 200), (1, 1, 500), (31, 1, 700)):
        values = EXPIRY | {"now_us": NOW + now * DAY_US, "cutoff": NOW + cutoff * DAY_US, "rooms_at_once": 500}
        plan = explain(connection, sql_expiry.ROOMS_DUE, values)
        assert "Seq Scan" not in types(plan)
        assert indexes(plan) <= {"rooms_oldest", "rooms_due"}
        assert rows_read([node for node in plan if node.get("Relation Name") == "rooms"]) == due


def test_expiry_removes_the_oldest_messages_by_index(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):
        values = EXPIRY | {"cutoff": NOW, "rooms": list(range(1, 100))}
        plan = explain(connection, sql_expiry.REMOVE_DUE, values)
        assert "Seq Scan" not in types(plan)
        assert indexes(plan) <= {"rooms_pkey", "messages_pkey"}
        assert rows_read([node for node in plan if node.get("Relation Name") == "messages"]) <= 2 * 200
        plan = explain(connection, sql_expiry.NOTE_OLDEST, values)
        assert "Seq Scan" not in types(plan)
        assert rows_read([node for node in plan if node.get("Relation Name") == "messages"]) <= 99


def test_erasing_reads_only_what_was_deleted(connection: psycopg.Connection) -> None:
    values = {"until": "2100-01-01T00:00:00Z", "limit": 200, "rooms_at_once": 500, "rooms": list(range(1, 11))}
    with connection.transaction(force_rollback=True):
        plan = explain(connection, sql_erasing.ERASE_MESSAGES, values)
        assert (indexes(plan), rows_read(plan)) == ({"messages_to_erase"}, 0)
        connection.execute("UPDATE messages SET deleted_at = now() WHERE room_id BETWEEN 2 AND 11")
        connection.execute("UPDATE rooms SET deleted_at = now() WHERE room_id <= 10")
        plan = explain(connection, sql_erasing.ERASE_MESSAGES, values)
        assert "Seq Scan" not in types(plan)
        assert indexes(plan) == {"messages_to_erase"}
        assert rows_read([node for node in plan if node.get("Relation Name") == "messages"]) <= 3 * 200
        plan = explain(connection, sql_erasing.ROOMS_TO_ERASE, values)
        assert (indexes(plan), rows_read(plan)) == ({"rooms_to_erase"}, 10)
        plan = explain(connection, sql_erasing.REMOVE_MESSAGES, values)
        assert "Seq Scan" not in types(plan)
        assert rows_read([node for node in plan if node.get("Relation Name") == "messages"]) <= 2 * 200
        plan = explain(connection, sql_erasing.REMOVE_ROOMS, values)
        assert "Seq Scan" not in types(plan)
        assert rows_read([node for node in plan if node.get("Relation Name") == "messages"]) <= 10


def test_statements_never_switch_to_generic_plans(connection: psycopg.Connection) -> None:
    """psycopg prepares a statement after five uses; Postgres must still plan for the values of each call."""
    row = connection.execute("SHOW plan_cache_mode").fetchone()
    assert row == ("force_custom_plan",)


@pytest.mark.parametrize("text", [sql.WINDOW, sql.BY_SENDERS], ids=["window", "by senders"])
def test_work_for_an_account_reads_a_log_a_window_at_a_time(connection: psycopg.Connection, text: bytes) -> None:
    values = PAGE | {"limit": 1000, "until": 21000, "senders": ["u7", "g_1"]}
    plan = explain(connection, text, values)
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) <= 2000


def test_an_author_is_looked_for_in_the_newest_messages_alone(connection: psycopg.Connection) -> None:
    plan = explain(connection, sql.FIND_SENDER, PAGE | {"sender_id": "g_1", "limit": 1000})
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) <= 2000


@pytest.mark.parametrize("text", [sql.END_OF_WINDOW, sql.FIRST_BY_SENDERS], ids=["end", "first"])
def test_work_for_an_account_reads_all_logs_a_window_at_a_time(connection: psycopg.Connection, text: bytes) -> None:
    (room_id, after, last_room, until) = connection.execute(
        "SELECT * FROM (SELECT room_id, seq FROM messages ORDER BY 1, 2 OFFSET 5000 LIMIT 1) a, "
        "(SELECT room_id, seq FROM messages ORDER BY 1, 2 OFFSET 6000 LIMIT 1) b"
    ).fetchall()[0]
    values = {"room_id": room_id, "after": after, "last_room": last_room, "until": until, "skipped": 999}
    plan = explain(connection, text, values | {"senders": ["u7", "g_1"]})
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) <= 3000


@pytest.mark.parametrize(
    ("text", "values", "rows"),
    [
        (sql_rooms.ALL_ROOMS, {"after": 15000, "limit": 100}, 100),
        (sql_rooms.ROWS_OF, {"user_id": "u7", "after": 0, "limit": 100}, 210),
        (sql_rooms.INVITED_BY, {"users": ["u7", "g_1"]}, 10),
    ],
    ids=["all rooms", "rows of a user", "invited by a user"],
)
def test_work_for_an_account_finds_its_rooms(
    connection: psycopg.Connection, text: bytes, values: dict[str, Any], rows: int
) -> None:
    plan = explain(connection, text, values)
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) <= rows
