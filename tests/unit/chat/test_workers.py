"""Writing to storage: order, bounds, and the outcome of a write when storage is unavailable, rejects it, or fails."""

import logging
from typing import Any

import pytest

from chat.chat import Chat
from chat.writes.workers import PAUSE_SECONDS, RETRY_CAP, STALL_SECONDS, PoolLimits
from storage.ports.messages import InsertMessage
from storage.ports.rooms import InsertRoom
from storage.ports.storage import Write
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, said


async def test_a_room_is_stored_before_its_first_message_and_once(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    assert not repository.batches
    ann.say("one")
    ann.say("two")
    await passes()
    writes = [write for batch in repository.batches for write in batch]
    assert [type(write) for write in writes] == [InsertRoom, InsertMessage, InsertMessage]


async def test_one_batch_at_a_time_and_pending_writes_go_together(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("first")
    await passes()
    for number in range(30):
        ann.say(f"{number}")
        await passes()
    assert len(repository.batches) == 1
    repository.go("write")
    await passes()
    assert [len(batch) for batch in repository.batches] == [2, 30]
    assert repository.most_writing == 1


async def test_rooms_are_spread_over_independent_workers(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=4)) as chat:
        ann = Person(chat, "ann")
        repository.hold("write")
        for number in range(40):
            ann.send("join", room=f"room {number}")
            await passes()
            ann.say("hi", f"{number}", room=f"room {number}")
        await passes()
        assert repository.most_writing == 4
        rooms = chat.parts.hub.rooms.values()
        assert {room.worker.name for room in rooms} == {f"worker-{number}" for number in range(4)}
        assert all(room.worker is chat.parts.pool.of(room.record.room_id) for room in rooms)
        repository.go("write")
        await passes()
        assert len(ann.acked()) == 40


async def test_a_write_without_a_response_is_reported_as_a_problem(
    chat: Chat, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """For example a locked table: storage is connected, but stores nothing."""
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("hi", "1")
    await passes(STALL_SECONDS - 0.1)
    assert chat.problem() is None
    await passes(0.2)
    assert chat.problem() == "storage has not answered for 5 s"
    assert "2 writes wait for storage: storage has not answered for 5 s" in caplog.text
    repository.go("write")
    await passes()
    assert chat.problem() is None
    assert "1" in ann.acked()
    # Consecutive writes are no stall, however long they continue.
    for number in range(20):
        ann.say("hi", f"more {number}")
        await passes(1.0)
        assert chat.problem() is None


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool", "taken"),
    [
        pytest.param(PoolLimits(workers=1, queue_messages=20), 9, id="half of the count for one room"),
        pytest.param(PoolLimits(workers=1, queue_bytes=30_000), 9, id="half of the bytes for one room"),
    ],
)
async def test_a_full_queue_refuses_before_any_broadcast(
    repository: FaultyRepository, pool: PoolLimits, taken: int
) -> None:
    async with chatting(repository, pool=pool) as chat:
        repository.hold("write")
        ann = Person(chat, "ann", "general")
        await passes(2)
        for number in range(30):
            ann.say("x" * 1000, f"{number}")
        await passes()
        assert len(ann.heard()) == taken
        errors = ann.errors()
        assert set(errors.values()) == {"overloaded"}
        assert list(errors) == [f"{number}" for number in range(taken, 30)]
        assert all(frame["retry_after"] > 0 and frame["retryable"] for frame in ann.of("error"))
        repository.go("write")
        await passes()
        assert list(ann.acked()) == [f"{number}" for number in range(taken)]
        assert not ann.of("retracted")
        ann.say("again", "0 again")
        await passes()
        assert "0 again" in ann.acked()


async def test_one_room_may_use_at_most_half_of_the_queue(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=20)) as chat:
        repository.hold("write")
        ann = Person(chat, "ann", "loud")
        for room in ("quiet", "third"):
            ann.send("join", room=room)
        await passes(2)
        for _ in range(30):
            ann.say("x", "loud", room="loud")
            ann.say("x", room="loud")
        assert ann.last("error")["code"] == "overloaded"
        ann.say("still room for this", "quiet", room="quiet")
        for number in range(30):
            ann.say("x", f"third {number}", room="third")
        await passes()
        assert 20 <= len(chat.parts.pool) <= 21  # plus possibly the room's own row
        repository.go("write")
        await passes()
        assert len(chat.parts.pool) == 0
        assert await repository.stored("quiet") == ["still room for this"]


async def test_reading_pauses_for_sessions_that_fill_a_queue_beyond_half(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=20)) as chat:
        repository.hold("write")
        ann, ben = Person(chat, "ann", "a"), Person(chat, "ben", "b")
        await passes(2)
        for number in range(8):
            ann.say(f"{number}", room="a")
        assert ann.is_read()
        ben.say("0", room="b")
        ben.say("1", room="b")
        assert not ben.is_read()
        assert ann.is_read()
        ann.say("8", room="a")
        assert not ann.is_read()
        repository.go("write")
        await passes()
        assert ann.is_read()
        assert ben.is_read()
        assert not ann.of("error")


