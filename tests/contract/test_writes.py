"""The outcome of a write: stored, duplicate, or refused; the same from every adapter."""

import pytest

from storage.ports.messages import InsertMessage, Posted
from storage.ports.rooms import InsertRoom
from storage.ports.storage import NO_ROOM, STORED, Duplicate, NoRoom, Outcome, Refused, Storage, Writer
from tests.contract.records import hash_of, inserts, inserts_more, message, room

ODD = [
    "'; DROP TABLE messages; --",
    'quotes " and \\ backslashes \\" \\\\',
    '{curly,NULL,""}',
    "NULL",
    "%s %(rows)s %%",
    "$1 :name ?",
    "tab\tnewline\nreturn-less",
    " leading and trailing ",
    "日本語のテキスト と 한국어 и русский",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1ea\U0001f1fa e\u0301 \u202e",
    "\\u0041 \\x41 \\n",
    "\x7f\x85\ufeff\ufffd\U0010ffff",
    "</script><b>",
    "x" * 100_000,
]


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


async def test_a_room_and_its_messages_are_stored_in_one_batch(repository: Storage, writer: Writer) -> None:
    where = room()
    assert await writer.write(inserts(where, message(where, 1), message(where, 2))) == [STORED] * 3
    assert await repository.rooms.find_room(where.name) == where
    assert await repository.messages.history(where, limit=10) == [message(where, 1), message(where, 2)]


async def test_an_empty_batch_returns_no_outcomes(writer: Writer) -> None:
    assert await writer.write([]) == []


async def test_writing_again_changes_nothing(repository: Storage, writer: Writer) -> None:
    """An ambiguous retry: the batch was committed, but the response was lost."""
    where = room()
    batch = inserts(where, message(where, 1, id="a"), message(where, 2), message(where, 3, id="b"))
    assert await writer.write(batch) == [STORED] * 4
    assert await writer.write(batch) == [STORED] * 4
    # A part of it together with new writes, through another writer.
    other = repository.writer()
    assert await other.write([*batch[2:], *inserts_more(where, message(where, 4))]) == [STORED] * 3
    await other.close()
    assert [each.seq for each in await repository.messages.history(where, limit=10)] == [1, 2, 3, 4]


async def test_a_repetition_in_one_batch_changes_nothing(writer: Writer) -> None:
    where = room()
    assert await writer.write(inserts(where, message(where, 1, id="a"), message(where, 1, id="a"))) == [STORED] * 3


@pytest.mark.parametrize(("body", "same"), [("hello", True), ("other", False)])
async def test_a_duplicate_id_in_one_batch_is_reported(
    repository: Storage, writer: Writer, body: str, same: bool
) -> None:
    where = room()
    outcomes = await writer.write(inserts(where, message(where, 1, id="a"), message(where, 2, body, id="a")))
    assert outcomes == [STORED, STORED, Duplicate(1, same)]
    assert await repository.messages.history(where, limit=10) == [message(where, 1, id="a")]


@pytest.mark.parametrize(("body", "same"), [("hello", True), ("other", False)])
async def test_a_duplicate_id_in_a_later_batch_is_reported(
    repository: Storage, writer: Writer, body: str, same: bool
) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1, id="a")))
    batch = inserts_more(where, message(where, 2), message(where, 3, body, id="a"), message(where, 4))
    assert await writer.write(batch) == [STORED, Duplicate(1, same), STORED]
    assert [each.seq for each in await repository.messages.history(where, limit=10)] == [1, 2, 4]
    assert await repository.messages.find_posted(where.room_id, "u_ann", "a") == Posted(1, hash_of("hello"))


async def test_ids_are_unique_per_author_and_room(repository: Storage, writer: Writer) -> None:
    """Same id, other principal; same id, other room; same display name: all are different messages."""
    where, elsewhere = room(), room()
    batch = [
        *inserts(where, message(where, 1, id="a"), message(where, 2, id="a", sender_id="u_bob")),
        *inserts(elsewhere, message(elsewhere, 1, id="a")),
    ]
    assert await writer.write(batch) == [STORED] * 5
    assert await repository.messages.find_posted(where.room_id, "u_bob", "a") == Posted(2, hash_of("hello"))
    assert await repository.messages.find_posted(where.room_id, "u_bob", "b") is None
    assert await repository.messages.find_posted(room().room_id, "u_bob", "a") is None


async def test_messages_without_id_are_never_duplicates(writer: Writer) -> None:
    where = room()
    assert await writer.write(inserts(where, message(where, 1), message(where, 2))) == [STORED] * 3


@pytest.mark.parametrize(
    "change",
    [{"content": "other"}, {"sender_id": "u_bob"}, {"id": "b"}, {"id": None}],
    ids=["body", "author", "id", "no id"],
)
async def test_another_message_at_a_taken_seq_is_rejected(
    repository: Storage, writer: Writer, change: dict[str, str]
) -> None:
    where = room()
    first = message(where, 1, id="a")
    await writer.write(inserts(where, first))
    second = message(where, 1, **{"id": "a", **change})
    outcomes = await writer.write(inserts_more(where, second, message(where, 2)))
    assert kinds(outcomes) == [Refused, type(STORED)]
    assert await repository.messages.history(where, limit=10) == [first, message(where, 2)]


async def test_a_duplicate_id_is_found_even_if_its_seq_is_taken(writer: Writer) -> None:
    """Both are conflicts: the place of the first message is the more useful result."""
    where = room()
    await writer.write(inserts(where, message(where, 1, id="a"), message(where, 2, id="b")))
    assert await writer.write(inserts_more(where, message(where, 2, id="a"))) == [Duplicate(1, same_body=True)]


