"""Accounts are erased, and the work in rooms goes on, while users talk and storage is slow."""

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.safety import report
from chat.work.worker import RoomWorker
from model.account import DELETED_USER
from model.audit import AuditFilter
from model.errors import SIGNED_OUT, ParleyError
from model.room import FOREVER, Member, NetworkSanction, User
from storage.ports.access import login_ended, more_room_work
from storage.ports.errors import StorageUnavailable
from storage.ports.rooms import SetMember, SetSanction
from tests.support.accounts import noted
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, said
from tests.unit.chat.room_working import (
    ANN,
    TOMBSTONE,
    adoption,
    done,
    erasure,
    in_lobby,
    log_of,
    order,
    room_of,
    row_of,
    signed_in,
)
from utils.tasks import TaskRegistry


async def test_messages_stay_as_by_a_deleted_user(chat: Chat, worker: RoomWorker, repository: FaultyRepository) -> None:
    bob, ann = await in_lobby(chat)
    joined = bob.last("joined")
    seq = await said(ann, "hello", room="lobby")
    reply = await said(bob, "hi", room="lobby", reply_to=seq)
    order(repository, erasure(ANN.id))
    late = noted("kick", ANN, address="192.0.2.9")  # of a connection that was still open
    repository.inner.contents.accounts.record([late])  # type: ignore[attr-defined]
    await done(worker, repository)
    [(_, entry)] = await repository.inner.audit.page(AuditFilter(action="kick"), before=FOREVER, limit=9)
    assert entry == replace(late, actor=User(TOMBSTONE, ""), address="")
    assert ann.connection.closed is SIGNED_OUT
    assert await row_of(repository, ANN.id) is None
    left = [event for event in bob.of("member") if event["action"] == "leave"]
    assert [event["member"]["name"] for event in left] == [DELETED_USER]
    first, second = await log_of(repository)
    assert (first.sender, first.content, first.sender_id) == (DELETED_USER, "hello", ANN.id)
    assert second.sender == "bob"
    assert second.reply_to is not None
    assert second.reply_to.sender == DELETED_USER
    back = account(chat, "bob")
    await ask(back, "join", room="lobby", since=reply, epoch=joined["epoch"])
    assert [(m["seq"], m["sender"]) for m in back.of("message")] == [(seq, DELETED_USER)]
    assert ANN.name not in str([row for room in chat.parts.hub.rooms.values() for row in room.members.values()])


