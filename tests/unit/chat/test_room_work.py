"""A guest is moved to an account, and accounts are erased, while users talk and storage is slow."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.maintenance import expire_once
from chat.ports import Identity
from chat.room_work import RoomWorker
from chat.rooms.storing import store
from chat.safety import block_user, unblock_user
from model.account import DELETED_USER, RoomWork
from model.audit import AuditFilter
from model.errors import SIGNED_OUT, ParleyError
from model.message import Message
from model.room import FOREVER, Member, RoomRecord, User
from storage.ports.access import login_ended, more_room_work
from storage.ports.errors import StorageUnavailable
from storage.ports.rooms import RemoveMember
from tests.support.accounts import account as made_here
from tests.support.accounts import noted, stored
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, said
from utils.tasks import TaskRegistry

ANN = User("a_ann", "Ann")
TOMBSTONE = "x_1"


def signed_in(chat: Chat, user: User = ANN) -> Person:
    """Return a client of an account made here."""
    person = Person(chat, user.name)
    identify(chat.parts, person.session, Identity(user, guest=False, role="user"))
    person.session.provisional = False
    return person


async def in_lobby(chat: Chat) -> tuple[Person, Person]:
    """Return Bob, who owns the room "lobby", and Ann, who has an account made here, both in it."""
    bob, ann = account(chat, "bob"), signed_in(chat)
    await created(chat, bob)
    await ask(ann, "join", room="lobby")
    return bob, ann


@pytest.fixture
async def worker(chat: Chat, repository: FaultyRepository) -> AsyncIterator[RoomWorker]:
    writer = repository.writer()
    yield RoomWorker(chat, writer)
    await writer.close()


def order(repository: FaultyRepository, work: RoomWork) -> None:
    """Store work, as the transaction that decides it does."""
    tables: Any = repository.inner
    tables.contents.accounts.add_work(work)


def adoption(guest: Person | str, user: User = ANN) -> RoomWork:
    return RoomWork("adopt", user.id, (guest if isinstance(guest, str) else id_of(guest),), user.name)


def erasure(*ids: str, messages: bool = False) -> RoomWork:
    return RoomWork("erase", TOMBSTONE, ids, DELETED_USER, messages)


async def room_of(repository: FaultyRepository, name: str = "lobby") -> RoomRecord:
    record = await repository.inner.rooms.find_room(name)
    assert record is not None
    return record


async def row_of(repository: FaultyRepository, user_id: str, name: str = "lobby") -> Member | None:
    return await repository.inner.rooms.find_member((await room_of(repository, name)).room_id, user_id)


async def log_of(repository: FaultyRepository, name: str = "lobby") -> list[Message]:
    return await repository.inner.messages.history(await room_of(repository, name), limit=99, include_deleted=True)


async def done(worker: RoomWorker, repository: FaultyRepository) -> None:
    await worker.run_once()
    await passes(0.1)
    assert await repository.inner.accounts.room_work() == []


# --- a guest becomes an account --------------------------------------------------------------------------------------


async def test_the_account_gets_what_the_guest_had(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, guest = account(chat, "owner"), Person(chat, "gus")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    seq = await said(guest, "mine")
    await ask(guest, "read", room="lobby", seq=seq)
    assert await code_of(owner, "set_role", room="lobby", user=id_of(guest), role="moderator") == ""
    await said(owner, "theirs")
    order(repository, adoption(guest))
    await done(worker, repository)
    assert guest.connection.closed is SIGNED_OUT
    assert await row_of(repository, id_of(guest)) is None
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert (row.user, row.role, row.read_seq) == (ANN, "moderator", seq)
    assert [(m.sender_id, m.sender) for m in await log_of(repository)] == [
        (id_of(guest), "Ann"),
        (id_of(owner), "owner"),
    ]
    ann = signed_in(chat)
    await ask(ann, "join", room="lobby")
    assert ann.last("joined")["role"] == "moderator"
    await ask(ann, "history", room="lobby")
    assert [m["sender"] for m in ann.last("history")["messages"]] == ["Ann", "owner"]


async def test_the_higher_role_and_every_sanction_count(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, ann = account(chat, "owner"), signed_in(chat)
    guest = Person(chat, "gus")
    for room in ("one", "two", "three"):
        await created(chat, owner, room)
        await ask(ann, "join", room=room)
        await ask(guest, "join", room=room)
    await ask(owner, "set_role", room="one", user=ANN.id, role="moderator")
    await ask(owner, "mute", room="two", user=id_of(guest), seconds=60, reason="loud")
    await ask(owner, "ban", room="three", user=id_of(guest), reason="rude")
    order(repository, adoption(guest))
    await done(worker, repository)
    one, two, three = [await row_of(repository, ANN.id, room) for room in ("one", "two", "three")]
    assert one is not None
    assert two is not None
    assert three is not None
    assert (one.role, two.role, three.role) == ("moderator", "member", None)
    assert two.muted_until > chat.parts.clock.now_us()
    assert (two.reason, three.reason) == ("loud", "rude")
    assert three.banned_until > chat.parts.clock.now_us()
    assert sorted(ann.session.rooms) == ["one", "two"]
    assert ann.last("left")["reason"] == "banned"
    assert await code_of(ann, "message", room="two", content="x") == "muted"
    assert await code_of(ann, "join", room="three") == "banned"


async def test_a_ban_during_the_move_reaches_the_account(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, guest = account(chat, "owner"), Person(chat, "gus")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    guest_id = id_of(guest)
    order(repository, adoption(guest))
    tasks = TaskRegistry()
    repository.hold("find_member")  # of the account's row
    moving = tasks.spawn(worker.run_once(), name="move")
    await passes(0.1)
    assert not moving.done()
    assert await code_of(owner, "ban", room="lobby", user=guest_id) == ""
    repository.go("find_member")
    await moving
    await passes(0.1)
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert row.banned_until > chat.parts.clock.now_us()
    assert row.role is None
    assert await row_of(repository, guest_id) is None


async def test_a_join_of_the_account_during_the_move_is_not_lost(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, guest, ann = account(chat, "owner"), Person(chat, "gus"), signed_in(chat)
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    await ask(owner, "set_role", room="lobby", user=id_of(guest), role="moderator")
    order(repository, adoption(guest))
    repository.early.add("rows_of")
    repository.hold("rows_of")
    tasks = TaskRegistry()
    moving = tasks.spawn(worker.run_once(), name="move")
    await passes(0.1)
    await ask(ann, "join", room="lobby")
    repository.go("rows_of")
    await moving
    await passes(0.1)
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert row.role == "moderator"
    assert "lobby" in ann.session.rooms
    assert await code_of(ann, "update_room", room="lobby", title="Ours") == ""


async def test_a_row_that_is_not_stored_yet_is_moved_too(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, guest = account(chat, "owner"), Person(chat, "gus")
    await created(chat, owner)
    repository.hold("write")
    await ask(guest, "join", room="lobby")
    guest_id = id_of(guest)
    await ask(owner, "set_role", room="lobby", user=guest_id, role="moderator")
    guest.say("waiting", room="lobby")
    order(repository, adoption(guest_id))
    tasks = TaskRegistry()
    moving = tasks.spawn(worker.run_once(), name="move")
    await passes(0.1)
    repository.go("write")
    await moving
    await passes(0.1)
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert row.role == "moderator"
    assert await row_of(repository, guest_id) is None
    assert [m.sender for m in await log_of(repository)] == ["Ann"]


async def test_a_direct_room_of_the_guest_belongs_to_the_account(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    bob, guest = account(chat, "bob"), Person(chat, "gus")
    await ask(bob, "direct", user=id_of(guest))
    name = bob.last("joined")["room"]
    await ask(guest, "join", room=name)
    await said(guest, "between us", room=name)
    order(repository, adoption(guest))
    await done(worker, repository)
    assert sorted(chat.parts.hub.rooms[name].members) == [ANN.id, id_of(bob)]
    ann = signed_in(chat)
    assert await code_of(ann, "join", room=name) == ""
    await ask(ann, "history", room=name)
    assert [(m["sender"], m["content"]) for m in ann.last("history")["messages"]] == [("Ann", "between us")]
    await said(bob, "hello Ann", room=name)
    assert ann.heard()[-1] == "hello Ann"


async def test_a_block_of_a_guest_counts_for_the_account_in_their_direct_room(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """From the move on, and when the account is unblocked and blocked again: the room keeps the name of the guest's."""
    bob, guest = account(chat, "bob"), Person(chat, "gus")
    await ask(bob, "direct", user=id_of(guest))
    name = bob.last("joined")["room"]
    await ask(guest, "join", room=name)
    await block_user(chat.parts, bob.session.user, id_of(guest), "")
    await stored(repository.inner.accounts, replace(made_here("ann"), account_id=ANN.id))
    assert await repository.inner.accounts.adopt(id_of(guest), ANN.id, adoption(guest), 9, noted("guest_moved"))
    await done(worker, repository)
    ann = signed_in(chat)
    assert await code_of(ann, "join", room=name) == ""
    assert await code_of(ann, "message", room=name, content="x") == "forbidden"
    await unblock_user(chat.parts, bob.session.user, ANN.id, "")
    assert await code_of(ann, "message", room=name, content="x") == ""
    await block_user(chat.parts, bob.session.user, ANN.id, "")
    assert await code_of(ann, "message", room=name, content="x") == "forbidden"


