"""Changes of messages, the same in every repository."""

import pytest
from msgspec.structs import replace

from model.message import Message
from model.room import RoomRecord
from storage.ports.messages import Posted
from storage.ports.storage import STORED, Duplicate, Refused, Storage, Write, Writer
from tests.contract.records import at, delete, edit, filled, hash_of, inserts, inserts_more, message, room


async def page(repository: Storage, where: RoomRecord) -> list[Message]:
    return await repository.messages.history(where, limit=100)


async def test_an_edited_message_is_stored_and_found(repository: Storage, writer: Writer) -> None:
    where = room()
    first, second = message(where, 1, "red fish", id="a"), message(where, 2, "blue fish")
    await writer.write(inserts(where, first, second))
    assert await writer.write([edit(where, first, 3, "green fish")]) == [STORED]
    edited = replace(first, version=3, content="green fish", edited_at=at(3))
    assert await page(repository, where) == [edited, second]
    assert await repository.messages.find_message(where, 1) == edited
    assert await repository.messages.head(where.room_id) == 3
    assert await repository.messages.history(where, limit=9, words=["green"]) == [edited]
    assert await repository.messages.history(where, limit=9, words=["red"]) == []


async def test_a_deleted_message_has_no_content_and_is_not_found(repository: Storage, writer: Writer) -> None:
    """It is returned without its content, and only by queries that include deleted messages."""
    where = room()
    first, second = message(where, 1, "red fish"), message(where, 2, "blue fish")
    await writer.write(inserts(where, first, second))
    assert await writer.write([delete(where, 1, 3)]) == [STORED]
    gone = replace(first, version=3, content="", deleted_at=at(3))
    assert await page(repository, where) == [second]
    assert await repository.messages.history(where, limit=1, after=0) == [second]
    assert await repository.messages.history(where, limit=9, words=["red"]) == []
    assert await repository.messages.history(where, limit=9, sender="ann") == [second]
    assert await repository.messages.find_message(where, 1) == gone
    assert await repository.messages.changed(where, after=2, until=2, limit=9) == [gone]


async def test_a_change_of_a_missing_message_is_rejected(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1)))
    assert await repository.messages.find_message(where, 2) is None
    assert await repository.messages.find_message(room(), 1) is None
    outcomes = await writer.write([delete(where, 2, 5), delete(where, 1, 6), delete(room(), 1, 7)])
    assert [type(outcome) for outcome in outcomes] == [Refused, type(STORED), Refused]
    assert await page(repository, where) == []


async def test_an_older_change_does_not_overwrite_a_newer_one(repository: Storage, writer: Writer) -> None:
    """A batch whose commit got no response is retried, possibly after later writes."""
    where = room()
    first = message(where, 1, "one")
    await writer.write(inserts(where, first))
    assert await writer.write([edit(where, first, 3, "three")]) == [STORED]
    assert await writer.write([edit(where, first, 2, "two")]) == [STORED]
    assert [(each.content, each.version) for each in await page(repository, where)] == [("three", 3)]
    assert await writer.write([edit(where, first, 2, "two"), edit(where, first, 3, "three")]) == [STORED, STORED]
    assert [(each.content, each.version) for each in await page(repository, where)] == [("three", 3)]


@pytest.mark.parametrize("split", [False, True], ids=["one batch", "a batch each"])
async def test_successive_changes_are_applied_in_order(repository: Storage, writer: Writer, split: bool) -> None:
    """In the order they were decided, directly after the insert, per message."""
    where = room()
    first, second = message(where, 1, "one", id="a"), message(where, 2, "one", id="b")
    writes: list[Write] = [
        *inserts(where, first, second),
        edit(where, first, 3, "two"),
        edit(where, second, 4, "zwei"),
        edit(where, replace(first, content="two"), 5, "three"),
        *inserts_more(where, message(where, 6, "another")),
        edit(where, replace(first, content="three"), 7, "four"),
        delete(where, 2, 8),
    ]
    for batch in [[write] for write in writes] if split else [writes]:
        assert await writer.write(batch) == [STORED] * len(batch)
    assert [(each.seq, each.version, each.content) for each in await page(repository, where)] == [
        (1, 7, "four"),
        (6, 6, "another"),
    ]
    assert [each.version for each in await repository.messages.changed(where, after=0, until=6, limit=9)] == [6, 7, 8]


async def test_a_retry_is_compared_with_the_original_message(repository: Storage, writer: Writer) -> None:
    where = room()
    first = message(where, 1, "one", id="a")
    await filled(repository, where, first)
    await writer.write([edit(where, first, 2, "two"), edit(where, replace(first, content="two"), 3, "three")])
    assert await repository.messages.find_posted(where.room_id, "u_ann", "a") == Posted(1, hash_of("one"))
    again = [message(where, 9, body, id="a") for body in ("one", "three")]
    assert await writer.write(inserts_more(where, *again)) == [Duplicate(1, True), Duplicate(1, False)]
    assert await writer.write(inserts_more(where, first)) == [STORED]
    await writer.write([delete(where, 1, 4)])
    assert await repository.messages.find_posted(where.room_id, "u_ann", "a") == Posted(1, hash_of("one"))
    assert await writer.write(inserts_more(where, first)) == [STORED]


async def test_changed_messages_are_returned_by_version(repository: Storage, writer: Writer) -> None:
    """New messages and changed ones in the order of version; a full page can be continued."""
    where = room()
    log = [message(where, seq, f"text {seq}") for seq in range(1, 7)]
    await writer.write(inserts(where, *log))
    await writer.write([edit(where, log[0], 7, "seven"), delete(where, 4, 8), edit(where, log[5], 9, "nine")])
    found = await repository.messages.changed(where, after=2, until=9, limit=9)
    assert [(each.seq, each.version) for each in found] == [(3, 3), (5, 5), (1, 7), (4, 8), (6, 9)]
    assert await repository.messages.changed(where, after=2, until=9, limit=2) == found[:2]
    assert await repository.messages.changed(where, after=5, until=9, limit=9) == found[2:]
    assert await repository.messages.count_changed(where.room_id, after=2, until=9, limit=9) == 5
    # Up to 5, and what was changed since: message 6 is beyond, whenever it changed.
    found = await repository.messages.changed(where, after=2, until=5, limit=9)
    assert [(each.seq, each.version) for each in found] == [(3, 3), (5, 5), (1, 7), (4, 8)]
    assert await repository.messages.count_changed(where.room_id, after=2, until=7, limit=9) == 3
