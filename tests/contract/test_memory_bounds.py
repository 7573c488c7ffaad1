"""What memory forgets, and in which order."""

import pytest
from msgspec.structs import replace

from model.message import Quote
from storage import NO_ROOM, STORED, InsertRoom, Refused, UpdateRoom
from storage.memory import MemoryRepository
from tests.contract.records import at, edit, inserts, inserts_more, member, message, room, sets


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


async def test_rooms_that_come_and_go_are_forgotten_before_those_that_somebody_made() -> None:
    """Else whoever enters many rooms could make a server forget who may enter a private one."""
    repository = MemoryRepository(memory_rooms=10)
    writer = repository.writer()
    private = [room(kind="private") for _ in range(3)]
    await writer.write([InsertRoom(each) for each in private])
    await writer.write([UpdateRoom(replace(private[1], deleted_at=at(1))), *sets(private[0], member())])
    claimed = room()
    await writer.write([InsertRoom(claimed), UpdateRoom(replace(claimed, kind="public"))])
    passing = [room() for _ in range(50)]
    for each in passing:
        await writer.write([InsertRoom(each)])
    for each in (private[0], private[2]):
        assert await repository.find_room(each.name) == each
    assert await repository.find_room(claimed.name) is not None
    assert await repository.find_member(private[0].room_id, "u_ann") == member()
    assert await writer.write([UpdateRoom(private[1])]) == [NO_ROOM]  # the deleted one is gone
    assert [each for each in passing if await repository.find_room(each.name)] == passing[-7:]


async def test_memory_is_full_when_rooms_that_somebody_made_leave_a_tenth_to_the_others() -> None:
    repository = MemoryRepository(memory_rooms=10)
    writer = repository.writer()
    made = [room(kind="public") for _ in range(9)]
    for each in made:
        assert not repository.is_full()
        await writer.write([InsertRoom(each)])
        await writer.write([InsertRoom(room()) for _ in range(5)])
    assert repository.is_full()
    assert [each for each in made if await repository.find_room(each.name)] == made
    await writer.write([UpdateRoom(replace(made[0], deleted_at=at(1)))])
    assert not repository.is_full()


async def test_a_room_that_was_forgotten_can_come_back() -> None:
    repository = MemoryRepository(memory_rooms=1)
    writer = repository.writer()
    first, second = room(), room()
    await writer.write(inserts(first, message(first, 1)))
    await writer.write(inserts(second))
    assert await writer.write(inserts_more(first, message(first, 2))) == [NO_ROOM]
    assert await writer.write(inserts(first, message(first, 2))) == [STORED] * 2
    assert await repository.find_room(first.name) == first
    assert [each.seq for each in await repository.history(first, limit=9)] == [2]
    assert await repository.find_room(second.name) is None


async def test_not_when_its_name_was_given_away() -> None:
    repository = MemoryRepository(memory_rooms=1)
    writer = repository.writer()
    first = room()
    await writer.write(inserts(first))
    await writer.write(inserts(room()))
    await writer.write(inserts(room(first.name)))
    refused, lost = await writer.write(inserts(first, message(first, 1)))
    assert isinstance(refused, Refused)
    assert lost == NO_ROOM


async def test_a_batch_larger_than_everything() -> None:
    repository = MemoryRepository(memory_messages=10, memory_rooms=2)
    rooms = [room() for _ in range(5)]
    batch = [write for each in rooms for write in inserts(each, *(message(each, n) for n in range(1, 101)))]
    assert await repository.writer().write(batch) == [STORED] * len(batch)
    sizes = [len(await repository.history(each, limit=500)) for each in rooms]
    assert sizes == [0, 0, 0, 10, 10]


async def test_evicted_messages_leave_nothing_behind() -> None:
    """Neither whom they mention, nor what they are quoted by, nor that they were changed."""
    repository = MemoryRepository(memory_messages=2)
    writer = repository.writer()
    where = room()
    old = message(where, 1, "old", mentions=("ann", "bob"))
    await writer.write(inserts(where, old, message(where, 2, reply_to=Quote(1))))
    await writer.write([edit(where, old, 3, "edited", mentions=("ann", "cy"))])
    await writer.write(inserts_more(where, message(where, 4, mentions=("ann",))))
    log = repository._rooms.get(where.room_id)
    assert log is not None
    assert log.mentioned == {"ann": [4]}
    assert (log.changed_seqs, log.first_bodies, log.newest_change) == (set(), {}, 0)
    found = await repository.find_message(where, 2)
    assert found is not None
    assert found.reply_to == Quote(1)


async def test_a_forgotten_room_has_no_members() -> None:
    repository = MemoryRepository(memory_rooms=1)
    writer = repository.writer()
    first = room()
    await writer.write([InsertRoom(first), *sets(first, member())])
    await writer.write([InsertRoom(room())])
    assert await repository.rooms_of("u_ann", limit=9) == []
    assert await repository.find_user("u_ann") is None
    assert await writer.write(sets(first, member())) == [NO_ROOM]
    await writer.write(inserts(first, message(first, 1)))
    assert await repository.members(first.room_id, after="", limit=9) == []
    assert (repository._people._rooms, repository._people._rosters) == ({}, {})


async def test_members_whom_a_room_can_spare_go_first() -> None:
    """Plain ones, and of those whoever was not there for longest."""
    repository = MemoryRepository(memory_members=4)
    writer = repository.writer()
    where = room()
    people = [
        member("owner", "owner"),
        member("banned", None, banned_until=1),
        member("muted", muted_until=1),
        member("readonly", "readonly"),
        member("left long ago", seen_at=5),
        member("follows", None, read_seq=7),
        member("came just now", joined_at=9),
    ]

    async def left() -> set[str]:
        found = [await repository.find_member(where.room_id, each.user.id) for each in people]
        return {each.user.id for each in found if each is not None}

    await writer.write([InsertRoom(where), *sets(where, *people[4:], people[0])])
    for added, gone in ((1, "left long ago"), (2, "follows"), (3, "came just now")):
        before = await left()
        await writer.write(sets(where, people[added]))
        assert await left() == before - {gone} | {people[added].user.id}
        assert await repository.find_user(gone) is None
    # Of those it would miss, the owner last.
    await writer.write(sets(where, member("u1", "moderator")))
    assert len(await left() & {"banned", "muted", "readonly"}) == 2
    assert await repository.find_member(where.room_id, "owner") == people[0]


async def test_members_beyond_the_bound_go_in_small_heaps() -> None:
    """So that each of many who come costs little."""
    repository = MemoryRepository(memory_members=1000)
    writer = repository.writer()
    where = room()
    await writer.write([InsertRoom(where), *sets(where, *(member(f"u{n:04}", seen_at=n) for n in range(1001)))])
    found = await repository.members(where.room_id, after="", limit=9999)
    assert [each.user.id for each in found] == [f"u{n:04}" for n in range(11, 1001)]
    assert await repository.count_members([where.room_id]) == {where.room_id: 990}


def test_bounds_of_nothing_are_refused() -> None:
    for wrong in ({"memory_messages": 0}, {"memory_rooms": 0}, {"memory_members": 0}):
        with pytest.raises(ValueError):
            MemoryRepository(**wrong)
