"""What messages hold besides their text: quotes, mentions, reactions, pins; and which queries return it."""

from typing import Any

import pytest
from msgspec.structs import replace

from model.limits import QUOTE_CHARS
from model.message import Message, Quote
from storage.ports.messages import ChangeMessage, PinState
from storage.ports.storage import STORED, Storage, Writer
from tests.contract.records import at, delete, edit, inserts, inserts_more, message, room


async def test_a_message_is_read_back_completely(repository: Storage, writer: Writer) -> None:
    where = room()
    first = message(where, 1, "hello @ann", id="a", mentions=("ann", "bob lee", "日本", 'q"{,}\\', "null"))
    second = message(where, 2, "yes", reply_to=Quote(1))
    assert await writer.write(inserts(where, first, second, message(where, 3))) == [STORED] * 4
    assert await writer.write(inserts(where, first, second)) == [STORED] * 3
    told = replace(second, reply_to=Quote(1, "ann", "hello @ann"))
    assert await repository.messages.history(where, limit=9) == [first, told, message(where, 3)]
    assert await repository.messages.find_message(where, 1) == first
    assert await repository.messages.find_message(where, 2) == told
    assert await repository.messages.changed(where, after=0, until=9, limit=9) == [first, told, message(where, 3)]
    assert await repository.messages.search([where], words=["yes"], before=None, limit=9) == [(where.room_id, told)]


async def test_a_quote_shows_the_current_state_of_its_message(repository: Storage, writer: Writer) -> None:
    """Neither its earlier state nor the state given with the reply."""
    where = room()
    long = "ä\U0001f469" * QUOTE_CHARS
    quoted = message(where, 1, long, sender="Ann", sender_id="u_ann")
    reply = message(where, 2, "yes", reply_to=Quote(1, "eve", "something else"))

    async def quote() -> Quote | None:
        (found,) = await repository.messages.history(where, limit=9, after=1)
        assert found == await repository.messages.find_message(where, 2)
        return found.reply_to

    await writer.write(inserts(where, quoted, reply))
    assert await quote() == Quote(1, "Ann", long[:QUOTE_CHARS])
    await writer.write([edit(where, quoted, 3, "edited")])
    assert await quote() == Quote(1, "Ann", "edited")
    await writer.write([delete(where, 1, 4)])
    assert await quote() == Quote(1, "Ann")


async def test_a_quote_of_a_missing_message_is_empty(repository: Storage, writer: Writer) -> None:
    """If the message was removed, never existed, or is in another room."""
    where, other = room(), room()
    reply = message(where, 2, "yes", reply_to=Quote(1, "eve", "made up"))
    await writer.write([*inserts(where, reply), *inserts(other, message(other, 1))])
    assert await repository.messages.find_message(where, 2) == replace(reply, reply_to=Quote(1))


async def test_an_edit_replaces_the_mentions(repository: Storage, writer: Writer) -> None:
    where = room()
    first = message(where, 1, "@ann @bob", mentions=("ann", "bob"))
    await writer.write(inserts(where, first))
    await writer.write([edit(where, first, 2, "@cy", mentions=("cy",))])
    edited = replace(first, version=2, content="@cy", mentions=("cy",), edited_at=at(2))
    assert await repository.messages.find_message(where, 1) == edited
    # A change that is not of the text keeps them.
    await writer.write([ChangeMessage(where.room_id, 1, 3, pin=PinState(at(3), "u1"))])
    pinned = replace(edited, version=3, pinned_at=at(3), pinned_by="u1")
    assert await repository.messages.find_message(where, 1) == pinned
    await writer.write([edit(where, edited, 4, "nobody")])
    assert await repository.messages.find_message(where, 1) == replace(
        pinned, version=4, content="nobody", mentions=(), edited_at=at(4)
    )


async def test_reactions_are_replaced_as_a_whole(repository: Storage, writer: Writer) -> None:
    """All reactions at once, in order."""
    where = room()
    first = message(where, 1)

    async def react(version: int, reactions: dict[str, list[str]] | None) -> dict[str, list[str]] | None:
        assert await writer.write([ChangeMessage(where.room_id, 1, version, reactions=reactions)]) == [STORED]
        found = await repository.messages.find_message(where, 1)
        assert found is not None
        assert replace(found, reactions=None) == replace(first, version=version)
        return found.reactions

    await writer.write(inserts(where, first))
    many = {"zz": ["u2", "u1"], "\U0001f469": ["u1"], "a": ["'; DROP"], ':"{}\\': ["null", "u3"]}
    found = await react(2, many)
    assert found == many
    assert found is not None
    assert list(found) == list(many)
    assert await react(3, None) == many
    assert await react(4, {"b": ["u1"]}) == {"b": ["u1"]}
    assert await react(5, {}) is None
    assert await react(6, {"b": ["u1"]}) == {"b": ["u1"]}