async def test_a_seq_used_twice_in_a_batch_goes_to_the_first_valid_message(writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1, id="a")))
    outcomes = await writer.write(
        inserts_more(where, message(where, 5, id="a"), message(where, 5, id="b"), message(where, 5, id="c"))
    )
    assert outcomes[:2] == [Duplicate(1, same_body=True), STORED]
    assert isinstance(outcomes[2], Refused)


async def test_a_message_may_be_stored_out_of_order(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 5), message(where, 3), message(where, 4)))
    assert [each.seq for each in await repository.messages.history(where, limit=10)] == [3, 4, 5]


async def test_a_room_with_a_taken_name_is_rejected_with_its_messages(repository: Storage, writer: Writer) -> None:
    """Two rooms with one name would hide one of them after a restart: neither the room nor its messages are stored."""
    where = room()
    await writer.write(inserts(where, message(where, 1)))
    rival = room(where.name)
    outcomes = await writer.write(inserts(rival, message(rival, 1), message(rival, 2)))
    assert kinds(outcomes) == [Refused, NoRoom, NoRoom]
    assert await writer.write(inserts_more(rival, message(rival, 3))) == [NO_ROOM]
    assert await repository.rooms.find_room(where.name) == where
    assert await repository.messages.history(rival, limit=10) == []
    # And within one batch.
    one, two = room("twins"), room("twins")
    assert kinds(await writer.write([InsertRoom(one), InsertRoom(two)])) == [type(STORED), Refused]


async def test_messages_to_a_missing_room_are_rejected(repository: Storage, writer: Writer) -> None:
    """Evicted by memory, or lost in a crash of the database: only a caller that knows the room can restore it."""
    where, known = room(kind="private"), room()
    await writer.write([InsertRoom(known)])
    batch = inserts_more(where, message(where, 1), message(where, 2)) + inserts_more(known, message(known, 1))
    assert await writer.write(batch) == [NO_ROOM, NO_ROOM, STORED]
    assert await repository.rooms.find_room(where.name) is None
    assert await repository.messages.history(where, limit=9) == []
    assert await writer.write([InsertRoom(where), *batch]) == [STORED] * 4
    assert await repository.rooms.find_room(where.name) == where
    assert await repository.messages.history(where, limit=9) == [message(where, 1), message(where, 2)]


async def test_a_known_room_under_another_name_is_rejected(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write([InsertRoom(where)])
    renamed = room(f"{where.name} again")
    renamed = type(where)(where.room_id, renamed.name, where.created_at)
    assert kinds(await writer.write([InsertRoom(renamed)])) == [Refused]
    assert await repository.rooms.find_room(renamed.name) is None


async def test_names_are_compared_exactly(repository: Storage, writer: Writer) -> None:
    names = ["Straße", "STRASSE", "straße", "Cafe\u0301", "Café", "café ", "日本"]
    rooms = [room(name) for name in names]
    assert await writer.write([InsertRoom(each) for each in rooms]) == [STORED] * len(rooms)
    for each in rooms:
        assert await repository.rooms.find_room(each.name) == each
    assert await repository.rooms.find_room("strasse") is None


async def test_a_large_batch_for_many_rooms_is_stored(repository: Storage, writer: Writer) -> None:
    rooms = [room() for _ in range(7)]
    await writer.write([InsertRoom(each) for each in rooms])
    batch = [InsertMessage(rooms[n % 7].room_id, message(rooms[n % 7], n + 1, f"message {n}")) for n in range(1200)]
    assert await writer.write(batch) == [STORED] * 1200
    assert await writer.write(batch[:600] + inserts_more(rooms[0], message(rooms[0], 5000))) == [STORED] * 601
    assert sum([len(await repository.messages.history(each, limit=500)) for each in rooms]) == 1201


@pytest.mark.parametrize("content", ODD, ids=range(len(ODD)))
async def test_unusual_texts_are_read_back_unchanged(repository: Storage, writer: Writer, content: str) -> None:
    where = room()
    # The text is as long as content may be; the other fields are as long as a name may be.
    odd = message(where, 1, content, id=content[:64], sender=content[:64], sender_id=content[:64])
    assert await writer.write(inserts(where, odd)) == [STORED] * 2
    assert await repository.messages.history(where, limit=1) == [odd]
    assert await repository.messages.history(where, limit=1, sender=content[:64]) == [odd]
    assert await repository.messages.find_posted(where.room_id, content[:64], content[:64]) == Posted(
        1, hash_of(content)
    )


async def test_empty_texts_are_stored(repository: Storage, writer: Writer) -> None:
    where = room()
    empty = message(where, 1, "", id="", sender="", sender_id="")
    assert await writer.write(inserts(where, empty)) == [STORED] * 2
    assert await repository.messages.history(where, limit=1) == [empty]


async def test_numbers_at_their_limits_are_stored(repository: Storage, writer: Writer) -> None:
    where = room()
    batch = inserts(where, message(where, 0), message(where, 2**53 - 1 - 1_700_000_000_000_000))
    assert await writer.write(batch) == [STORED] * 3
    assert await repository.messages.history(where, limit=9) == [
        each.message for each in batch if isinstance(each, InsertMessage)
    ]
    assert await repository.messages.history(where, limit=9, after=2**63 - 1) == []


@pytest.mark.parametrize("us", [0, 1, 999_999, 1_700_000_000_000_000, 1_700_000_000_100_000, 4_102_444_800_000_001])
async def test_times_are_exact_to_the_microsecond(repository: Storage, writer: Writer, us: int) -> None:
    from msgspec.structs import replace

    from utils.clock import rfc3339

    where = replace(room(), created_at=rfc3339(us))
    timed = replace(message(where, 1), timestamp=rfc3339(us))
    await writer.write(inserts(where, timed))
    assert await repository.rooms.find_room(where.name) == where
    assert await repository.messages.history(where, limit=1) == [timed]