async def test_an_empty_room_is_loaded_and_freed_again(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    owner, guest = account(chat, "owner"), Person(chat, "gus")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    await said(guest, room="lobby")
    for person in (owner, guest):
        person.disconnect()
    await passes(1)
    assert not chat.parts.hub.rooms
    order(repository, adoption(guest))
    await done(worker, repository)
    assert not chat.parts.hub.rooms
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert row.role == "member"
    assert [m.sender for m in await log_of(repository)] == ["Ann"]


# --- an account is erased --------------------------------------------------------------------------------------------


async def test_messages_stay_as_by_a_deleted_user(chat: Chat, worker: RoomWorker, repository: FaultyRepository) -> None:
    bob, ann = await in_lobby(chat)
    joined = bob.last("joined")
    seq = await said(ann, "hello", room="lobby")
    reply = await said(bob, "hi", room="lobby", reply_to=seq)
    order(repository, erasure(ANN.id))
    late = noted("kick", ANN, address="192.0.2.9")  # of a connection that was still open
    await repository.inner.audit.append([late])
    await done(worker, repository)
    [(_, entry)] = await repository.inner.audit.page(AuditFilter(action="kick"), before=FOREVER, limit=9)
    assert entry == replace(late, actor=User(TOMBSTONE, ""), address="")
    assert ann.connection.closed is SIGNED_OUT
    assert await row_of(repository, ANN.id) is None
    first, second = await log_of(repository)
    assert (first.sender, first.content, first.sender_id) == (DELETED_USER, "hello", ANN.id)
    assert second.sender == "bob"
    assert second.reply_to is not None
    assert second.reply_to.sender == DELETED_USER
    back = account(chat, "bob")
    await ask(back, "join", room="lobby", since=reply, epoch=joined["epoch"])
    assert [(m["seq"], m["sender"]) for m in back.of("message")] == [(seq, DELETED_USER)]
    assert ANN.name not in str([row for room in chat.parts.hub.rooms.values() for row in room.members.values()])


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
    assert all(m.deleted_at and m.reactions is None and m.sender == DELETED_USER for m in log[:3])
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
    record = await room_of(repository)
    await ask(bob, "delete_room", room="lobby")
    await passes(0.1)
    order(repository, erasure(ANN.id, messages=True))
    await done(worker, repository)
    (message,) = await repository.inner.messages.history(record, limit=9, include_deleted=True)
    assert (message.content, message.sender) == ("", DELETED_USER)


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
    monkeypatch.setattr("chat.room_work.ROOMS", 1)
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
    assert asked == [0, 1, 1, 2, 3]
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
    monkeypatch.setattr("chat.room_work.BATCH", 10)
    monkeypatch.setattr("chat.room_work.MESSAGES", 25)
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


async def test_sanctions_of_networks_follow_a_guest_to_the_account(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """They end when the account's ban is lifted; they do not concern the account itself."""
    owner, guest = account(chat, "owner"), Person(chat, "gus", network="192.0.2.0/24")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    await ask(owner, "ban", room="lobby", user=id_of(guest), seconds=600)
    order(repository, adoption(guest))
    await done(worker, repository)
    record = await room_of(repository)
    assert [one.guest_id for one in await repository.inner.rooms.sanctions(record.room_id)] == [ANN.id]
    other = Person(chat, "other", network="192.0.2.0/24")
    assert await code_of(other, "join", room="lobby") == "banned"
    await ask(owner, "unban", room="lobby", user=ANN.id)
    assert await code_of(other, "join", room="lobby") == ""
    await passes(0.1)
    assert await repository.inner.rooms.sanctions(record.room_id) == []


async def test_sanctions_of_networks_end_in_time_whatever_became_of_the_guest(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """Here the account has left no row in the room. What has ended is removed from storage, too."""
    owner, guest = account(chat, "owner"), Person(chat, "gus", network="192.0.2.0/24")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    await ask(owner, "mute", room="lobby", user=id_of(guest), seconds=600)
    room = chat.parts.hub.rooms["lobby"]
    store(chat.parts, room, RemoveMember(room.record.room_id, id_of(guest)))
    del room.members[id_of(guest)]
    order(repository, erasure(id_of(guest)))
    await done(worker, repository)
    other = Person(chat, "other", network="192.0.2.0/24")
    await ask(other, "join", room="lobby")
    assert await code_of(other, "message", room="lobby", content="x") == "muted"
    await passes(600)
    assert await code_of(other, "message", room="lobby", content="x") == ""
    writer = repository.writer()
    await expire_once(chat.parts, writer)
    await writer.close()
    assert await repository.inner.rooms.sanctions(room.record.room_id) == []


# --- aliases ---------------------------------------------------------------------------------------------------------


async def test_an_account_edits_and_deletes_the_messages_of_its_guests(chat: Chat) -> None:
    owner, guest = account(chat, "owner"), Person(chat, "gus")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    first, second = [await said(guest, room="lobby") for _ in range(2)]
    ann = Person(chat, "ann")
    identity = Identity(ANN, guest=False, role="user", aliases=(id_of(guest),))
    identify(chat.parts, ann.session, identity)
    await ask(ann, "join", room="lobby")
    assert await code_of(ann, "edit", room="lobby", seq=first, content="changed") == ""
    assert await code_of(ann, "delete", room="lobby", seq=second) == ""
    other = signed_in(chat, User("a_bob", "Bob"))
    await ask(other, "join", room="lobby")
    assert await code_of(other, "edit", room="lobby", seq=first, content="x") == "not_author"
