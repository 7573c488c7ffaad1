"""The safety port, over every backend."""

import asyncio

import pytest

from model.room import User
from storage.factory import open_storage
from storage.memory.accounts import safety
from storage.ports.errors import StorageUnavailable
from storage.ports.storage import Storage
from tests.support.accounts import ADMIN, NOW, noted, report, someone
from utils.ids import new_room_id, new_token


async def test_a_user_blocks_another_one_and_ends_it(repository: Storage) -> None:
    ann, bob, carl = (someone().id for _ in range(3))
    safety = repository.safety
    for blocked in (carl, bob, bob):
        assert await safety.block_user(ann, blocked, NOW, 2, noted("user_block"))
    assert await safety.blocked_by(ann) == sorted([bob, carl])
    assert await safety.blocked_by(bob) == []
    assert await safety.block_user(carl, ann, NOW, 2, noted("user_block"))
    assert await safety.blocks([ann, bob]) == await safety.blocks([bob, ann]) == {(ann, bob)}
    assert await safety.blocks([ann, bob, carl]) == {(ann, bob), (ann, carl), (carl, ann)}
    assert await safety.blocks([bob, carl]) == await safety.blocks([ann]) == await safety.blocks([]) == set()
    assert await safety.unblock_user(ann, bob, noted("user_block"))
    assert not await safety.unblock_user(ann, bob, noted("user_block"))
    assert await safety.blocked_by(ann) == [carl]


async def test_a_user_blocks_no_more_than_allowed(repository: Storage) -> None:
    ann, bob = someone().id, someone().id
    assert await repository.safety.block_user(ann, bob, NOW, 1, noted("user_block"))
    assert not await repository.safety.block_user(ann, someone().id, NOW, 1, noted("user_block"))
    assert await repository.safety.block_user(ann, bob, NOW, 1, noted("user_block"))
    assert await repository.safety.blocked_by(ann) == [bob]


async def test_a_user_reports_a_message_once(repository: Storage) -> None:
    first = report()
    again = report(room_id=first.room_id, reporter=first.reporter)
    other = report(room_id=first.room_id, created_at=NOW + 1)
    stored = await asyncio.gather(*(repository.safety.insert_report(one, noted("report")) for one in (first, again)))
    assert sorted(stored) == [False, True]
    kept = (first, again)[stored.index(True)]
    assert await repository.safety.insert_report(other, noted("report"))
    listed = await repository.safety.reports(room_id=first.room_id, state="open", before=NOW + 2, limit=9)
    assert listed == [other, kept]
    assert await repository.safety.find_report(kept.report_id) == kept
    assert await repository.safety.find_report("p_none") is None


async def test_reports_are_listed_by_room_state_and_time(repository: Storage) -> None:
    room_id = new_room_id()
    reports = [report(room_id=room_id, created_at=NOW + n) for n in range(3)]
    for one in reports:
        assert await repository.safety.insert_report(one, noted("report"))
    listed = repository.safety.reports
    assert await listed(room_id=room_id, state="open", before=NOW + 2, limit=9) == reports[1::-1]
    assert await listed(room_id=room_id, state="open", before=NOW + 9, limit=1) == reports[2:]
    assert await listed(room_id=new_room_id(), state="open", before=NOW + 9, limit=9) == []
    assert set(await listed(room_id=None, state="open", before=NOW + 9, limit=999)) >= set(reports)
    handle = repository.safety.handle_report
    assert await handle(reports[0].report_id, "dismissed", ADMIN, "no", NOW + 5, noted("report_handled"))
    assert not await handle("p_none", "resolved", ADMIN, "", NOW, noted("report_handled"))
    (handled,) = await listed(room_id=room_id, state="dismissed", before=NOW + 9, limit=9)
    assert (handled.handler_id, handled.note, handled.handled_at) == (ADMIN.id, "no", NOW + 5)
    assert await listed(room_id=room_id, state="open", before=NOW + 9, limit=9) == reports[:0:-1]


async def test_handled_reports_are_removed_by_their_age_and_open_ones_stay(repository: Storage) -> None:
    made = [report(created_at=NOW + n) for n in range(3)]
    for one in made:
        assert await repository.safety.insert_report(one, noted("report"))
    for one, at in zip(made[:2], (NOW + 5, NOW + 6), strict=True):
        assert await repository.safety.handle_report(one.report_id, "resolved", ADMIN, "", at, noted("report_handled"))
    while await repository.safety.expire(NOW + 6, 2):
        pass
    assert [await repository.safety.find_report(one.report_id) is not None for one in made] == [False, True, True]


async def test_the_reports_of_a_user_are_listed_in_any_state(repository: Storage) -> None:
    ann = User(new_token("u_"), "ann")
    made = [report(reporter=ann, seq=n, created_at=NOW + n) for n in (1, 2, 3)]
    for one in (*made, report()):
        assert await repository.safety.insert_report(one, noted("report"))
    await repository.safety.handle_report(made[0].report_id, "resolved", ADMIN, "", NOW + 5, noted("report_handled"))
    first = await repository.safety.reports_by(ann.id, before=NOW + 9, limit=2)
    assert first == made[:0:-1]
    (last,) = await repository.safety.reports_by(ann.id, before=first[-1].created_at, limit=2)
    assert (last.report_id, last.state) == (made[0].report_id, "resolved")


async def test_memory_keeps_open_reports_and_removes_the_handled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "REPORTS", 2)
    storage = open_storage(None)
    await storage.start()
    first, second, third = report(), report(), report()
    for one in (first, second):
        assert await storage.safety.insert_report(one, noted("report"))
    with pytest.raises(StorageUnavailable, match="memory is full"):
        await storage.safety.insert_report(third, noted("report"))
    assert await storage.safety.handle_report(second.report_id, "resolved", ADMIN, "", NOW, noted("report_handled"))
    assert await storage.safety.insert_report(third, noted("report"))
    assert await storage.safety.find_report(second.report_id) is None
    await storage.close()
