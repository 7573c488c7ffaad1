"""What memory storage evicts, and in which order."""

import random

import pytest
from msgspec.structs import replace

from model.message import Quote
from storage.memory.storage import MemoryStorage
from storage.memory.weights import weigh_member, weigh_message, weigh_room
from storage.ports.errors import Forgotten
from storage.ports.messages import ChangeMessage, ExpireMessages
from storage.ports.rooms import InsertRoom, RemoveMember, UpdateRoom
from storage.ports.storage import NO_ROOM, STORED, Refused
from tests.contract.records import EPOCH_US, at, delete, edit, inserts, inserts_more, member, message, room, sets


async def test_the_oldest_messages_are_evicted_first_with_their_ids() -> None:
    repository = MemoryStorage(memory_messages=3)
    writer = repository.writer()
    where = room()
    await writer.write(inserts(where, *(message(where, n, id=f"id {n}") for n in range(1, 6))))
    assert [each.seq for each in await repository.messages.history(where, limit=9)] == [3, 4, 5]
    assert [each.seq for each in await repository.messages.changed(where, after=2, until=9, limit=9)] == [3, 4, 5]
    assert await repository.messages.find_posted(where.room_id, "u_ann", "id 2") is None
    assert await repository.messages.find_posted(where.room_id, "u_ann", "id 3") is not None
    assert await writer.write(inserts_more(where, message(where, 6, id="id 1"))) == [STORED]
    assert [each.seq for each in await repository.messages.history(where, limit=9)] == [4, 5, 6]
    assert await repository.messages.head(where.room_id) == 6


async def test_the_least_recently_used_room_is_evicted_completely() -> None:
    repository = MemoryStorage(memory_rooms=2)
    writer = repository.writer()
    old, used, new = room(), room(), room()
    await writer.write(inserts(used, message(used, 1)))
    await writer.write(inserts(old, message(old, 1)))
    await repository.messages.history(used, limit=1)  # reading counts as use
    await writer.write(inserts(new))
    assert await repository.rooms.find_room(old.name) is None
    assert await repository.messages.history(old, limit=1) == []
    assert await repository.rooms.find_room(used.name) == used
    assert await repository.rooms.find_room(new.name) == new


async def test_ephemeral_rooms_are_evicted_before_created_ones() -> None:
    """Otherwise a client that joins many rooms could make a server forget the members of a private one."""
    repository = MemoryStorage(memory_rooms=10)
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
        assert await repository.rooms.find_room(each.name) == each
    assert await repository.rooms.find_room(claimed.name) is not None
    assert await repository.rooms.find_member(private[0].room_id, "u_ann") == member()
    assert await writer.write([UpdateRoom(private[1])]) == [NO_ROOM]  # the deleted one is gone
    assert [each for each in passing if await repository.rooms.find_room(each.name)] == passing[-7:]


async def test_memory_is_full_when_created_rooms_leave_a_tenth_to_the_others() -> None:
    repository = MemoryStorage(memory_rooms=10)
    writer = repository.writer()
    made = [room(kind="public") for _ in range(9)]
    for each in made:
        assert not repository.is_full()
        await writer.write([InsertRoom(each)])
        await writer.write([InsertRoom(room()) for _ in range(5)])
    assert repository.is_full()
    assert [each for each in made if await repository.rooms.find_room(each.name)] == made
    await writer.write([UpdateRoom(replace(made[0], deleted_at=at(1)))])
    assert not repository.is_full()


async def test_an_evicted_room_can_be_inserted_again() -> None:
    repository = MemoryStorage(memory_rooms=1)
    writer = repository.writer()
    first, second = room(), room()
    await writer.write(inserts(first, message(first, 1)))
    await writer.write(inserts(second))
    assert await writer.write(inserts_more(first, message(first, 2))) == [NO_ROOM]
    assert await writer.write(inserts(first, message(first, 2))) == [STORED] * 2
    assert await repository.rooms.find_room(first.name) == first
    assert [each.seq for each in await repository.messages.history(first, limit=9)] == [2]
    assert await repository.rooms.find_room(second.name) is None


async def test_an_evicted_room_cannot_return_if_its_name_was_taken() -> None:
    repository = MemoryStorage(memory_rooms=1)
    writer = repository.writer()
    first = room()
    await writer.write(inserts(first))
    await writer.write(inserts(room()))
    await writer.write(inserts(room(first.name)))
    refused, lost = await writer.write(inserts(first, message(first, 1)))
    assert isinstance(refused, Refused)
    assert lost == NO_ROOM


