"""Expired messages are gone everywhere: from a running server, in bounded batches."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import sql

from model.message import Message
from model.room import Member, RoomRecord, User
from server.app import Server
from server.settings.values import Settings
from storage.ports.messages import InsertMessage
from storage.ports.rooms import InsertRoom, SetMember
from storage.ports.storage import Write
from tests.contract.records import open_postgres, until
from tests.integration.chat.conftest import url
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.process import ROOT, poll_until
from tests.support.server import ServerProcess
from tests.support.web import SECRET, Web, path, token_of
from utils.clock import DAY_US, SystemClock, rfc3339
from utils.ids import new_room_id

pytestmark = pytest.mark.one_server("messages expire at the owner")

# main.py with short delays: work that waits a minute there begins at once.
HURRY = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from chat import maintenance
from server.cli import main
maintenance.BATCH = 100
maintenance.BEFORE_THE_FIRST, maintenance.BETWEEN_BATCHES, maintenance.BETWEEN_ROUNDS = 0.0, 0.01, 0.05
sys.exit(main(sys.argv[1:]))
"""
REMOVED = re.compile(r"removed (\d+) messages in one transaction")
AGES = [400] * 2 + [100] * 3 + [10] * 220 + [3] * 4 + [0] * 5
"""Of the messages of a room, in days."""


LAST_DAY = 31


class Calendar:
    """The machine's clock, moved to another day: the last one is today, as nothing expires before it is so old by the
    clock of PostgreSQL, too."""

    def __init__(self) -> None:
        self.days = 0
        self._clock = SystemClock()

    def now_us(self) -> int:
        return self._clock.now_us() + (self.days - LAST_DAY) * DAY_US

    def monotonic(self) -> float:
        return self._clock.monotonic()


# --- messages that are old when the server starts --------------------------------------------------------------------


async def fill(database_url: str) -> None:
    """Create rooms of Ann's with their own retention, each with messages of Ben over years."""
    repository = await open_postgres(database_url)
    writer = repository.writer()
    now = SystemClock().now_us()
    for name, days in (("week", 7), ("year", 365), ("plain", 0)):
        where = RoomRecord(new_room_id(), name, rfc3339(now - 500 * DAY_US), kind="public", retention_days=days)
        batch: list[Write] = [InsertRoom(where), SetMember(where.room_id, Member(User("u_ann", "ann"), "owner"))]
        for number, age in enumerate(AGES):
            seq = now - age * DAY_US - 1_000_000 + number
            content = f"{age} days old @ann"
            message = Message(name, seq, seq, "ben", "u_ben", content, rfc3339(seq), f"{number}", mentions=("ann",))
            batch.append(InsertMessage(where.room_id, message))
        await writer.write(batch)
    await repository.close()


