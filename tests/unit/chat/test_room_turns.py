"""Several pieces of work in rooms take turns, and one that fails, or is superseded, holds up no other."""

import pytest

from chat.chat import Chat
from chat.work.worker import RoomWorker
from model.account import DELETED_USER
from model.room import User
from storage.ports.access import more_room_work
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, id_of, said
from tests.unit.chat.room_working import (
    ANN,
    adoption,
    done,
    erasure,
    in_lobby,
    log_of,
    no_notices,
    order,
    row_of,
    signed_in,
)
from utils.tasks import TaskRegistry


async def test_a_guest_is_moved_while_accounts_are_erased(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """An erasure that waits, or has many messages before it, does not delay the user of a guest."""
    _, ann = await in_lobby(chat)
    guest = Person(chat, "gus")
    await ask(guest, "join", room="lobby")
    await said(guest, "hello", room="lobby")
    await said(ann, "hello", room="lobby")
    for number in range(6):
        order(repository, erasure(f"a_{number}"))
    tasks = TaskRegistry()
    tasks.spawn(worker.run(), name="room work")
    await passes(1)
    order(repository, adoption(guest))
    await worker.hear([more_room_work(0)])
    await passes(0.5)
    assert {work.kind for work in await repository.inner.accounts.room_work()} == {"erase"}
    assert [m.sender for m in await log_of(repository)] == ["Ann", "Ann"]
    await passes(11)  # all of them wait at the same time
    assert await repository.inner.accounts.room_work() == []
    assert await tasks.close(1) == []


async def test_an_erasure_takes_the_place_of_a_move_that_has_begun(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    bob, ann = await in_lobby(chat)
    guest = Person(chat, "gus")
    await ask(guest, "join", room="lobby")
    for number in range(3):
        await said(guest, f"hello {number}", room="lobby")
    guest_id = id_of(guest)
    await ask(bob, "set_role", room="lobby", user=guest_id, role="moderator")
    order(repository, adoption(guest_id))
    tasks = TaskRegistry()
    repository.hold("rooms_of_senders")
    tasks.spawn(worker.run(), name="room work")
    await passes(1)
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert row.role == "moderator"
    [move] = await repository.inner.accounts.room_work()
    await repository.inner.accounts.advance(move.number, None)  # as the deletion of the account does
    order(repository, erasure(ANN.id, guest_id))
    await worker.hear([more_room_work(0)])
    repository.go("rooms_of_senders")
    await passes(20)
    assert await repository.inner.accounts.room_work() == []
    assert [m.sender for m in await log_of(repository)] == [DELETED_USER] * 3
    assert await row_of(repository, ANN.id) is None
    ann.disconnect()
    assert await tasks.close(1) == []


async def test_accounts_take_turns(chat: Chat, worker: RoomWorker, repository: FaultyRepository) -> None:
    """One with many rooms does not delay another one."""
    owner, busy, other = account(chat, "owner"), Person(chat, "busy"), Person(chat, "other")
    for number in range(20):
        await created(chat, owner, f"room {number}")
        await ask(busy, "join", room=f"room {number}")
    await ask(other, "join", room="room 0")
    order(repository, adoption(busy))
    order(repository, adoption(other, User("a_bob", "Bob")))

    async def rows() -> int:
        return sum([bool(await row_of(repository, ANN.id, f"room {number}")) for number in range(20)])

    tasks = TaskRegistry()
    tasks.spawn(worker.run_once(), name="move")
    while await row_of(repository, "a_bob", "room 0") is None:
        await passes(0.0)
    assert await rows() <= 3
    await passes(5)
    assert await rows() == 20
    assert await tasks.close(1) == []


async def test_a_piece_that_fails_holds_up_no_other_and_is_tried_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Here a room cannot be loaded, as the server has as many as it may."""
    repository = FaultyRepository()
    async with chatting(repository, server_rooms=1) as chat:
        writer = repository.writer()
        worker = RoomWorker(chat, writer, no_notices)
        owner, guest, ann = account(chat, "owner"), Person(chat, "gus"), signed_in(chat)
        await created(chat, owner, "quiet")
        await ask(guest, "join", room="quiet")
        await ask(owner, "set_role", room="quiet", user=id_of(guest), role="moderator")
        owner.disconnect()
        guest.disconnect()
        await passes(1)
        bob = account(chat, "bob")
        await created(chat, bob)
        await ask(ann, "join", room="lobby")
        await said(ann, "hello", room="lobby")
        order(repository, adoption(guest))
        order(repository, erasure(ANN.id))
        tasks = TaskRegistry()
        tasks.spawn(worker.run(), name="room work")
        await passes(30)
        assert [work.kind for work in await repository.inner.accounts.room_work()] == ["adopt"]
        assert [m.sender for m in await log_of(repository)] == [DELETED_USER]
        await passes(3600)
        failures = [record for record in caplog.records if "too many rooms" in record.getMessage()]
        assert 10 < len(failures) < 20
        bob.disconnect()
        ann.disconnect()
        await passes(700)
        assert await repository.inner.accounts.room_work() == []
        row = await row_of(repository, ANN.id, "quiet")
        assert row is not None
        assert row.role == "moderator"
        assert await tasks.close(1) == []
        await writer.close()


async def test_only_rooms_with_something_to_do_are_loaded(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    bob = account(chat, "bob")
    for number in range(20):
        await created(chat, bob, f"room {number}")
        await said(bob, "hello", room=f"room {number}")
    bob.disconnect()
    await passes(1)
    repository.calls.clear()
    order(repository, adoption("g_1"))
    await done(worker, repository)
    assert not repository.calls["head"] + repository.calls["by_senders"]
    assert repository.calls["rooms_of_senders"] == 1
