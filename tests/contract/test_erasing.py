"""Erasing what was deleted long ago: the text of messages, and whole rooms."""

from msgspec.structs import replace

from model.message import Message, Quote
from model.room import RoomRecord, User
from storage.ports.messages import ChangeMessage, EraseDeleted, PinState, Unread
from storage.ports.rooms import InsertRoom, UpdateRoom
from storage.ports.storage import STORED, Outcome, Removed, Storage, Writer
from tests.contract.records import EPOCH_US, edit, inserts, inserts_more, message, open_postgres, room
from tests.contract.test_expiry import repository
from utils.clock import DAY_US, SystemClock, rfc3339

NOW = EPOCH_US
__all__ = ["repository"]


async def erase(writer: Writer, days: int = 30, limit: int = 1000, now_us: int = NOW) -> Outcome:
    (outcome,) = await writer.write([EraseDeleted(now_us, days, limit)])
    return outcome


def deletion(where: RoomRecord, of: Message, days: float, version: int) -> ChangeMessage:
    """Delete a message so many days before `NOW`, and a microsecond."""
    return ChangeMessage(where.room_id, of.seq, version, deleted_at=rfc3339(NOW - round(days * DAY_US) - 1))


async def test_a_deleted_message_keeps_its_place_alone(repository: Storage, writer: Writer) -> None:
    """An edited, pinned, quoting and quoted one, with mentions, reactions and an id; readers see the same as before."""
    where = room()
    first, kept = message(where, NOW - 9, "quoted"), message(where, NOW - 5, "kept apple")
    gone = message(where, NOW - 8, "secret apple @ann", id="a", mentions=("ann",), reply_to=Quote(first.seq))
    reply = message(where, NOW - 7, "a reply", reply_to=Quote(gone.seq))
    await writer.write(inserts(where, first, gone, reply, kept))
    pin = ChangeMessage(where.room_id, gone.seq, NOW + 2, pin=PinState(rfc3339(NOW), "u_mod"))
    reactions = ChangeMessage(where.room_id, gone.seq, NOW + 3, reactions={"x": ["u_1"]})
    changes = [edit(where, gone, NOW + 1, "secret pear @bob", mentions=("bob",)), pin, reactions]
    await writer.write([*changes, deletion(where, gone, 30, NOW + 4)])
    shown = await repository.messages.history(where, limit=9)
    before = await repository.messages.find_message(where, gone.seq)
    whole = (await repository.messages.history(where, limit=9, include_deleted=True))[1]
    assert (whole.content, whole.id) == ("secret pear @bob", "a")
    assert await erase(writer, days=31) == Removed(0)
    assert await erase(writer) == Removed(1)
    assert await erase(writer) == Removed(0)
    left = (await repository.messages.history(where, limit=9, include_deleted=True))[1]
    assert left == replace(
        whole, content="", id=None, mentions=(), reactions=None, reply_to=None, pinned_at=None, pinned_by=None
    )
    assert before is not None
    assert await repository.messages.find_message(where, gone.seq) == replace(before, id=None)
    assert await repository.messages.history(where, limit=9) == shown
    assert await repository.messages.find_posted(where.room_id, gone.sender_id, "a") is None
    assert await repository.messages.head(where.room_id) == NOW + 4
    assert (await repository.messages.changed(where, after=NOW, until=NOW, limit=9))[0].version == NOW + 4
    unread = await repository.messages.unread(User("u_x", "bob"), [(where.room_id, 0)], limit=9)
    assert unread == {where.room_id: Unread(3, 0)}
    # The same id may be used again, and another account may get the name of the message.
    again = replace(message(where, NOW + 9, "another", id="a"), sender_id=gone.sender_id)
    renamed = ChangeMessage(where.room_id, gone.seq, NOW + 8, sender="deleted user")
    assert await writer.write([*inserts_more(where, again), renamed]) == [STORED, STORED]
    assert await erase(writer) == Removed(0)


async def test_a_deleted_room_goes_as_a_whole(repository: Storage, writer: Writer) -> None:
    """A batch at a time; a new room with its name, and one that was deleted later, stay."""
    old, empty, later = (room() for _ in range(3))
    for where in (old, later):
        await writer.write(inserts(where, *(message(where, NOW - 9 + n, f"text {n}") for n in range(5))))
    await writer.write([InsertRoom(empty)])
    for where, days in ((old, 31), (empty, 31), (later, 29)):
        await writer.write([UpdateRoom(replace(where, deleted_at=rfc3339(NOW - days * DAY_US)))])
    new = replace(room(), name=old.name)
    await writer.write(inserts(new, message(new, NOW, "new")))
    assert [await erase(writer, limit=3) for _ in range(3)] == [Removed(3), Removed(2), Removed(0)]
    left = {record.room_id for record in await repository.rooms.all_rooms(after=-1, limit=99)}
    assert left == {later.room_id, new.room_id}
    assert await repository.messages.history(old, limit=9, include_deleted=True) == []
    assert len(await repository.messages.history(later, limit=9)) == 5
    assert await repository.rooms.find_room(old.name) == new
    assert await erase(writer, days=28) == Removed(5)
    assert {record.room_id for record in await repository.rooms.all_rooms(after=-1, limit=99)} == {new.room_id}


async def test_a_batch_has_a_limit_and_what_is_deleted_first_goes_first(repository: Storage, writer: Writer) -> None:
    rooms = [room() for _ in range(3)]
    for place, where in enumerate(rooms):
        posted = [message(where, NOW - 9 + n, f"text {n}") for n in range(4)]
        deletions = [deletion(where, of, 60 - n - place / 10, NOW + n + 1) for n, of in enumerate(posted)]
        await writer.write([*inserts(where, *posted), *deletions])
    assert await erase(writer, limit=0) == Removed(0)
    assert [await erase(writer, limit=5) for _ in range(3)] == [Removed(5), Removed(5), Removed(2)]
    for where in rooms:
        assert [one.content for one in await repository.messages.history(where, limit=9, include_deleted=True)] == [
            ""
        ] * 4


async def test_nothing_is_erased_that_is_not_old_by_the_clock_of_postgres_too(database_url: str) -> None:
    repository = await open_postgres(database_url)
    writer, where, now = repository.writer(), room(), SystemClock().now_us()
    posted = message(where, now, "secret")
    change = ChangeMessage(where.room_id, posted.seq, now + 1, deleted_at=rfc3339(now))
    await writer.write([*inserts(where, posted), change])
    assert await erase(writer, now_us=now + 365 * DAY_US) == Removed(0)
    await repository.close()
