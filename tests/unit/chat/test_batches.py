"""What a worker stores together: bounded batches, of which each room gets its share in its order."""

import pytest

from chat.writes.workers import BATCH_BYTES, PoolLimits
from storage.ports.messages import InsertMessage
from storage.ports.storage import Write
from tests.support.chatting import Person, chatting, limits
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


def contents(batch: list[Write]) -> list[str]:
    return [write.message.content for write in batch if isinstance(write, InsertMessage)]


async def test_writes_of_a_room_keep_their_order_in_bounded_batches(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=1, batch=7)) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        for number in range(40):
            ann.say(f"{number}", f"{number}")
        await passes()
        assert [len(batch) for batch in repository.batches] == [7, 7, 7, 7, 7, 6]
        assert [content for batch in repository.batches for content in contents(batch)] == [*map(str, range(40))]
        assert await repository.stored() == [*map(str, range(40))]


async def test_a_batch_has_a_bounded_amount_of_text(repository: FaultyRepository) -> None:
    async with chatting(repository, limits=limits(max_content_chars=BATCH_BYTES + 1)) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        half = "x" * (BATCH_BYTES // 2)
        for content in ("first", half, half, "x" * (BATCH_BYTES + 1), "x", half):
            ann.say(content)
        await passes()
        assert [[len(content) for content in contents(batch)] for batch in repository.batches] == [
            [5, len(half)],
            [len(half)],
            [BATCH_BYTES + 1],
            [1, len(half)],
        ]


@pytest.mark.parametrize("size", [1, 4000])
async def test_a_room_with_a_small_backlog_does_not_wait_for_large_ones(
    repository: FaultyRepository, size: int
) -> None:
    """Neither for many messages nor for much text; and each room's messages keep their order."""
    async with chatting(repository, pool=PoolLimits(workers=1, batch=20)) as chat:
        repository.hold("write")
        mallory, ann = Person(chat, "mallory"), Person(chat, "ann", "quiet")
        loud = [f"loud {number}" for number in range(10)]
        for room in loud:
            mallory.send("join", room=room)
        await passes()
        said = [f"{number}".ljust(size) for number in range(20)]
        for content in said:
            for room in loud:
                mallory.say(content, room=room)
        await passes()  # the first batch is pending
        ann.say("one", "1", room="quiet")
        ann.say("two", "2", room="quiet")
        await passes()
        repository.batches.clear()
        repository.go("write")
        await passes()
        soon = [content for batch in repository.batches[:2] for content in contents(batch)]
        assert [content for content in soon if content in ("one", "two")] == ["one", "two"]
        assert len(repository.batches) > 8
        assert [await repository.stored(room) for room in loud] == [said] * len(loud)


async def test_rooms_with_large_backlogs_share_the_worker(repository: FaultyRepository) -> None:
    async with chatting(repository, pool=PoolLimits(workers=1, batch=10)) as chat:
        ann, ben = Person(chat, "ann", "a"), Person(chat, "ben", "b")
        await passes()
        repository.hold("write")
        ann.say("before", room="a")
        await passes()
        for number in range(50):
            ann.say(f"a {number}", room="a")
        for number in range(20):
            ben.say(f"b {number}", room="b")
        await passes()
        repository.batches.clear()
        repository.go("write")
        await passes()
        of_b = [sum(content.startswith("b") for content in contents(batch)) for batch in repository.batches]
        assert of_b[:4] == pytest.approx([5] * 4, abs=1)
