"""The users port, over every backend."""

import pytest
from msgspec.structs import replace

from model.account import AddedUser
from model.room import User
from storage.factory import open_storage
from storage.memory.accounts import users
from storage.ports.errors import StorageUnavailable
from storage.ports.rooms import InsertRoom, SetMember
from storage.ports.storage import Storage, Writer
from tests.contract.records import member, room
from tests.support.accounts import NOW, noted, someone
from utils.ids import new_token


def nobody() -> User:
    """Return a user whom no other test has."""
    return User(new_token("u_", 12), "Bob")


async def test_a_user_is_added_renamed_and_removed(repository: Storage) -> None:
    bob, at = nobody(), NOW + 5
    assert await repository.users.find(bob.id) is None
    assert await repository.users.put(bob, noted("user")) is True
    assert await repository.users.put(bob, noted("user", at=at)) is False
    assert await repository.users.find(bob.id) == AddedUser(bob.id, "Bob", NOW, NOW)
    assert await repository.users.put(replace(bob, name="Robert"), noted("user", at=at)) is False
    assert await repository.users.find(bob.id) == AddedUser(bob.id, "Robert", NOW, at)
    assert await repository.users.find(nobody().id) is None
    assert await repository.users.remove(bob.id, noted("user"))
    assert not await repository.users.remove(bob.id, noted("user"))
    assert await repository.users.find(bob.id) is None


async def test_rooms_with_another_name_are_work(repository: Storage, writer: Writer) -> None:
    """Once: of two names that a user got, the later one counts."""
    bob, where = nobody(), room()
    await writer.write([InsertRoom(where), SetMember(where.room_id, member(bob.id, name="Bob"))])
    await repository.users.put(bob, noted("user"))
    assert [one for one in await repository.accounts.room_work() if one.account_id == bob.id] == []
    for name in ("Rob", "Robert"):
        await repository.users.put(replace(bob, name=name), noted("user"))
    (work,) = [one for one in await repository.accounts.room_work() if one.account_id == bob.id]
    assert (work.kind, work.ids, work.name) == ("rename", (bob.id,), "Robert")
    await repository.accounts.advance(work.number, None)


async def test_an_admin_whose_account_was_deleted_changes_nothing(repository: Storage) -> None:
    bob = nobody()
    gone = User("a_" + bob.id, "ann")
    assert await repository.users.put(bob, noted("user", gone)) is None
    assert await repository.users.find(bob.id) is None
    await repository.users.put(bob, noted("user"))
    assert not await repository.users.remove(bob.id, noted("user", gone))


async def test_memory_keeps_a_bounded_number_of_added_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "ADDED_USERS", 1)
    memory = open_storage(None)
    await memory.start()
    bob = someone()
    await memory.users.put(bob, noted("user"))
    await memory.users.put(bob, noted("user"))
    with pytest.raises(StorageUnavailable):
        await memory.users.put(nobody(), noted("user"))
    await memory.close()