async def test_a_pause_ends_after_a_second_at_most(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=20)) as chat:
        repository.hold("write")
        ann = Person(chat, "ann", "a")
        ann.send("join", room="b")
        await passes(2)
        for room in ("a", "b"):
            for _ in range(6):
                ann.say("x", room=room)
        assert not ann.is_read()
        await passes(PAUSE_SECONDS - 0.01)
        assert not ann.is_read()
        await passes(0.02)
        assert ann.is_read()
        repository.go("write")


async def test_a_paused_session_that_ends_is_read_to_its_end(repository: FaultyRepository) -> None:
    """Its closing handshake must be read."""
    async with chatting(repository, pool=PoolLimits(workers=1, queue_messages=4)) as chat:
        repository.hold("write")
        ann = Person(chat, "ann", "a")
        await passes(2)
        ann.say("x", room="a")
        ann.send("join", room="b")
        await passes()
        ann.say("x", room="b")
        assert not ann.is_read()
        ann.disconnect()
        assert ann.is_read()
        repository.go("write")
        await passes(2)


# --- storage unavailable, rejecting, failing -------------------------------------------------------------------------


async def test_a_rejected_row_is_found_by_halving_and_the_rest_is_stored(
    chat: Chat, repository: FaultyRepository
) -> None:
    def refused(write: Write) -> bool:
        return isinstance(write, InsertMessage) and write.message.content.startswith("bad")

    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes(2)
    repository.refused = refused
    said = [f"{number}" if number not in (0, 13, 14, 99) else f"bad {number}" for number in range(100)]
    for number, content in enumerate(said):
        ann.say(content, f"{number}")
    await passes()
    good = [content for content in said if not content.startswith("bad")]
    assert await repository.stored() == good
    assert ann.errors() == dict.fromkeys(("0", "13", "14", "99"), "not_stored")
    assert list(ann.acked()) == good
    seqs = {frame["id"]: frame["seq"] for frame in ann.of("message")}
    assert [frame["seq"] for frame in ben.of("retracted")] == [seqs[key] for key in ("0", "13", "14", "99")]
    assert not ben.of("error")
    assert chat.parts.counters.refused_rows == 4
    assert len(repository.batches) < 60
    assert chat.problem() is None


