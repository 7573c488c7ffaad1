"""Reading rooms: pages, filters, search and changed messages."""

from collections.abc import Awaitable
from itertools import product

import pytest

from model.message import Message
from storage.ports.messages import ChangeMessage
from storage.ports.rooms import InsertRoom
from storage.ports.storage import Storage, Writer
from tests.contract.records import inserts, message, open_postgres, room
from tests.support.steps import longest_step
from utils.words import cut_words

AUTHORS = ["ann", "bob", "ann"]
BODIES = ["red fish", "blue fish", "Red bird", "green"]


def log_of(where: object, count: int = 60) -> list[Message]:
    """Return sixty messages at every tenth seq, three authors of two names, four bodies: every filter matches some."""
    return [
        message(where, n * 10, BODIES[n % 4], sender=AUTHORS[n % 3], sender_id=f"u{n % 3}")  # type: ignore[arg-type]
        for n in range(1, count + 1)
    ]


async def test_an_empty_or_unknown_room_has_no_messages(repository: Storage, writer: Writer) -> None:
    where = room()
    assert await repository.rooms.find_room(where.name) is None
    for _ in ("an unknown room", "an empty one"):
        assert await repository.messages.head(where.room_id) == 0
        assert await repository.messages.history(where, limit=50) == []
        assert await repository.messages.history(where, limit=50, before=5, after=1, sender="ann", words=["red"]) == []
        assert await repository.messages.changed(where, after=0, until=10**15, limit=50) == []
        assert await repository.messages.count_changed(where.room_id, after=0, until=10**15, limit=50) == 0
        assert await repository.messages.find_posted(where.room_id, "u_ann", "a") is None
        await writer.write([InsertRoom(where)])
    assert await repository.rooms.find_room(where.name) == where


@pytest.mark.parametrize("words", [(), ("fish",), ("red", "fish"), ("nothing",)], ids=" ".join)
@pytest.mark.parametrize("sender", [None, "ann", "bob", "eve"])
async def test_every_kind_of_page_has_the_right_messages(
    repository: Storage, writer: Writer, words: tuple[str, ...], sender: str | None
) -> None:
    where = room()
    log = log_of(where)
    await writer.write(inserts(where, *log))
    matching = [
        each for each in log if (sender is None or each.sender == sender) and set(words) <= set(cut_words(each.content))
    ]
    # On a message, between two, before the first, after the last, and none.
    seqs = (None, 0, 10, 300, 305, 600, 9999)
    for before, after, limit in product(seqs, seqs, (1, 7, 500)):
        inside = [
            each for each in matching if (before is None or each.seq < before) and (after is None or each.seq > after)
        ]
        expected = inside[-limit:] if after is None else inside[:limit]
        page = await repository.messages.history(
            where, limit=limit, before=before, after=after, sender=sender, words=words
        )
        assert page == expected, (before, after, limit)


@pytest.mark.parametrize("backwards", [True, False])
async def test_paging_returns_each_message_once(repository: Storage, writer: Writer, backwards: bool) -> None:
    where = room()
    log = log_of(where)
    await writer.write(inserts(where, *log))
    met: list[Message] = []
    while True:
        if backwards:
            page = await repository.messages.history(where, limit=7, before=met[0].seq if met else None)
            met = page + met
        else:
            page = await repository.messages.history(where, limit=7, after=met[-1].seq if met else 0)
            met += page
        if not page:
            break
    assert met == log


async def test_pages_carry_the_current_name_of_the_room(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1)))
    renamed = type(where)(where.room_id, "another name", where.created_at)
    assert [each.room for each in await repository.messages.history(renamed, limit=1)] == ["another name"]
    assert [each.room for each in await repository.messages.changed(renamed, after=0, until=9, limit=1)] == [
        "another name"
    ]


