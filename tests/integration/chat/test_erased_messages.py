"""The text of deleted messages and rooms is erased: from a running server, and everywhere in its database."""

import json
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import sql

from server.app import Server
from server.settings.values import Settings
from tests.contract.records import until
from tests.integration.chat.test_retention import LAST_DAY, Calendar, calendar
from tests.integration.conftest import ON_BOTH
from tests.support.rawws import fetch
from tests.support.web import SECRET, Web, path, token_of

pytestmark = pytest.mark.one_server("deleted messages are erased at the owner")

__all__ = ["calendar"]


@pytest.fixture
async def server(storage: dict[str, str], calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server that always looks for what it must erase, with a clock that the test moves."""
    for name, value in {"BATCH": 2, "BEFORE_THE_FIRST": 0.0, "BETWEEN_BATCHES": 0.0, "BETWEEN_ROUNDS": 0.01}.items():
        monkeypatch.setattr(f"chat.maintenance.{name}", value)
    server = Server(Settings({"PORT": "0", "JWT_SECRET": SECRET, "ERASE_AFTER_DAYS": "30", **storage}), calendar)
    await server.start()
    await until(lambda: server.chat.problem() is None)
    yield server
    assert await server.stop() == 0


def tables_with(database_url: str, word: str) -> set[str]:
    """Return the tables of a database that have a word in any column, whatever its type."""
    with psycopg.connect(database_url) as connection:
        named = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        found = set()
        for table, column in named:
            text = "SELECT count(*) FROM {} WHERE position(%s in lower(CAST({} AS text))) > 0"
            ((count,),) = connection.execute(
                sql.SQL(text).format(sql.Identifier(table), sql.Identifier(column)), [word]
            ).fetchall()
            found |= {table} if count else set()
        return found


@ON_BOTH
async def test_deleted_text_is_gone_everywhere_after_so_many_days(
    server: Server, calendar: Calendar, storage: dict[str, str]
) -> None:
    """Of an edited, pinned message with mentions and reactions, of one that a reply quotes, and of a room.

    A report keeps what it quotes. What was deleted later, and what was not, is still there.
    """
    ann, ben = (Web(server.port, token=token_of(name, seconds=10**8)) for name in ("ann", "ben"))
    await ann.create("plans")
    await ann.create("gone", title="topas", topic="onyx")
    edited = await ann.say("plans", "zirkon one @jaspis", id="karneol")
    at = f"{path('plans')}/messages"
    assert (await ann.patch(f"{at}/{edited}", {"content": "zirkon two @jaspis"})).status == 200
    assert (await ann.put(f"{at}/{edited}/reactions/pyrit")).status == 204
    assert (await ann.put(f"{at}/{edited}/pin")).status == 204
    quoted = await ann.say("plans", "beryll")
    reply = await ann.say("plans", "granat", reply_to=quoted)
    reported = await ben.say("plans", "smaragd")
    assert (await ann.post(f"{at}/{reported}/reports", {"reason": "rude"})).status == 201
    await ann.say("gone", "opal")
    for seq in (edited, quoted, reported):
        assert (await ann.delete(f"{at}/{seq}")).status == 204
    assert (await ann.delete(path("gone"))).status == 204
    calendar.days = 20
    late = await ann.say("plans", "achat")
    assert (await ann.delete(f"{at}/{late}")).status == 204

    whole = f"{at}?include_deleted=true"
    before = {one["seq"]: one for one in (await ann.json(whole))["messages"]}
    assert [one["content"] for one in before.values()] == ["zirkon two @jaspis", "beryll", "granat", "smaragd", "achat"]
    calendar.days = LAST_DAY
    await until(lambda: server.chat.parts.counters.erased == 4)
    after = {one["seq"]: one for one in (await ann.json(whole))["messages"]}
    assert [one["content"] for one in after.values()] == ["", "", "granat", "", "achat"]
    for seq in (edited, quoted, reported):
        assert after[seq]["deleted_at"] == before[seq]["deleted_at"]
        assert after[seq]["sender"] == before[seq]["sender"]
        assert not {"mentions", "reactions", "pinned_at", "id"} & after[seq].keys()
    assert after[reply]["reply_to"] == {"seq": quoted, "sender": "ann"}
    exported = [json.loads(line) for line in (await ann.get(f"{path('plans')}/export")).body.splitlines()]
    assert [one["content"] for one in exported] == ["", "", "granat", "", "achat"]
    (report,) = (await ann.json(f"{path('plans')}/reports"))["reports"]
    assert report["content"] == "smaragd"
    assert "parley_erased_messages_total 4" in (await fetch(server.port, "/metrics")).body.decode()
    if url := storage.get("DATABASE_URL"):
        words = ("zirkon", "jaspis", "karneol", "pyrit", "beryll", "opal", "topas", "onyx")
        assert {word: tables_with(url, word) for word in words} == {word: set() for word in words}
        assert tables_with(url, "smaragd") == {"reports"}
        assert tables_with(url, "granat") == tables_with(url, "achat") == {"messages"}