async def test_a_rejected_message_without_an_id_is_reported(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.refused = lambda write: isinstance(write, InsertMessage)
    ann.say("no")
    await passes()
    assert ann.last("error")["code"] == "not_stored"
    assert ann.last("retracted")["seq"] == ann.last("message")["seq"]


async def test_a_storage_outage_keeps_the_batch_and_logs_why(
    chat: Chat, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ann = Person(chat, "ann", "general")
    await passes()
    repository.away = "the disk is full"
    for number in range(10):
        ann.say(f"{number}", f"{number}")
        await passes()
    assert len(ann.heard()) == 10
    assert not ann.of("ack", "error")
    assert chat.problem() == "the disk is full"
    tries = repository.calls["write"]
    await passes(3600)
    assert 3600 / RETRY_CAP <= repository.calls["write"] - tries <= 3600 / (RETRY_CAP / 2) + 10  # backs off
    assert not ann.of("ack", "error", "retracted")
    repository.away = None
    await passes(6)
    assert chat.problem() is None
    assert list(ann.acked()) == [*map(str, range(10))]
    assert await repository.stored() == [*map(str, range(10))]
    told = [record.message for record in caplog.records if record.name == "chat.writes.workers"]
    assert len(told) == 2  # once for the outage, once for its end
    assert "the disk is full" in told[0]


async def test_an_unforeseen_fault_does_not_lose_the_batch(
    chat: Chat, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.faults["write"] += [ZeroDivisionError("a bug"), TypeError("another")]
    ann.say("one", "1")
    await passes(0.01)
    assert chat.problem() is not None
    assert "unexpected error" in str(chat.problem())
    await passes(1)
    assert list(ann.acked()) == ["1"]
    assert chat.problem() is None
    assert await repository.stored() == ["one"]
    assert "ZeroDivisionError" in caplog.text


async def test_a_wrong_number_of_outcomes_is_a_fault(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.short_answers = 1
    ann.say("one", "1")
    await passes(0.01)
    assert chat.problem() is not None
    assert not ann.acked()
    await passes(1)
    assert list(ann.acked()) == ["1"]
    assert chat.problem() is None


async def test_a_fault_in_a_callback_does_not_end_the_worker(
    chat: Chat, repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1")
    repository.refused = lambda write: isinstance(write, InsertMessage)
    monkeypatch.setattr(chat.parts.hub, "new_epoch_of", None)  # not callable: retracting a message fails on it
    await passes()
    assert "failed" in caplog.text
    monkeypatch.undo()
    repository.refused = None
    ann.say("two", "2")
    await passes()
    assert list(ann.acked()) == ["2"]
    assert len(chat.parts.pool) == 0


async def test_one_failing_room_does_not_stop_other_workers(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=2)) as chat:
        ann = Person(chat, "ann")
        rooms: dict[int, str] = {}
        for number in range(50):
            ann.send("join", room=f"room {number}")
            await passes()
            worker = chat.parts.hub.rooms[f"room {number}"].record.room_id % 2
            rooms.setdefault(worker, f"room {number}")
        repository.faults["write"].append(ZeroDivisionError("a bug"))
        ann.say("one", "1", room=rooms[0])
        await passes(0.01)
        assert not ann.acked()
        ann.say("two", "2", room=rooms[1])
        await passes(0.01)
        assert list(ann.acked()) == ["2"]
        await passes(2)
        assert sorted(ann.acked()) == ["1", "2"]


# --- the end ---------------------------------------------------------------------------------------------------------


async def test_drain_waits_until_everything_is_stored_and_acked(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    for number in range(1200):
        ann.say(f"{number}", f"{number}")
    assert await chat.drain(1.0) == 0
    assert len(ann.acked()) == 1200
    assert chat.problem() == "the server is shutting down"
    ann.say("too late", "late")
    ann.say("1199", "1199")
    await passes()
    assert ann.errors() == {"late": "shutting_down"}
    assert "too late" not in ann.heard()
    assert ann.acked()["0"]


async def test_drain_gives_up_at_its_deadline_and_counts_unstored_writes(
    chat: Chat, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("stored", "0")
    await passes()
    repository.hold("write")
    for number in range(1, 8):
        ann.say(f"{number}", f"{number}")
    before = chat.parts.clock.monotonic()
    assert await chat.drain(3.0) == 7
    assert chat.parts.clock.monotonic() - before == pytest.approx(3.0)
    assert list(ann.acked()) == ["0"]
    assert "7 writes were not stored within 3.0 s: storage has not answered yet" in caplog.text


async def test_every_kind_of_unstored_write_is_counted(chat: Chat, repository: FaultyRepository) -> None:
    owner, ben = account(chat, "owner"), account(chat, "ben")
    await created(chat, owner, "den")
    await ask(ben, "join", room="den")
    seq = await said(owner)
    repository.hold("write")
    shown: list[tuple[str, dict[str, Any]]] = [
        ("edit", {"seq": seq, "content": "other"}),
        ("react", {"seq": seq, "emoji": "x"}),
        ("pin", {"seq": seq}),
        ("delete", {"seq": seq}),
        ("mute", {"user": "u_ben"}),
        ("set_role", {"user": "u_ben", "role": "readonly"}),
        ("ban", {"user": "u_ben"}),
        ("update_room", {"topic": "other"}),
    ]
    for number, (kind, fields) in enumerate(shown, 1):
        owner.send(kind, id=kind, room="den", **fields)
        await passes()
        assert kind not in owner.errors()
        assert len(chat.parts.pool) == number
    ben.send("join", id="j", room="den")  # banned: nothing is stored
    assert await chat.drain(1.0) == len(shown)


async def test_a_retry_pending_when_draining_begins_is_not_posted(chat: Chat, repository: FaultyRepository) -> None:
    """Otherwise it would be broadcast, but neither acked nor counted."""
    ann = Person(chat, "ann", "general")
    await passes()
    repository.hold("find_posted")
    ann.say("one", "1", resend=True)
    await passes()
    assert await chat.drain(1.0) == 0
    repository.go("find_posted")
    await passes()
    assert not ann.heard()
    assert ann.errors() == {"1": "shutting_down"}


async def test_closing_abandons_stuck_writes(repository: FaultyRepository) -> None:
    async with chatting(repository) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        repository.hold("write")
        repository.hold("history")
        ann.say("one", "1")
        ann.send("history", id="h", room="general")
        Person(chat, "ben", "general")
        await passes()
        assert await chat.close(2.0) == []
    assert not ann.of("history", "ack")


async def test_goodbye_spreads_reconnects_over_time(chat: Chat) -> None:
    people = [Person(chat, room="general") for _ in range(50)]
    await passes()
    people[0].say("last words")
    await chat.drain(1.0)
    chat.say_goodbye()
    said = [person.last("goodbye") for person in people]
    assert {frame["reason"] for frame in said} == {"shutting_down"}
    assert len({frame["reconnect_after"] for frame in said}) > 25
    assert all(0 < frame["reconnect_after"] <= 5 for frame in said)
    for person in people:
        assert person.types()[-1] == "goodbye"
        assert person.heard() == ["last words"]
        assert person.connection.closed is not None
        assert person.connection.closed.code == 1001


async def test_after_a_takeover_every_client_reconnects(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    epoch = chat.parts.hub.epoch
    chat.disconnect_all("another server wrote")
    assert chat.parts.hub.epoch != epoch
    assert ann.connection.closed is not None
    assert ann.connection.closed.code == 4002
    ann.disconnect()
    ben = Person(chat, "ben")
    ben.send("join", room="general", since=0, epoch=epoch)
    await passes()
    assert ben.last("joined")["recovered"] is False
