"""What memory forgets, and in which order."""

import pytest

from storage import STORED, Refused
from storage.memory import MemoryRepository
from tests.contract.records import inserts, inserts_more, message, room


async def test_the_oldest_messages_go_first_and_their_ids_with_them() -> None:
    repository = MemoryRepository(memory_messages=3)
    writer = repository.writer()
    where = room()
    await writer.write(inserts(where, *(message(where, n, id=f"id {n}") for n in range(1, 6))))
    assert [each.seq for each in await repository.history(where, limit=9)] == [3, 4, 5]
    assert [each.seq for each in await repository.changed(where, after=0, until=9, limit=9)] == [3, 4, 5]
    assert await repository.find_posted(where.room_id, "u_ann", "id 2") is None
    assert await repository.find_posted(where.room_id, "u_ann", "id 3") is not None
    assert await writer.write(inserts_more(where, message(where, 6, id="id 1"))) == [STORED]
    assert [each.seq for each in await repository.history(where, limit=9)] == [4, 5, 6]
    assert await repository.head(where.room_id) == 6


async def test_the_room_not_used_for_longest_is_forgotten_whole() -> None:
    repository = MemoryRepository(memory_rooms=2)
    writer = repository.writer()
    old, used, new = room(), room(), room()
    await writer.write(inserts(used, message(used, 1)))
    await writer.write(inserts(old, message(old, 1)))
    await repository.history(used, limit=1)  # reading is using
    await writer.write(inserts(new))
    assert await repository.find_room(old.name) is None
    assert await repository.history(old, limit=1) == []
    assert await repository.find_room(used.name) == used
    assert await repository.find_room(new.name) == new


async def test_a_message_brings_a_forgotten_room_back() -> None:
    repository = MemoryRepository(memory_rooms=1)
    writer = repository.writer()
    first, second = room(), room()
    await writer.write(inserts(first, message(first, 1)))
    await writer.write(inserts(second))
    assert await writer.write(inserts_more(first, message(first, 2))) == [STORED]
    found = await repository.find_room(first.name)
    assert found is not None
    assert found.room_id == first.room_id
    assert [each.seq for each in await repository.history(first, limit=9)] == [2]
    assert await repository.find_room(second.name) is None


async def test_not_when_its_name_was_given_away() -> None:
    repository = MemoryRepository(memory_rooms=1)
    writer = repository.writer()
    first = room()
    await writer.write(inserts(first))
    await writer.write(inserts(room()))
    await writer.write(inserts(room(first.name)))
    (outcome,) = await writer.write(inserts_more(first, message(first, 1)))
    assert isinstance(outcome, Refused)


async def test_a_batch_larger_than_everything() -> None:
    repository = MemoryRepository(memory_messages=10, memory_rooms=2)
    rooms = [room() for _ in range(5)]
    batch = [write for each in rooms for write in inserts(each, *(message(each, n) for n in range(1, 101)))]
    assert await repository.writer().write(batch) == [STORED] * len(batch)
    sizes = [len(await repository.history(each, limit=500)) for each in rooms]
    assert sizes == [0, 0, 0, 10, 10]


def test_bounds_of_nothing_are_refused() -> None:
    for wrong in ({"memory_messages": 0}, {"memory_rooms": 0}):
        with pytest.raises(ValueError):
            MemoryRepository(**wrong)