async def test_pinned_messages_are_found(repository: Storage, writer: Writer) -> None:
    where = room()
    log = [message(where, n, f"text {n}", sender="ann" if n % 2 else "bob") for n in range(1, 8)]
    await writer.write(inserts(where, *log))
    pins = [ChangeMessage(where.room_id, n, 10 + n, pin=PinState(at(10 + n), "u_mod")) for n in (2, 3, 5, 6)]
    assert await writer.write(pins) == [STORED] * 4
    pinned = {n: replace(log[n - 1], version=10 + n, pinned_at=at(10 + n), pinned_by="u_mod") for n in (2, 3, 5, 6)}
    assert await repository.messages.history(where, limit=9, pinned=True) == [pinned[n] for n in (2, 3, 5, 6)]
    assert await repository.messages.history(where, limit=2, pinned=True) == [pinned[5], pinned[6]]
    assert await repository.messages.history(where, limit=2, pinned=True, after=2) == [pinned[3], pinned[5]]
    assert await repository.messages.history(where, limit=9, pinned=True, before=5, sender="ann") == [pinned[3]]
    assert await repository.messages.history(where, limit=9, pinned=True, words=["text", "6"]) == [pinned[6]]
    await writer.write([ChangeMessage(where.room_id, 5, 20, pin=PinState()), delete(where, 3, 21)])
    assert await repository.messages.history(where, limit=9, pinned=True) == [pinned[2], pinned[6]]
    assert await repository.messages.find_message(where, 5) == replace(log[4], version=20)


def held(where: Any) -> Message:
    """Return a message with everything."""
    return message(where, 2, "red fish", id="a", reply_to=Quote(1, "ann", "before"), mentions=("ann",))


async def test_a_deleted_message_is_returned_without_its_content(repository: Storage, writer: Writer) -> None:
    """Unless a query includes it, and never in a search; it keeps its place, its author and its times."""
    where = room()
    first, second = message(where, 1, "before"), held(where)
    await writer.write(inserts(where, first, second, message(where, 3, "after", reply_to=Quote(2))))
    full = ChangeMessage(where.room_id, 2, 4, reactions={"a": ["u1"]}, pin=PinState(at(4), "u1"))
    await writer.write([full, edit(where, second, 5, "blue fish", mentions=("bob",)), delete(where, 2, 6)])
    blank = replace(message(where, 2, "", id="a"), version=6, edited_at=at(5), deleted_at=at(6))
    whole = replace(
        blank,
        content="blue fish",
        reply_to=Quote(1, "ann", "before"),
        mentions=("bob",),
        reactions={"a": ["u1"]},
        pinned_at=at(4),
        pinned_by="u1",
    )
    third = message(where, 3, "after", reply_to=Quote(2, "ann"))
    assert await repository.messages.find_message(where, 2) == blank
    assert await repository.messages.changed(where, after=3, until=9, limit=9) == [blank]
    assert await repository.messages.history(where, limit=9) == [first, third]
    assert await repository.messages.history(where, limit=9, include_deleted=True) == [first, whole, third]
    assert await repository.messages.history(where, limit=2, after=0, include_deleted=True) == [first, whole]
    asked: list[dict[str, Any]] = [{"words": ["blue"]}, {"pinned": True}]
    for options in asked:
        assert await repository.messages.history(where, limit=9, **options) == []
        assert await repository.messages.history(where, limit=9, **options, include_deleted=True) == [whole]
    assert await repository.messages.history(where, limit=9, words=["red"], include_deleted=True) == []
    assert await repository.messages.search([where], words=["blue"], before=None, limit=9) == []
    # Its quote is current as well.
    await writer.write([delete(where, 1, 7)])
    (_, found, _) = await repository.messages.history(where, limit=9, include_deleted=True)
    assert found == replace(whole, reply_to=Quote(1, "ann"))


@pytest.mark.parametrize("reply", [None, Quote(1)])
async def test_a_duplicate_keeps_mentions_and_quote_of_the_first_message(
    repository: Storage, writer: Writer, reply: Quote | None
) -> None:
    where = room()
    first = message(where, 1, id="a", mentions=("ann",))
    await writer.write(inserts(where, first))
    await writer.write(inserts_more(where, replace(first, mentions=("bob",), reply_to=reply)))
    assert await repository.messages.history(where, limit=9) == [first]