@pytest.fixture(scope="module")
def hurried(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a default retention of thirty days, after it has removed older messages."""
    asyncio.run(fill(module_database_url))
    main = tmp_path_factory.mktemp("hurry") / "main.py"
    main.write_text(HURRY)
    settings = {"DATABASE_URL": module_database_url, "RETENTION_DAYS": "30", "JWT_SECRET": SECRET, "LOG_LEVEL": "debug"}
    with ServerProcess(settings, main=main) as server:
        due = sum(len(AGES) - len(kept(name)) for name in ("week", "year", "plain"))
        poll_until(lambda: sum(removed(server.log_text())) >= due, what=f"{due} messages are removed")
        yield server
        assert sum(removed(server.log_text())) == due


def kept(name: str) -> list[int]:
    """Return the ages of the messages left in a room."""
    limit = {"week": 7, "year": 365, "plain": 30}[name]
    return [age for age in AGES if age <= limit]


def removed(log: str) -> list[int]:
    """Return the sizes of the removed batches, from the debug log."""
    return [int(count) for count in REMOVED.findall(log)]


def ages(messages: list[dict[str, Any]]) -> list[int]:
    return [int(message["content"].split(" ")[0]) for message in messages]


async def test_expired_messages_are_found_nowhere_over_http(hurried: ServerProcess) -> None:
    batches = removed(hurried.log_text())
    assert max(batches) == 100 < sum(batches), "so many in one transaction that others wait for it"
    web, rooms = Web(hurried.port, "ann"), ("week", "year", "plain")
    for name in rooms:
        page = await web.json(f"{path(name)}/messages?limit=500")
        assert ages(page["messages"]) == kept(name), name
        assert page["has_older"] is False
        assert ages(await web.json(f"/history?r={name}&limit=500")) == kept(name)
        lines = (await web.get(f"{path(name)}/export")).body.splitlines()
        assert ages([json.loads(line) for line in lines]) == kept(name)
        assert (await web.json(path(name)))["unread"] == min(len(kept(name)), 100)
        (own,) = [entry for entry in (await web.json("/api/rooms?mine=true"))["rooms"] if entry["room"] == name]
        assert (own["unread"], own["mentions"]) == (min(len(kept(name)), 100),) * 2
    found = await web.json("/search?q=400%20days&limit=100")
    assert found["messages"] == [], "no room keeps anything for so long"
    found = await web.json("/search?q=100%20days&limit=100")
    assert {message["room"] for message in found["messages"]} == {"year"}


async def test_expired_messages_are_found_nowhere_over_websocket(hurried: ServerProcess) -> None:
    """Neither by paging, by time, by seq, by search, nor by a resume."""
    async with Client(hurried.ws_url, token=token_of("ann"), room="week") as ann:
        page = await ann.history("week", limit=500)
        assert ages(page["messages"]) == kept("week")
        oldest = page["messages"][0]["seq"]
        for question in (
            {"before": oldest},
            {"end": "2020-01-01T00:00:00Z"},
            {"around": 1, "limit": 1},
            {"q": "10 days"},
        ):
            found = (await ann.history("week", **question))["messages"]
            assert min(ages(found), default=0) <= 3, question
        await ann.send("search", id="s", q="10 days")
        rooms = {message["room"] for message in (await ann.expect("search", id="s"))["messages"]}
        assert rooms == {"year", "plain"}
        assert (await ann.resume("week", 1, ann.epoch("week")))["recovered"] is True
        await ann.expect("synced")
        assert ages(ann.of("message")) == kept("week")


def test_expired_messages_leave_nothing_in_storage(hurried: ServerProcess, module_database_url: str) -> None:
    """Not hidden or marked, but removed, with their mentions."""
    with psycopg.connect(module_database_url) as connection:
        for table in ("messages", "mentions"):
            count = "SELECT rooms.name, count(*) FROM rooms JOIN {} USING (room_id) GROUP BY rooms.name"
            rows = connection.execute(sql.SQL(count).format(sql.Identifier(table))).fetchall()
            assert dict(rows) == {name: len(kept(name)) for name in ("week", "year", "plain")}, table


# --- messages that expire while the server runs ----------------------------------------------------------------------


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
async def server(
    storage: dict[str, str], calendar: Calendar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Server]:
    """A server that checks for expired messages constantly, with a clock that the test moves."""
    for name, value in {"BATCH": 10, "BEFORE_THE_FIRST": 0.0, "BETWEEN_BATCHES": 0.0, "BETWEEN_ROUNDS": 0.01}.items():
        monkeypatch.setattr(f"chat.maintenance.{name}", value)
    caplog.set_level(logging.DEBUG, "chat.maintenance")
    settings = {"PORT": "0", "RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": SECRET, "RETENTION_DAYS": "30", **storage}
    server = Server(Settings(settings), calendar)
    await server.start()
    await until(lambda: server.chat.problem() is None)
    yield server
    assert await server.stop() == 0


@ON_BOTH
async def test_messages_expire_while_users_are_connected(
    server: Server, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    """From the tail too, as otherwise a resume would return them."""
    token = token_of("ann", seconds=10**8)
    web = Web(server.port, token=token)
    async with (
        Client(url(server), token=token) as ann,
        Client(url(server), token=token_of("ben", seconds=10**8)) as ben,
    ):
        for room, rule in (("week", {"retention_days": 7}), ("plain", {})):
            await ann.send("create_room", id=f"create {room}", room=room)
            await ann.send("update_room", id=f"rule {room}", room=room, **rule)
            await ann.all_acked(f"create {room}", f"rule {room}")
            await ben.join(room)
            for number in range(25):
                await ben.say(f"old {number}", f"{number}", room=room)
            await ben.all_acked(*map(str, range(25)))
        for days, week, plain in ((0, 25, 25), (8, 0, 25), (LAST_DAY, 0, 0)):
            left = {"week": week, "plain": plain}
            calendar.days = days
            for room in left:
                await ben.say("new", f"new {room} {days}", room=room)
                await ben.all_acked(f"new {room} {days}")
            gone = 50 - sum(left.values()) + _new_gone(days)
            await until(partial(_is_removed, caplog, gone))
            for room, count in left.items():
                wanted = [f"old {number}" for number in range(count)] + ["new"] * _new_there(room, days)
                page = await web.json(f"{path(room)}/messages?limit=500")
                assert [message["content"] for message in page["messages"]] == wanted, f"{room} after {days} days"
                entry = await web.json(path(room))
                assert entry["unread"] == len(wanted), f"unread in {room} after {days} days"
                async with Client(url(server), token=token) as back:
                    resumed = await back.join(room, since=0, epoch=ben.epoch(room))
                    assert resumed["recovered"] is True
                    await back.expect("synced")
                    assert back.heard(room) == wanted, f"resumed in {room} after {days} days"
    assert max(removed(caplog.text)) == 10, "so many in one transaction that others wait for it"


def _is_removed(caplog: pytest.LogCaptureFixture, count: int) -> bool:
    return sum(removed(caplog.text)) >= count


def _new_there(room: str, days: int) -> int:
    """Return which of the new messages of the days 0, 8 and 31 are there on one of these days."""
    limit = {"week": 7, "plain": 30}[room]
    return sum(day <= days and days - day <= limit for day in (0, 8, 31))


def _new_gone(days: int) -> int:
    return sum(sum(day <= days for day in (0, 8, 31)) - _new_there(room, days) for room in ("week", "plain"))