async def test_a_batch_larger_than_memory_keeps_its_newest_messages() -> None:
    repository = MemoryStorage(memory_messages=10, memory_rooms=2)
    rooms = [room() for _ in range(5)]
    batch = [write for each in rooms for write in inserts(each, *(message(each, n) for n in range(1, 101)))]
    assert await repository.writer().write(batch) == [STORED] * len(batch)
    sizes = [len(await repository.messages.history(each, limit=500)) for each in rooms]
    assert sizes == [0, 0, 0, 10, 10]


async def test_evicted_messages_leave_nothing_behind() -> None:
    """Neither their mentions, quotes nor changes."""
    repository = MemoryStorage(memory_messages=2)
    writer = repository.writer()
    where = room()
    old = message(where, 1, "old", mentions=("ann", "bob"))
    await writer.write(inserts(where, old, message(where, 2, reply_to=Quote(1))))
    await writer.write([edit(where, old, 3, "edited", mentions=("ann", "cy"))])
    await writer.write(inserts_more(where, message(where, 4, mentions=("ann",))))
    log = repository.contents.logs.get(where.room_id)
    assert log is not None
    assert log.mentioned == {"ann": [4]}
    assert (log.changed_seqs, log.first_bodies, log.newest_change) == (set(), {}, 0)
    found = await repository.messages.find_message(where, 2)
    assert found is not None
    assert found.reply_to == Quote(1)


async def test_an_evicted_room_has_no_members() -> None:
    repository = MemoryStorage(memory_rooms=1)
    writer = repository.writer()
    first = room()
    await writer.write([InsertRoom(first), *sets(first, member())])
    await writer.write([InsertRoom(room())])
    assert await repository.rooms.rooms_of("u_ann", limit=9) == []
    assert await repository.rooms.find_user("u_ann") is None
    assert await writer.write(sets(first, member())) == [NO_ROOM]
    await writer.write(inserts(first, message(first, 1)))
    assert await repository.rooms.members(first.room_id, after="", limit=9) == []
    members = repository.contents.members
    assert (members._rooms, members._rosters) == ({}, {})


async def test_plain_and_longest_absent_members_are_evicted_first() -> None:
    """Plain members, and among those the longest absent."""
    repository = MemoryStorage(memory_members=4)
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
        found = [await repository.rooms.find_member(where.room_id, each.user.id) for each in people]
        return {each.user.id for each in found if each is not None}

    await writer.write([InsertRoom(where), *sets(where, *people[4:], people[0])])
    for added, gone in ((1, "left long ago"), (2, "follows"), (3, "came just now")):
        before = await left()
        await writer.write(sets(where, people[added]))
        assert await left() == before - {gone} | {people[added].user.id}
        assert await repository.rooms.find_user(gone) is None
    # Of the others, the owner last.
    await writer.write(sets(where, member("u1", "moderator")))
    assert len(await left() & {"banned", "muted", "readonly"}) == 2
    assert await repository.rooms.find_member(where.room_id, "owner") == people[0]


async def test_members_beyond_the_bound_are_evicted_in_small_batches() -> None:
    """So the cost of each of many joins is small."""
    repository = MemoryStorage(memory_members=1000)
    writer = repository.writer()
    where = room()
    await writer.write([InsertRoom(where), *sets(where, *(member(f"u{n:04}", seen_at=n) for n in range(1001)))])
    found = await repository.rooms.members(where.room_id, after="", limit=9999)
    assert [each.user.id for each in found] == [f"u{n:04}" for n in range(11, 1001)]
    assert await repository.rooms.count_members([where.room_id]) == {where.room_id: 990}


def test_bounds_of_zero_are_refused() -> None:
    for wrong in ({"memory_messages": 0}, {"memory_rooms": 0}, {"memory_bytes": 0}, {"memory_members": 0}):
        with pytest.raises(ValueError):
            MemoryStorage(**wrong)


# --- bytes -----------------------------------------------------------------------------------------------------------

MB = 1 << 20


def weight(repository: MemoryStorage) -> int:
    """Recount the size of all contents."""
    logs = sum(
        weigh_room(log.record) + sum(weigh_message(state) for state in log.states.values())
        for log in repository.contents.logs
    )
    return logs + sum(
        weigh_member(row) for each in repository.contents.members._rosters.values() for row in each.rows.values()
    )


async def test_the_largest_rooms_lose_their_oldest_messages_first() -> None:
    """However much is posted in some rooms, the others keep their messages."""
    repository = MemoryStorage(memory_bytes=MB)
    writer = repository.writer()
    quiet, loud, louder = room(), room(), room()
    await writer.write(inserts(quiet, *(message(quiet, n, "x" * 1000) for n in range(1, 51))))
    await writer.write(inserts(loud, *(message(loud, n, "x" * 1000) for n in range(1, 201))))
    await writer.write([InsertRoom(louder)])
    for n in range(1, 1001):
        await writer.write(inserts_more(louder, message(louder, n, "\U0001f4a3" * 1000)))
        assert weight(repository) <= MB
    assert [each.seq for each in await repository.messages.history(quiet, limit=500)] == [*range(1, 51)]
    kept = [each.seq for each in await repository.messages.history(louder, limit=500)]
    assert kept == [*range(kept[0], 1001)]
    assert len(kept) > 100
    assert len(await repository.messages.history(loud, limit=500)) == 200


