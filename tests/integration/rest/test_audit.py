"""`/api/audit`: who may read it, filters, pages, and how long entries are kept."""

import json
import logging
from typing import Any

import pytest

from model.audit import AuditAction
from model.room import User
from server.accounts.expiring import expire_once
from server.accounts.recording import record_reload
from server.app import Server
from tests.integration.conftest import ON_BOTH
from tests.support.accounts import noted, report
from tests.support.rawws import Reply
from tests.support.serving import Serve
from tests.support.web import Web, code
from utils.clock import DAY_US, rfc3339

ANN, BOB = User("u_ann", "Ann"), User("u_bob", "Bob")


def lines(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200, reply
    return [json.loads(line) for line in reply.body.splitlines()]


async def acted(server: Server, *actions: AuditAction, actor: User = ANN, **more: Any) -> list[int]:
    """Store entries, and return their times."""
    clock = server.accounts.clock
    entries = [noted(action, actor, at=clock.now_us() + place, **more) for place, action in enumerate(actions)]
    await server.accounts.storage.audit.append(entries)
    return [entry.at for entry in entries]


@ON_BOTH
async def test_admins_read_the_log_newest_first(storage: dict[str, str], serve: Serve) -> None:
    server = await serve(**storage)
    (at,) = await acted(server, "login", address="192.0.2.7", detail="by password")
    await acted(server, "ban", actor=BOB, target=User("g_1", 'a"\n<b>'), room="plans", result="refused")
    reply = await Web(server.port, "root", "admin").get("/api/audit")
    assert reply.headers["content-type"] == "application/x-ndjson"
    ban, login = lines(reply)
    number = login.pop("number")
    assert login == {
        "at": rfc3339(at),
        "action": "login",
        "result": "ok",
        "actor": {"id": "u_ann", "name": "Ann"},
        "address": "192.0.2.7",
        "detail": "by password",
    }
    assert ban["number"] > number
    assert ban["target"] == {"id": "g_1", "name": 'a"\n<b>'}
    assert (ban["room"], ban["result"]) == ("plans", "refused")


@ON_BOTH
async def test_pages_and_filters(storage: dict[str, str], serve: Serve) -> None:
    server = await serve(**storage)
    root = Web(server.port, "root", "admin")
    times = await acted(server, "login", "logout", "login", "login_failed", "login")
    await acted(server, "login", actor=BOB, target=ANN)
    first = await root.get("/api/audit?actor=u_ann&action=login&limit=2")
    assert [one["at"] for one in lines(first)] == [rfc3339(times[4]), rfc3339(times[2])]
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    second = await root.get(f"/api/audit{link}")
    assert [one["at"] for one in lines(second)] == [rfc3339(times[0])]
    assert "link" not in second.headers
    assert [one["actor"]["id"] for one in lines(await root.get("/api/audit?target=u_ann"))] == ["u_bob"]
    between = await root.get(f"/api/audit?since={rfc3339(times[1])}&until={rfc3339(times[3])}&actor=u_ann")
    assert [one["action"] for one in lines(between)] == ["login", "logout"]
    assert lines(await root.get("/api/audit?room=plans")) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("action=sign", "action"),
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00", "until"),
        ("before=x", "before"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
    ],
)
async def test_wrong_parameters_are_named(port: int, query: str, field: str) -> None:
    reply = await Web(port, "root", "admin").get(f"/api/audit?{query}")
    assert reply.status == 400
    assert reply.json()["error"]["field"] == field


async def test_only_admins_read_it(port: int) -> None:
    assert code(await Web(port).get("/api/audit")) == "unauthorized"
    for role in ("user", "organizer", "bot"):
        assert code(await Web(port, "ann", role).get("/api/audit")) == "forbidden"


@ON_BOTH
async def test_old_entries_are_removed(storage: dict[str, str], serve: Serve) -> None:
    server = await serve(AUDIT_DAYS="2", **storage)
    now = server.accounts.clock.now_us()
    entries = [noted("login", ANN, at=now - days * DAY_US) for days in (1, 3)]
    await server.accounts.storage.audit.append(entries)
    safety, reports = server.accounts.storage.safety, [report(), report()]
    for one, entry in zip(reports, entries, strict=True):
        assert await safety.insert_report(one, noted("report", at=1))
        handled = noted("report_handled", at=1)
        assert await safety.handle_report(one.report_id, "resolved", ANN, "", entry.at, handled)
    assert not await expire_once(server.accounts)
    (left,) = lines(await Web(server.port, "root", "admin").get("/api/audit"))
    assert left["at"] == rfc3339(entries[0].at)
    assert [await safety.find_report(one.report_id) is not None for one in reports] == [True, False]


async def test_without_a_limit_of_days_all_entries_stay(serve: Serve) -> None:
    server = await serve(AUDIT_DAYS="0")
    await server.accounts.storage.audit.append([noted("login", ANN, at=1)])
    assert not await expire_once(server.accounts)
    assert len(lines(await Web(server.port, "root", "admin").get("/api/audit"))) == 1


@ON_BOTH
async def test_each_entry_is_a_line_of_the_log(
    storage: dict[str, str], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(**storage)
    with caplog.at_level(logging.INFO, "parley.audit"):
        await acted(server, "ban", target=User("g_1", 'a"\nb'), address="192.0.2.7", room="plans")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "parley.audit"]
    shown, _, number = line.rpartition(" id=")
    assert shown == (
        'action=ban result="ok" actor="u_ann" actor_name="Ann" target="g_1" target_name="a\\"\\nb" '
        'address="192.0.2.7" room="plans"'
    )
    assert number.strip('"').isdigit()


async def test_a_reload_is_recorded(serve: Serve) -> None:
    server = await serve()
    await record_reload(server.accounts, ["GUESTS"])
    (entry,) = lines(await Web(server.port, "root", "admin").get("/api/audit"))
    assert (entry["action"], entry["actor"]["id"], entry["detail"]) == ("reload", "operator", "GUESTS")
