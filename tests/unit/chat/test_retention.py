"""Expired messages are removed, a bounded number at a time."""

import pytest

from chat.chat import Chat
from chat.maintenance import BATCH, erase_once, expire_messages, expire_once
from model.limits import GUEST_SECONDS
from storage.ports.errors import StorageUnavailable
from tests.support.chatting import Person, VirtualClock, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, id_of
from utils.clock import DAY_US


async def test_a_room_keeps_its_messages_for_its_retention_time(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock, retention_days=7, room_tail=0) as chat:
        ann = account(chat, "ann")
        for room, days in (("short", 1), ("ours", 0), ("long", 30)):
            await created(chat, ann, room)
            await ask(ann, "update_room", room=room, retention_days=days)
            ann.say("old", room=room)
        await passes()
        writer = repository.writer()
        left = {}
        for days in (0, 2, 8, 31):
            clock.offset_us = days * DAY_US
            while await expire_once(chat.parts, writer):
                pass
            left[days] = [room for room in ("short", "ours", "long") if await repository.stored(room)]
        assert left == {0: ["short", "ours", "long"], 2: ["ours", "long"], 8: ["long"], 31: []}
        await writer.close()


async def test_expired_messages_are_gone_from_a_resume(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock, retention_days=1) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        joined = ann.last("joined")
        ann.say("old", room="lobby")
        await passes()
        clock.offset_us = 2 * DAY_US
        ann.say("new", room="lobby")
        await passes()
        writer = repository.writer()
        assert await expire_once(chat.parts, writer) == 1
        back = account(chat, "ann")
        await ask(back, "join", room="lobby", since=0, epoch=joined["epoch"])
        assert back.heard() == ["new"]
        await writer.close()


async def test_expiry_works_in_batches_and_continues_after_an_outage(
    repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has one line per round, regardless of the number of batches."""
    caplog.set_level("INFO", "chat.maintenance")
    monkeypatch.setattr("chat.maintenance.BATCH", 10)
    assert BATCH == 1000
    clock = VirtualClock()
    async with chatting(repository, clock, retention_days=1) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        for number in range(35):
            ann.say(f"{number}", room="lobby")
        await passes()
        clock.offset_us = 2 * DAY_US
        writer = repository.writer()
        task = chat.parts.tasks.spawn(expire_messages(chat.parts, writer), name="retention")
        await passes(60.5)
        assert len(await repository.stored("lobby")) == 25
        repository.faults["write"].append(StorageUnavailable("unplugged"))
        await passes(5)
        assert len(await repository.stored("lobby")) == 25
        await passes(700)
        assert await repository.stored("lobby") == []
        said = [record.getMessage() for record in caplog.records if "were removed" in record.getMessage()]
        assert [line.split()[0] for line in said] == ["10", "25"]
        task.cancel()
        await writer.close()


async def test_deleted_messages_are_erased_in_batches_and_after_an_outage(
    repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also from the memory of a loaded room. The log has one line per round."""
    caplog.set_level("INFO", "chat.maintenance")
    monkeypatch.setattr("chat.maintenance.BATCH", 10)
    clock = VirtualClock()
    async with chatting(repository, clock, erase_after_days=3) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        for number in range(35):
            ann.say(f"secret {number}", room="lobby")
        await passes()
        for message in ann.of("message"):
            await ask(ann, "delete", room="lobby", seq=message["seq"])
        tail = chat.parts.hub.rooms["lobby"].tail
        writer = repository.writer()
        clock.offset_us = 3 * DAY_US - 60_000_000
        assert await erase_once(chat.parts, writer) == 0
        assert any(state.content for state in tail._messages)
        clock.offset_us = 4 * DAY_US
        task = chat.parts.tasks.spawn(expire_messages(chat.parts, writer), name="retention")
        await passes(60.5)
        assert chat.parts.counters.erased == 10
        assert not any(state.content for state in tail._messages)
        repository.faults["write"].append(StorageUnavailable("unplugged"))
        await passes(5)
        assert chat.parts.counters.erased == 10
        await passes(700)
        assert chat.parts.counters.erased == 35
        said = [record.getMessage() for record in caplog.records]
        assert [line.split(":")[0] for line in said] == [
            "10 deleted messages were erased",
            "deleted messages could not be erased yet",
            "25 deleted messages were erased",
        ]
        task.cancel()
        await writer.close()


async def test_deleted_messages_are_kept_if_the_operator_wants_it(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock, erase_after_days=0) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        ann.say("kept", room="lobby")
        await passes()
        await ask(ann, "delete", room="lobby", seq=ann.last("message")["seq"])
        clock.offset_us = 10_000 * DAY_US
        writer = repository.writer()
        assert await erase_once(chat.parts, writer) == 0
        record = await repository.inner.rooms.find_room("lobby")
        assert record is not None
        (left,) = await repository.inner.messages.history(record, limit=9, include_deleted=True)
        assert left.content == "kept"
        await writer.close()


async def test_messages_do_not_expire_without_a_retention_setting(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    ann.say("old", room="lobby")
    await passes()
    chat.parts.clock.offset_us = 10_000 * DAY_US  # type: ignore[attr-defined]
    writer = repository.writer()
    assert await expire_once(chat.parts, writer) == 0
    assert await repository.stored("lobby") == ["old"]
    await writer.close()


async def test_guests_who_do_not_return_are_forgotten(repository: FaultyRepository) -> None:
    """Once their token has expired: not guests who are present, and not those with a ban."""
    clock = VirtualClock()
    async with chatting(repository, clock) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        here, gone, banned = (Person(chat, name) for name in ("here", "gone", "banned"))
        for guest in (here, gone, banned):
            await ask(guest, "join", room="lobby")
        await ask(ann, "ban", room="lobby", user=id_of(banned), seconds=GUEST_SECONDS + 2 * 86_400)
        gone.disconnect()
        banned.disconnect()
        await passes(10)
        record = await repository.inner.rooms.find_room("lobby")
        assert record is not None
        writer = repository.writer()
        left = {}
        for days in (29, 31, 33):
            clock.offset_us = days * DAY_US
            await expire_once(chat.parts, writer)
            found = [
                await repository.inner.rooms.find_member(record.room_id, id_of(each)) for each in (here, gone, banned)
            ]
            left[days] = [row is not None for row in found]
        assert left == {29: [True, True, True], 31: [True, False, True], 33: [True, False, False]}
        await writer.close()


async def test_messages_dated_in_the_future_are_logged_once(
    repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    clock.offset_us = 30 * DAY_US
    async with chatting(repository, clock) as chat:
        ann = account(chat, "ann")
        for room in ("one", "two"):
            await created(chat, ann, room)
            ann.say("from the future", room=room)
        await passes()
    clock.offset_us = 0
    async with chatting(repository, clock) as chat:
        ann = account(chat, "ann")
        for room in ("one", "two"):
            await ask(ann, "join", room=room)
    said = [record.message for record in caplog.records if "in the future" in record.message]
    assert len(said) == 1
    assert "retention counts from that time" in said[0]
