"""A search through several rooms."""

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from model.message import Message
from storage.ports.storage import Storage, Writer
from storage.postgres.read import messages as reading
from tests.contract.records import delete, edit, inserts, message, room
from utils.words import cut_words

BODIES = ["red fish", "blue fish", "Red bird", "green"]


@pytest.fixture(params=["rare words", "common words"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test both plans of Postgres, as small rooms would only use one of them."""
    if request.param == "common words":
        monkeypatch.setattr(reading, "RARE_HITS", 0)


async def test_the_newest_messages_of_all_rooms_come_first(repository: Storage, writer: Writer) -> None:
    """By seq, and by the room's id if seqs are equal; every page continues after the previous one."""
    rooms = sorted((room() for _ in range(4)), key=lambda each: each.room_id)
    logs = [[message(where, seq, BODIES[seq % 4]) for seq in range(1, 40, n + 1)] for n, where in enumerate(rooms)]
    for where, log in zip(rooms, logs, strict=True):
        await writer.write(inserts(where, *log))
    searched = rooms[:3]
    every = sorted(
        ((each.seq, where.room_id, each) for where, log in zip(searched, logs, strict=False) for each in log),
        key=lambda found: found[:2],
        reverse=True,
    )
    ids = [where.room_id for where in rooms]
    befores: list[tuple[int, int] | None] = [None, *product((0, 1, 13, 39, 99), (0, *ids, 2**62))]
    for words, before, limit in product(((), ("fish",), ("red", "fish"), ("nothing",)), befores, (0, 1, 5, 500)):
        expected = [
            (room_id, each)
            for seq, room_id, each in every
            if set(words) <= set(cut_words(each.content)) and (before is None or (seq, room_id) < before)
        ][:limit]
        found = await repository.messages.search(searched, words=words, before=before, limit=limit)
        assert found == expected, (words, before, limit)


async def pages(repository: Storage, rooms: list[Any], limit: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while page := await repository.messages.search(
        rooms, words=["fish"], before=found[-1] if found else None, limit=limit
    ):
        found += [(each.seq, room_id) for room_id, each in page]
        assert len(found) == len(set(found))
    return found


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_paging_returns_every_result_once(repository: Storage, writer: Writer, limit: int) -> None:
    rooms = [room() for _ in range(3)]
    for where in rooms:
        await writer.write(inserts(where, *(message(where, seq, "red fish") for seq in range(10))))
    everything = sorted(((seq, where.room_id) for where in rooms for seq in range(10)), reverse=True)
    assert await pages(repository, rooms, limit) == everything


async def test_a_search_finds_only_current_texts_of_the_given_rooms(repository: Storage, writer: Writer) -> None:
    where, other, unknown = room(), room(), room()
    first = message(where, 1, "red fish")
    await writer.write(
        [*inserts(where, first, message(where, 2, "red fish")), *inserts(other, message(other, 3, "red"))]
    )
    await writer.write([delete(where, 2, 4), edit(where, first, 5, "blue fish")])

    async def found(words: list[str]) -> list[tuple[int, Message]]:
        # Named twice, unknown, and under its current name.
        rooms = [replace(where, name="other"), unknown, replace(where, name="new")]
        return await repository.messages.search(rooms, words=words, before=None, limit=9)

    assert await found(["red"]) == []
    ((room_id, now),) = await found(["fish"])
    assert (room_id, now.content, now.room) == (where.room_id, "blue fish", "new")
    assert await repository.messages.search([], words=["fish"], before=None, limit=9) == []


async def test_a_search_beyond_many_messages_finds_all_results(repository: Storage, writer: Writer) -> None:
    """More messages than memory splits into words in one slice."""
    rooms = [room() for _ in range(3)]
    for where in rooms:
        log = [message(where, n, "rare one" if n % 400 == 7 else f"common {n}") for n in range(1, 501)]
        await writer.write(inserts(where, *log))
    found = await repository.messages.search(rooms, words=["rare"], before=None, limit=50)
    assert [each.seq for _, each in found] == [407] * 3 + [7] * 3
    found = await repository.messages.search(rooms, words=["common"], before=(300, 0), limit=50)
    assert [each.seq for _, each in found] == [seq for seq in range(299, 282, -1) for _ in rooms][:50]