async def test_guests_are_moved_before_accounts_are_erased(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever was asked for first: an erasure may take long, and a user waits for the move."""
    caplog.set_level("INFO")
    order(repository, erasure("a_bob"))
    order(repository, erasure("a_cid"))
    order(repository, adoption("g_1"))
    await done(worker, repository)
    said = [record.getMessage().partition(" of ")[0] for record in caplog.records]
    assert said == ["the move", "the erasure", "the erasure"]


async def test_messages_go_when_that_is_asked_for(chat: Chat, worker: RoomWorker, repository: FaultyRepository) -> None:
    bob, ann = await in_lobby(chat)
    seqs = [await said(ann, f"secret {number}", room="lobby") for number in range(3)]
    await ask(ann, "delete", room="lobby", seq=seqs[0])
    await ask(bob, "react", room="lobby", seq=seqs[1], emoji="👍", on=True)
    theirs = await said(bob, "mine", room="lobby")
    bob.forget()
    order(repository, erasure(ANN.id, messages=True))
    await done(worker, repository)
    assert [(e["seq"], e["sender"]) for e in bob.of("deleted")] == [(seq, DELETED_USER) for seq in seqs[1:]]
    log = await log_of(repository)
    assert [m.content for m in log] == ["", "", "", "mine"]
    assert all(m.deleted_at and m.reactions is None and m.sender == DELETED_USER and m.id is None for m in log[:3])
    await ask(bob, "history", room="lobby")
    assert [m["seq"] for m in bob.last("history")["messages"]] == [theirs]


async def test_a_reaction_during_the_erasure_is_kept(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    bob, ann = await in_lobby(chat)
    seq = await said(ann, "hello", room="lobby")
    order(repository, erasure(ANN.id))
    repository.early.add("by_senders")
    tasks = TaskRegistry()
    erasing = tasks.spawn(worker.run_once(), name="erase")
    await passes(4.9)  # it waits for the connections of other servers to end
    repository.hold("by_senders")
    await passes(1)
    assert not erasing.done()
    await ask(bob, "react", room="lobby", seq=seq, emoji="👍", on=True)
    repository.go("by_senders")
    await erasing
    await passes(0.1)
    (message,) = await log_of(repository)
    assert message.sender == DELETED_USER
    assert message.reactions == {"👍": [id_of(bob)]}


async def test_the_logs_of_deleted_rooms_are_erased(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    bob, ann = await in_lobby(chat)
    await said(ann, "secret", room="lobby")
    await ask(bob, "update_room", room="lobby", title="of Ann", topic="Ann")
    record = await room_of(repository)
    await ask(bob, "delete_room", room="lobby")
    await passes(0.1)
    [deleted] = await repository.inner.rooms.all_rooms(after=-1, limit=9)
    assert (record.title, deleted.title, deleted.topic) == ("of Ann", "", "")
    order(repository, erasure(ANN.id, messages=True))
    await done(worker, repository)
    (message,) = await repository.inner.messages.history(record, limit=9, include_deleted=True)
    assert (message.content, message.sender, message.id) == ("", DELETED_USER, None)


async def test_invitations_no_longer_name_the_erased_user(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    ann, bob = signed_in(chat), account(chat, "bob")
    await created(chat, ann)
    await created(chat, bob, "elsewhere")
    assert await code_of(ann, "invite", room="lobby", user=id_of(bob)) == ""
    order(repository, erasure(ANN.id))
    await done(worker, repository)
    row = await row_of(repository, id_of(bob))
    assert row is not None
    assert row.invitation is not None
    assert row.invitation.by == User(TOMBSTONE, DELETED_USER)


async def test_a_message_that_waits_for_storage_is_erased_once_it_is_stored(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    _, ann = await in_lobby(chat)
    repository.hold("write")
    ann.say("late", room="lobby")
    order(repository, erasure(ANN.id))
    tasks = TaskRegistry()
    erasing = tasks.spawn(worker.run_once(), name="erase")
    await passes(6)
    repository.go("write")
    await erasing
    await passes(0.1)
    assert [m.sender for m in await log_of(repository)] == [DELETED_USER]


async def test_work_continues_after_an_outage(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.work.pieces.WINDOW", 1)
    bob, ann = account(chat, "bob"), signed_in(chat)
    for number in range(3):
        await created(chat, bob, f"room {number}")
        await ask(ann, "join", room=f"room {number}")
        await said(ann, "hello", room=f"room {number}")
    order(repository, erasure(ANN.id))
    tasks = TaskRegistry()
    tasks.spawn(worker.run(), name="room work")
    await passes(4.9)
    repository.faults["accounts.advance"] = [StorageUnavailable("unplugged")]
    await passes(1)
    repository.away = "unplugged"
    await passes(20)
    assert [m.sender for number in range(3) for m in await log_of(repository, f"room {number}")].count("Ann") == 2
    repository.away = None
    await passes(60)
    assert await repository.inner.accounts.room_work() == []
    for number in range(3):
        assert [m.sender for m in await log_of(repository, f"room {number}")] == [DELETED_USER]
    assert await tasks.close(1) == []


async def test_an_unforeseen_error_does_not_end_it(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository, caplog: pytest.LogCaptureFixture
) -> None:
    _, ann = await in_lobby(chat)
    await said(ann, "hello", room="lobby")
    order(repository, erasure(ANN.id))
    repository.faults["rows_of"] = [ValueError("unforeseen")]
    tasks = TaskRegistry()
    tasks.spawn(worker.run(), name="room work")
    await passes(30)
    assert "unforeseen" in caplog.text
    assert [m.sender for m in await log_of(repository)] == [DELETED_USER]
    assert await tasks.close(1) == []


async def test_storage_is_asked_for_work_only_when_there_may_be_some(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """At the start, after a notice of work, and if notices were missed; not while another server has the rooms."""
    _, ann = await in_lobby(chat)
    await said(ann, "hello", room="lobby")
    repository.standby = "another server writes"
    tasks = TaskRegistry()
    tasks.spawn(worker.run(), name="room work")
    asked = []

    async def after(seconds: float) -> None:
        await passes(seconds)
        asked.append(repository.calls["accounts.room_work"])

    await after(3600)
    repository.standby = None
    await after(1)
    await worker.hear([login_ended("l_1", 0)])
    await after(3600)
    order(repository, erasure(ANN.id))
    await worker.hear([login_ended("l_1", 0), more_room_work(0)])
    await after(30)
    await worker.hear([])
    await after(3600)
    assert asked == [0, 1, 1, 3, 4]  # once more after the work
    assert [m.sender for m in await log_of(repository)] == [DELETED_USER]
    assert await tasks.close(1) == []


async def test_work_that_another_server_has_begun_is_finished(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """This one has heard of it while the other one had the rooms, which has crashed since."""
    _, ann = await in_lobby(chat)
    await said(ann, "hello", room="lobby")
    tasks = TaskRegistry()
    tasks.spawn(worker.run(), name="room work")
    await passes(60)
    repository.standby = "another server writes"
    order(repository, erasure(ANN.id))
    await worker.hear([more_room_work(0)])
    await passes(3600)
    assert [m.sender for m in await log_of(repository)] == ["Ann"]
    repository.standby = None
    await passes(30)
    assert [m.sender for m in await log_of(repository)] == [DELETED_USER]
    assert await tasks.close(1) == []


async def test_many_messages_are_changed_in_bounded_batches(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.work.logs.BATCH", 10)
    monkeypatch.setattr("chat.work.logs.MESSAGES", 25)
    _, ann = await in_lobby(chat)
    for number in range(60):
        ann.say(str(number), room="lobby")
    await passes(1)
    repository.batches.clear()
    order(repository, erasure(ANN.id, messages=True))
    await done(worker, repository)
    assert all(m.sender == DELETED_USER and not m.content for m in await log_of(repository))
    assert max(map(len, repository.batches)) <= 10


async def test_it_stops_with_the_tenure(chat: Chat, worker: RoomWorker, repository: FaultyRepository) -> None:
    _, ann = await in_lobby(chat)
    await said(ann, "hello", room="lobby")
    order(repository, erasure(ANN.id))
    tasks = TaskRegistry()
    erasing = tasks.spawn(worker.run_once(), name="erase")
    await passes(4.9)
    repository.hold("by_senders")
    await passes(1)
    chat.parts.hub.unload()  # another server has the rooms now
    repository.go("by_senders")
    with pytest.raises(ParleyError, match="another server"):
        await erasing
    assert [m.sender for m in await log_of(repository)] == ["Ann"]


async def test_sanctions_of_networks_that_follow_an_erased_guest_are_lifted(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, guest = account(chat, "owner"), Person(chat, "gus", network="192.0.2.0/24")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    await ask(owner, "mute", room="lobby", user=id_of(guest), seconds=600)
    record = await room_of(repository)
    assert await repository.inner.rooms.sanctions(record.room_id)
    order(repository, erasure(id_of(guest)))
    await done(worker, repository)
    assert await repository.inner.rooms.sanctions(record.room_id) == []


async def test_sanctions_that_no_row_leads_to_are_lifted(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """They record an address. Here the room is not loaded, and has no row with a ban or mute."""
    owner = account(chat, "owner")
    await created(chat, owner)
    record = await room_of(repository)
    owner.disconnect()
    await passes(1)
    writer = repository.writer()
    await writer.write([SetSanction(record.room_id, NetworkSanction("192.0.2.0/24", "g_1", FOREVER))])
    await writer.close()
    order(repository, erasure(ANN.id, "g_1"))
    await done(worker, repository)
    assert await repository.inner.rooms.sanctions(record.room_id) == []


async def test_what_others_do_with_its_messages_during_the_erasure_leaves_no_trace(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """They report them, and moderate their author, whom the rooms still know by name."""
    bob, ann = await in_lobby(chat)
    seq = await said(ann, "secret", room="lobby")
    order(repository, erasure(ANN.id, messages=True))
    tasks = TaskRegistry()
    repository.hold("rooms_of_senders")
    erasing = tasks.spawn(worker.run_once(), name="erase")
    await passes(6)
    made = await report(chat.parts, bob.session.actor, "lobby", seq, "rude", "192.0.2.1")
    assert made.content == "secret"
    room_id = (await room_of(repository)).room_id
    writer = repository.writer()
    await writer.write([SetMember(room_id, Member(ANN, banned_until=FOREVER))])
    await writer.close()
    repository.go("rooms_of_senders")
    await erasing
    await passes(0.1)
    found = await repository.inner.safety.find_report(made.report_id)
    assert found is not None
    assert (found.sender, found.content) == (User(TOMBSTONE, DELETED_USER), "")
    [(_, entry)] = await repository.inner.audit.page(AuditFilter(action="report"), before=FOREVER, limit=9)
    assert entry.target == User(TOMBSTONE, "")
    assert await row_of(repository, ANN.id) is None
    assert await repository.inner.accounts.room_work() == []