async def test_equal_display_names_are_distinguished_by_id(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1, sender_id="u1"), message(where, 2, sender_id="u2")))
    assert [each.sender_id for each in await repository.messages.history(where, limit=9, sender="ann")] == ["u1", "u2"]
    assert await repository.messages.history(where, limit=9, sender="Ann") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("hello", ["Hello World", "HELLO"]),
        ("WORLD hello", ["Hello World"]),
        ("hell", []),
        ("strasse", ["Die Straße"]),
        ("ﬁsh", ["fish"]),
        ("東京", ["東京都に行く"]),
        ("京都", ["東京都に行く", "京都"]),
        ("都", ["東京都に行く", "京都"]),
        ("東京 行く", ["東京都に行く"]),
        ("大阪", []),
        ("ข้าว", ["กินข้าว बोल"]),
        ("บิล", []),
        ("बोल", ["กินข้าว बोल"]),
        ("बिल", []),
        ("שלום", ["שָׁלוֹם"]),
        ("100%", ["100 % _ sure"]),
        ("_", []),
    ],
)
async def test_a_search_matches_whole_words_in_any_case(
    repository: Storage, writer: Writer, query: str, found: list[str]
) -> None:
    """All words must match, in any case and width; scripts without spaces match by pairs of characters."""
    where = room()
    texts = [
        "Hello World",
        "HELLO",
        "Die Straße",
        "fish",
        "東京都に行く",
        "京都",
        "100 % _ sure",
        "!?",
        "",
        "กินข้าว बोल",
        "שָׁלוֹם",
    ]
    await writer.write(inserts(where, *(message(where, n, text) for n, text in enumerate(texts, 1))))
    words = cut_words(query)
    expected = found if words else texts  # a query without a word filters nothing
    assert [each.content for each in await repository.messages.history(where, limit=50, words=words)] == expected


async def test_words_of_a_batch_are_split_over_several_turns(repository: Storage, writer: Writer) -> None:
    """Also those of the heaviest text, in which each character becomes 18: 300 messages take half a second."""
    where = room()
    heavy = inserts(where, *(message(where, n, "\ufdfa" * 4000) for n in range(1, 301)))
    assert await longest_step(writer.write(heavy)) < 0.12
    found: Awaitable[object] = repository.messages.history(where, limit=50, words=cut_words("\ufdfa and more"))
    assert await longest_step(found) < 0.06


async def test_a_search_covers_a_long_log(repository: Storage, writer: Writer) -> None:
    """More messages than memory splits into words in one slice."""
    where = room()
    log = [message(where, n, "rare one" if n % 400 == 7 else f"common {n}") for n in range(1, 1201)]
    await writer.write(inserts(where, *log))
    assert [each.seq for each in await repository.messages.history(where, limit=50, words=["rare"])] == [7, 407, 807]
    assert [each.seq for each in await repository.messages.history(where, limit=2, words=["rare"])] == [407, 807]
    assert [each.seq for each in await repository.messages.history(where, limit=2, words=["rare"], after=0)] == [7, 407]


async def test_changed_messages_match_their_count(repository: Storage, writer: Writer) -> None:
    where = room()
    log = log_of(where)
    await writer.write(inserts(where, *log))
    assert await repository.messages.head(where.room_id) == 600
    for after, until, limit in product((0, 10, 295, 600, 9999), (0, 10, 300, 600, 9999), (1, 7, 500)):
        expected = [each for each in log if after < each.version <= until][:limit]
        assert await repository.messages.changed(where, after=after, until=until, limit=limit) == expected
        assert await repository.messages.count_changed(where.room_id, after=after, until=until, limit=limit) == len(
            expected
        )


async def test_a_limit_of_zero_returns_nothing(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1)))
    assert await repository.messages.history(where, limit=0) == []
    assert await repository.messages.changed(where, after=0, until=9, limit=0) == []
    assert await repository.messages.count_changed(where.room_id, after=0, until=9, limit=0) == 0


async def test_a_search_for_text_that_cannot_be_stored_finds_nothing(repository: Storage, writer: Writer) -> None:
    """Postgres cannot store NUL, and lone surrogates have no UTF-8: searching for them is not an error."""
    where = room()
    await writer.write(inserts(where, message(where, 1)))
    for odd in ("nul\x00", "lone \ud800"):
        assert await repository.rooms.find_room(odd) is None
        assert await repository.messages.find_posted(where.room_id, odd, odd) is None
        assert await repository.messages.history(where, limit=1, sender=odd) == []
    assert await repository.messages.history(where, limit=9) == [message(where, 1)]


async def test_reactions_stored_before_normalization_are_merged(module_database_url: str) -> None:
    """They are read as they would be stored today, each user once."""
    repository = await open_postgres(module_database_url)
    writer, where = repository.writer(), room()
    await writer.write(inserts(where, message(where, 1, "x")))
    before = {"❤": ["g_a", "g_b"], "ok": ["g_a"], "❤\ufe0f": ["g_b", "g_c"], "ok\u200b": ["g_d"]}
    await writer.write([ChangeMessage(where.room_id, 1, 2, reactions=before)])
    [found] = await repository.messages.history(where, limit=9)
    assert found.reactions == {"❤\ufe0f": ["g_a", "g_b", "g_c"], "ok": ["g_a", "g_d"]}
    await writer.close()
    await repository.close()