async def test_one_message_larger_than_memory_empties_only_its_own_room() -> None:
    repository = MemoryStorage(memory_bytes=100_000)
    writer = repository.writer()
    small, large = room(), room()
    await writer.write(inserts(small, message(small, 1)))
    assert await writer.write(inserts(large, message(large, 1, "x" * 200_000))) == [STORED] * 2
    assert [each.seq for each in await repository.messages.history(small, limit=9)] == [1]
    assert await repository.messages.history(large, limit=9) == []


async def test_members_take_at_most_a_quarter_and_large_rooms_lose_theirs_first() -> None:
    repository = MemoryStorage(memory_bytes=MB)
    writer = repository.writer()
    small, large = room(), room()
    await writer.write([InsertRoom(small), InsertRoom(large), *sets(small, member("u1"), member("owner", "owner"))])
    await writer.write(inserts_more(small, message(small, 1)))
    await writer.write(sets(large, member("boss", "owner")))
    for n in range(1000):
        await writer.write(sets(large, member(f"u{n:04}", seen_at=n)))
        assert repository.contents.members.bytes <= MB // 4
    assert weight(repository) == repository.contents.members.bytes + repository.contents.logs.bytes
    assert [each.user.id for each in await repository.rooms.members(small.room_id, after="", limit=9)] == [
        "owner",
        "u1",
    ]
    found = [each.user.id for each in await repository.rooms.members(large.room_id, after="", limit=999)]
    assert found[0] == "boss"
    assert found[-1] == "u0999"
    assert len(found) > 200
    assert len(await repository.messages.history(small, limit=9)) == 1


async def test_a_resume_misses_evicted_messages_but_not_expired_ones() -> None:
    repository = MemoryStorage(memory_bytes=100_000)
    writer = repository.writer()
    where = room()
    await writer.write(inserts(where, *(message(where, n) for n in range(1, 11))))
    await writer.write([ExpireMessages(EPOCH_US, 1, 5)])
    assert await repository.messages.count_changed(where.room_id, after=0, until=99, limit=99) == 5
    await writer.write(inserts_more(where, *(message(where, n, "x" * 5000) for n in range(11, 61))))
    first = (await repository.messages.history(where, limit=1, after=0))[0].seq
    assert first > 11
    for ask in (
        repository.messages.changed(where, after=first - 2, until=99, limit=9),
        repository.messages.count_changed(where.room_id, after=first - 2, until=99, limit=9),
    ):
        with pytest.raises(Forgotten):
            await ask
    assert (await repository.messages.changed(where, after=first - 1, until=99, limit=1))[0].seq == first


async def test_the_counted_size_matches_the_contents() -> None:
    """Through inserts, edits, reactions, deletions, expiry, joins and leaves, and evicted rooms."""
    chance = random.Random(7)
    repository = MemoryStorage(memory_messages=20, memory_rooms=5, memory_bytes=60_000, memory_members=10)
    writer = repository.writer()
    rooms = [room() for _ in range(8)]
    for version in range(1, 3000):
        where = chance.choice(rooms)
        said = message(where, version, "x" * chance.randrange(2000), mentions=("ann",) * chance.randrange(2))
        changed = message(where, max(1, version - chance.randrange(60)))
        await writer.write(
            chance.choice(
                [
                    inserts(where, said),
                    inserts(where, said),
                    [edit(where, changed, version, "y" * chance.randrange(3000))],
                    [ChangeMessage(where.room_id, changed.seq, version, reactions={"x": ["u_ann", "u_ben"]})],
                    [delete(where, changed.seq, version)],
                    sets(where, member(f"u{chance.randrange(40)}", name="n" * chance.randrange(64))),
                    [RemoveMember(where.room_id, f"u{chance.randrange(40)}")],
                    [UpdateRoom(replace(where, topic="t" * chance.randrange(500)))],
                    [ExpireMessages(EPOCH_US, 1, 3)] if version % 50 == 0 else inserts(where, said),
                ]
            )
        )
        assert weight(repository) == repository.contents.members.bytes + repository.contents.logs.bytes
        assert weight(repository) <= 60_000 + 4 * 1000  # members and rooms are not evicted for messages
    await repository.close()
    assert not vars(repository.contents).keys() & {"_members", "_logs"}
