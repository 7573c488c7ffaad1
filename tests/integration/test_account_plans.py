"""No statement about accounts reads a whole table. See docs/storage.md."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Json

from storage.ports.messages import ENDLESS
from storage.postgres.sql import accounts, audit, links, logins, notices, rooms, safety, sanctions, secrets
from tests.integration.test_plans import explain, fill, planned, rows_read, types

_FILL = b"""
INSERT INTO accounts SELECT 'a_' || n, 'user' || n, 'look' || n, 'name', CASE n WHEN 7 THEN 'admin' ELSE 'user' END,
    'e' || n || '@x.y', 'e' || n || '@x.y', 'hash', 1, 1, NULL, false, 0, 1 FROM generate_series(1, 20000) n;
INSERT INTO logins SELECT 'l_' || n, 'a_' || n / 3 + 1, 0, n, n, n * 1000, false, '', ''
FROM generate_series(1, 50000) n;
INSERT INTO tickets SELECT sha256(n::text::bytea), 'reset', 'a_' || n, NULL, n * 1000 FROM generate_series(1, 20000) n;
INSERT INTO guesses SELECT sha256(n::text::bytea), m, 1, n * 1000
FROM generate_series(1, 10000) n, unnest(ARRAY['', '192.0.2.1']) m;
INSERT INTO aliases SELECT 'g_' || n, 'a_' || n / 2 + 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO invite_links SELECT 'i_' || n, sha256(n::text::bytea), CASE n % 2 WHEN 0 THEN n END, 'a_' || n,
    1, n * 1000, 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO notices SELECT CASE WHEN n % 1000 = 0 THEN 'account' ELSE 'login' END, 's' || n, n, n, n * 1000, 0,
    CASE WHEN n % 1000 = 0 THEN 2^53 - 1 ELSE 0 END, '' FROM generate_series(1, 50000) n;
INSERT INTO audit (entry_id, at, action, result, actor, actor_name, target, target_name, address, room, detail)
SELECT n, n * 1000, CASE n % 500 WHEN 0 THEN 'ban' ELSE 'login' END, 'ok', 'a_' || n % 5000, '', NULL, NULL, '', '', ''
FROM generate_series(1, 50000) n;
INSERT INTO user_blocks SELECT 'a_' || n, 'a_' || n + 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO reports SELECT 'p_' || n, n % 100, 'r', n, 'a_' || n, '', '', 'a_' || n + 1, '', '', '', n, 'open',
    '', '', 0 FROM generate_series(1, 20000) n;
