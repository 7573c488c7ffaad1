"""A guest is moved to an account, while users talk and storage is slow."""

from msgspec.structs import replace

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.maintenance import expire_once
from chat.ports import Identity
from chat.rooms.storing import store
from chat.safety import block_user, unblock_user
from chat.work.worker import RoomWorker
from model.errors import SIGNED_OUT
from model.room import User
from storage.ports.rooms import RemoveMember
from tests.support.accounts import account as made_here
from tests.support.accounts import noted, stored
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, said
from tests.unit.chat.room_working import ANN, adoption, done, log_of, order, room_of, row_of, signed_in
from utils.tasks import TaskRegistry


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
    told = [(m["sender"], m.get("alias_of")) for m in ann.last("history")["messages"]]
    assert told == [("Ann", ANN.id), ("owner", None)]
    assert owner.of("adopted") == [
        {"type": "adopted", "room": "lobby", "guest": id_of(guest), "account": {"id": ANN.id, "name": "Ann"}}
    ]


async def test_an_account_of_the_name_of_its_guest_gets_the_messages_too(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """Deleted ones as well; and those who come back after a while learn it, too."""
    owner, guest = account(chat, "owner"), Person(chat, ANN.name)
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    first, second = [await said(guest, room="lobby") for _ in range(2)]
    assert await code_of(guest, "delete", room="lobby", seq=first) == ""
    await ask(owner, "join", room="lobby")
    joined = owner.last("joined")
    order(repository, adoption(guest))
    await done(worker, repository)
    assert [(m.seq, m.alias_of) for m in await log_of(repository)] == [(first, ANN.id), (second, ANN.id)]
    await ask(owner, "join", room="lobby", since=joined["head"], epoch=joined["epoch"])
    await passes()
    assert {m["seq"]: m.get("alias_of") for m in owner.of("message")}[second] == ANN.id


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


async def test_an_owner_is_not_removed_by_a_ban_of_their_guest(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    ann, guest = signed_in(chat), Person(chat, "gus")
    moderator = account(chat, "bob")
    await created(chat, ann)
    await ask(guest, "join", room="lobby")
    await ask(moderator, "join", room="lobby")
    await ask(ann, "set_role", room="lobby", user=id_of(moderator), role="moderator")
    assert await code_of(moderator, "mute", room="lobby", user=id_of(guest)) == ""
    assert await code_of(moderator, "ban", room="lobby", user=id_of(guest)) == ""
    order(repository, adoption(guest))
    await done(worker, repository)
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert (row.role, row.banned_until, row.muted_until) == ("owner", 0, 0)
    await said(ann, "still here")


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


async def test_a_ban_or_mute_of_the_guest_counts_for_the_account_before_the_move(chat: Chat) -> None:
    """As the move may take a while: its new tokens say which guests the account was."""
    owner, guest = account(chat, "owner"), Person(chat, "gus")
    for name in ("one", "two"):
        await created(chat, owner, name)
        await ask(guest, "join", room=name)
    await ask(owner, "mute", room="one", user=id_of(guest), seconds=60)
    await ask(owner, "ban", room="two", user=id_of(guest))
    ann = Person(chat, "ann")
    identify(chat.parts, ann.session, Identity(ANN, guest=False, role="user", aliases=(id_of(guest),)))
    ann.session.provisional = False
    assert await code_of(ann, "join", room="one") == ""
    assert await code_of(ann, "message", room="one", content="x") == "muted"
    assert await code_of(ann, "join", room="two") == "banned"
    other = signed_in(chat, User("a_bob", "Bob"))
    assert await code_of(other, "join", room="two") == ""
    await ask(owner, "unban", room="two", user=id_of(guest))
    assert await code_of(ann, "join", room="two") == ""


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
    await block_user(chat.parts, bob.session.actor, id_of(guest), "")
    await stored(repository.inner.accounts, replace(made_here("ann"), account_id=ANN.id))
    assert await repository.inner.accounts.adopt(id_of(guest), ANN.id, adoption(guest), 9, noted("guest_moved"))
    await done(worker, repository)
    ann = signed_in(chat)
    assert await code_of(ann, "join", room=name) == ""
    assert await code_of(ann, "message", room=name, content="x") == "forbidden"
    await unblock_user(chat.parts, bob.session.actor, ANN.id, "")
    assert await code_of(ann, "message", room=name, content="x") == ""
    await block_user(chat.parts, bob.session.actor, ANN.id, "")
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
    """Here the guest has left no row in the room. What has ended is removed from storage, too."""
    owner, guest = account(chat, "owner"), Person(chat, "gus", network="192.0.2.0/24")
    await created(chat, owner)
    await ask(guest, "join", room="lobby")
    await ask(owner, "mute", room="lobby", user=id_of(guest), seconds=600)
    room = chat.parts.hub.rooms["lobby"]
    store(chat.parts, room, RemoveMember(room.record.room_id, id_of(guest)))
    del room.members[id_of(guest)]
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
