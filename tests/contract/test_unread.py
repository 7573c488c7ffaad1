"""Unread counts of a user, in many rooms at once."""

from model.room import User
from storage.ports.messages import Unread
from storage.ports.rooms import InsertRoom, RemoveMember
from storage.ports.storage import Storage, Writer
from tests.contract.records import delete, edit, inserts, inserts_more, message, room
from tests.support.accounts import NOW, noted
from utils.ids import new_token

ANN, BOB = User("u_ann", "Ann"), User("u_bob", "bob")


async def test_unread_messages_are_those_of_others_after_the_cursor(repository: Storage, writer: Writer) -> None:
    where = room()
    log = [message(where, n, sender_id="u_ann" if n % 3 == 0 else "u_bob") for n in range(10, 20)]
    await writer.write(inserts(where, *log))

    async def unread(user: User, seq: int, limit: int = 99) -> int:
        (found,) = (await repository.messages.unread(user, [(where.room_id, seq)], limit=limit)).values()
        assert found.mentions == 0
        return found.messages

    theirs = [10, 11, 13, 14, 16, 17, 19]
    for seq in (0, 9, 10, 12, 14, 18, 19, 99):
        assert await unread(ANN, seq) == len([each for each in theirs if each > seq])
    assert await unread(BOB, 0) == 3
    assert await unread(User("u_cy", "cy"), 0) == 10
    assert [await unread(ANN, 0, limit) for limit in (0, 1, 6, 7, 8)] == [0, 1, 6, 7, 7]
    await writer.write([delete(where, 10, 30), delete(where, 12, 31), edit(where, log[3], 32, "x")])
    assert await unread(ANN, 0) == 6
    assert await unread(BOB, 0) == 2


async def test_unread_messages_are_counted_per_room(repository: Storage, writer: Writer) -> None:
    """Also empty rooms and unknown ones."""
    rooms = [room() for _ in range(100)]
    unknown = room()
    for where in rooms:
        await writer.write([InsertRoom(where)])
    batch = [
        write
        for n, where in enumerate(rooms[1:], 1)
        for write in inserts_more(
            where,
            *(message(where, seq, sender_id="u_bob", mentions=("ann",) * (seq % 2)) for seq in range(1, n % 9 + 1)),
        )
    ]
    await writer.write(batch)
    cursors = [(where.room_id, n % 4) for n, where in enumerate(rooms)]
    found = await repository.messages.unread(ANN, [*cursors, (unknown.room_id, 0)], limit=3)
    expected = {unknown.room_id: Unread(0, 0)}
    for n, where in enumerate(rooms):
        above = [seq for seq in range(1, n % 9 + 1) if seq > n % 4]
        expected[where.room_id] = Unread(min(len(above), 3), min(sum(seq % 2 for seq in above), 3))
    assert found == expected
    assert await repository.messages.unread(ANN, [], limit=3) == {}
    assert set((await repository.messages.unread(ANN, cursors, limit=0)).values()) == {Unread(0, 0)}


async def test_mentions_are_counted_by_case_folded_name(repository: Storage, writer: Writer) -> None:
    """Each message once, the first unread ones and the last."""
    where, other = room(), room()
    mentions = [("ann",), (), ("bob", "ann"), ("bob",), ("ann", "ann"), ("anna",), ("ANN",)]
    log = [message(where, n, sender_id="u_cy", mentions=names) for n, names in enumerate(mentions, 1)]
    elsewhere = message(other, 1, sender_id="u_cy", mentions=("ann",))
    mine = message(where, 8, sender_id="u_ann", mentions=("ann", "bob"))
    await writer.write([*inserts(where, *log, mine), *inserts(other, elsewhere)])

    async def unread(user: User, seq: int, limit: int = 99) -> Unread:
        return (await repository.messages.unread(user, [(where.room_id, seq)], limit=limit))[where.room_id]

    assert await unread(ANN, 0) == Unread(7, 3)
    assert await unread(ANN, 1) == Unread(6, 2)
    assert await unread(ANN, 4) == Unread(3, 1)
    assert await unread(ANN, 0, limit=2) == Unread(2, 2)
    assert await unread(BOB, 0) == Unread(8, 3)
    assert await unread(User("u_x", "\uff21\uff2e\uff2e"), 0) == Unread(8, 4)  # full width


async def test_mentions_follow_edits_and_deletions(repository: Storage, writer: Writer) -> None:
    where = room()
    log = [message(where, n, sender_id="u_cy", mentions=("ann",)) for n in range(1, 5)]
    log.append(message(where, 5, sender_id="u_cy"))
    await writer.write(inserts(where, *log))

    async def mentions(user: User) -> Unread:
        return (await repository.messages.unread(user, [(where.room_id, 0)], limit=9))[where.room_id]

    assert await mentions(ANN) == Unread(5, 4)
    await writer.write([edit(where, log[0], 6, "x", mentions=("bob",)), edit(where, log[4], 7, "y", mentions=("ann",))])
    assert await mentions(ANN) == Unread(5, 4)
    assert await mentions(BOB) == Unread(5, 1)
    await writer.write([delete(where, 2, 8), delete(where, 5, 9), edit(where, log[2], 10, "z")])
    assert await mentions(ANN) == Unread(3, 1)
    await writer.write(inserts_more(where, log[1], log[3]))  # once more: nothing is restored
    assert await mentions(ANN) == Unread(3, 1)
    # Edited after it was deleted: it stays deleted.
    await writer.write([edit(where, log[1], 11, "x", mentions=("ann", "bob"))])
    assert await mentions(ANN) == Unread(3, 1)
    assert await mentions(BOB) == Unread(3, 1)


async def test_unread_counts_need_no_member_row(repository: Storage, writer: Writer) -> None:
    """The caller supplies the read cursor."""
    where = room()
    await writer.write([*inserts(where, message(where, 1, sender_id="u_bob")), RemoveMember(where.room_id, "u_ann")])
    assert await repository.messages.unread(ANN, [(where.room_id, 0)], limit=9) == {where.room_id: Unread(1, 0)}


async def test_mentions_by_a_blocked_user_do_not_count(repository: Storage, writer: Writer) -> None:
    where, reader, rude = room(), User(new_token("u_"), "zoe"), new_token("u_")
    log = [message(where, n, sender_id=rude if n % 2 else "u_bob", mentions=("zoe",)) for n in range(1, 6)]
    await writer.write(inserts(where, *log))

    async def unread(limit: int = 99) -> Unread:
        return (await repository.messages.unread(reader, [(where.room_id, 0)], limit=limit))[where.room_id]

    assert await unread() == Unread(5, 5)
    assert await repository.safety.block_user(reader.id, rude, NOW, 9, noted("user_block"))
    assert await unread() == Unread(5, 2)
    assert await unread(1) == Unread(1, 1)
    assert await repository.safety.unblock_user(reader.id, rude, noted("user_block"))
    assert await unread() == Unread(5, 5)