INSERT INTO rooms (room_id, name, created_at, folded_name) SELECT n, 'room' || n, now(), ''
FROM generate_series(1, 5000) n;
INSERT INTO network_sanctions SELECT n % 1000, '192.0.2.' || n % 250, 'g_' || n, n * 1000, 0
FROM generate_series(1, 20000) n;
"""
OF = {
    **{"account_id": "a_77", "login_id": "l_77", "key_id": "k_1", "username": "user77", "look": "look77"},
    **{"folded_email": "e77@x.y", "now": 20_000, "until": 20_000, "forgotten": 20_000, "limit": 50, "kind": "reset"},
    **{
        "hash": b"x",
        "key": b"x",
        "network": "192.0.2.1",
        "after": 49_000,
        "only": "",
        "but": "",
        "most": 1,
    },
    **{
        "ids": ["a_77", "g_77"],
        "guest_id": "g_77",
        "tombstone": "x_1",
        "name": "deleted user",
        "messages": True,
        "keys": [b"x", b"y"],
    },
    **{
        "room_id": 78,
        "link_id": "i_77",
        "maker_id": "a_77",
        "user_id": "a_77",
        "blocked_id": "a_78",
        "users": ["a_77", "a_78"],
    },
    **{
        "report_id": "p_77",
        "reporter_id": "a_77",
        "subject": "s7000",
        "state": "open",
        "before": 9000,
        "handler_id": "a_1",
        "note": "",
        "handled_at": 1,
    },
}
STATEMENTS: dict[str, bytes] = {
    name: text
    for module, names in {
        accounts: "FIND_ACCOUNT FIND_BY_USERNAME FIND_BY_EMAIL NAMED_LIKE HAS_ADMIN RAISE_VERSION REMOVE_ACCOUNT"
        " ALIASES_OF COUNT_ALIASES LOCK_ACCOUNTS BLOCK_ACCOUNT ERASE_ACTOR ERASE_TARGET ERASE_REPORTER ERASE_REPORTED"
        " ERASE_HANDLER REMOVE_BLOCKS REMOVE_LINKS",
        logins: "FIND_LOGIN LOCK_LOGIN LOGINS_OF END_LOGINS END_OLDEST REMOVE_LOGIN EXPIRE_LOGINS",
        secrets: "FIND_TICKET PENDING_EMAIL REMOVE_TICKETS REMOVE_TICKETS_OF SPEND_TICKET EXPIRE_TICKETS FAILURES"
        " FORGET_FAILURES FORGET_KEYS EXPIRE_GUESSES USE_LINK_TO_REGISTER EXPIRE_LINKS",
        notices: "IS_DENIED SUSPENSIONS BLOCKS EXPIRE_NOTICES",
        audit: "EXPIRE_AUDIT",
        links: "FIND_LINK FIND_LINK_BY_ID LINKS_OF_ROOM LINKS_OF_MAKER USE_LINK GIVE_BACK REVOKE_LINK",
        safety: "COUNT_BLOCKS UNBLOCK_USER BLOCKED_BY BLOCKS FIND_REPORT HANDLE_REPORT REPORTS REPORTS_OF_ROOM"
        " REPORTS_BY EXPIRE_REPORTS",
        rooms: "SANCTIONED_FOR",
        sanctions: "SANCTIONS_OF EXPIRE_SANCTIONS",
    }.items()
    for name in names.split()
    for text in [getattr(module, name)]
}


@pytest.fixture(scope="module")
def filled_url(module_database_url: str) -> str:
    asyncio.run(fill(module_database_url, _FILL))
    return module_database_url


@pytest.fixture
def connection(filled_url: str) -> Iterator[psycopg.Connection]:
    with planned(filled_url) as opened, opened.transaction(force_rollback=True):
        yield opened


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_reads_only_what_it_needs(connection: psycopg.Connection, name: str) -> None:
    plan = explain(connection, STATEMENTS[name], OF)
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) <= 150


@pytest.mark.parametrize("statement", [accounts.ACCOUNTS_PAGE, accounts.LOOKS])
def test_a_page_of_accounts_is_read_in_index_order(connection: psycopg.Connection, statement: bytes) -> None:
    plan = explain(connection, statement, {"after": "look1", "part": "user", "limit": 50} | {"after": ""})
    assert not types(plan) & {"Seq Scan", "Sort"}
    assert rows_read(plan) == 50


def test_new_notices_are_read_in_the_order_of_their_numbers(connection: psycopg.Connection) -> None:
    for after in (49_990, 10):
        plan = explain(connection, notices.NOTICES_ABOVE, {"after": after, "limit": 20})
        assert "Sort" not in types(plan)
        assert rows_read(plan) <= 2 * 20


NONE: dict[str, Any] = dict.fromkeys(("actor", "target", "action", "room", "since", "until"))


@pytest.mark.parametrize(
    "wanted", [{}, {"actor": "a_77"}, {"target": "a_77"}, {"action": "ban"}, {"action": "ban", "actor": "a_500"}]
)
def test_a_page_of_the_audit_log_uses_an_index(connection: psycopg.Connection, wanted: dict[str, str]) -> None:
    plan = explain(connection, audit.PAGE, NONE | {"before": ENDLESS, "limit": 10} | wanted)
    assert "Seq Scan" not in types(plan)
    assert rows_read(plan) <= 100


def test_a_notice_is_stored_by_its_key(connection: psycopg.Connection) -> None:
    row = {"kind": "login", "subject": "s1", "at": 1, "until": 1, "version": 0, "deny_until": 0, "reason": ""}
    plan = explain(connection, notices.NOTE, {"rows": Json([row])})
    assert not types(plan) & {"Seq Scan", "Sort"}
