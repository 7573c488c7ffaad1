"""The new name of an account reaches its rows in all rooms, and its direct rooms."""

from chat.chat import Chat
from chat.work.worker import RoomWorker
from model.account import rename_work
from model.room import User
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, id_of, said
from tests.unit.chat.room_working import ANN, done, in_lobby, log_of, order, row_of, signed_in

ANNA = User(ANN.id, "Anna")


async def test_rows_get_the_new_name_whether_the_user_is_in_the_room_or_not(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    bob, ann = await in_lobby(chat)
    await said(ann, "hello", room="lobby")
    await created(chat, bob, "other")
    await ask(ann, "join", room="other")
    await ask(ann, "direct", user=id_of(bob))
    ann.disconnect()
    await passes(60)
    back = signed_in(chat)
    await ask(back, "join", room="lobby")
    order(repository, rename_work(ANN.id, ANNA.name))
    await done(worker, repository)
    for room in ("lobby", "other"):
        row = await row_of(repository, ANN.id, room)
        assert row is not None
        assert (row.user, row.role) == (ANNA, "member")
    await ask(bob, "rooms", mine=True)
    (direct,) = [one for one in bob.last("rooms")["rooms"] if one["kind"] == "direct"]
    assert direct["peer"] == {"id": ANN.id, "name": "Anna"}
    assert [message.sender for message in await log_of(repository)] == ["Ann"]


async def test_a_session_that_leaves_later_does_not_bring_the_former_name_back(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    """It is closed within a second, but the rooms may know the new name before."""
    bob, ann = await in_lobby(chat)
    order(repository, rename_work(ANN.id, ANNA.name))
    await done(worker, repository)
    ann.disconnect()
    await passes(60)
    row = await row_of(repository, ANN.id)
    assert row is not None
    assert row.user == ANNA
    await ask(bob, "members", room="lobby")
    assert {"Anna", "bob"} == {member["name"] for member in bob.last("members")["members"]}


async def test_of_a_user_without_a_row_nothing_is_stored(
    chat: Chat, worker: RoomWorker, repository: FaultyRepository
) -> None:
    await created(chat, account(chat, "bob"))
    order(repository, rename_work(ANN.id, ANNA.name))
    await done(worker, repository)
    assert await row_of(repository, ANN.id) is None
