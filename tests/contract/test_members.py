"""Member rows: roles, bans, invitations and read cursors."""

from typing import Any

import pytest
from msgspec.structs import replace

from model.room import FOREVER, Invitation, Member, RoomKind, User
from storage.ports.rooms import ExpireGuests, ExpireInvitations, InsertRoom, RemoveMember, UpdateRoom
from storage.ports.storage import NO_ROOM, STORED, Removed, Storage, Writer
from tests.contract.records import member, room, sets

FULL = Member(User("u_cy", "cy 'q\" %s"), "moderator", 1, 2, 3, FOREVER, 5, "spam,\n{NULL} 日本", account_role="admin")


async def test_a_member_row_is_read_back_completely(repository: Storage, writer: Writer) -> None:
    where = room()
    follower = Member(User("u_bob", "bob"), read_seq=2**53 - 1)
    assert await writer.write([InsertRoom(where), *sets(where, FULL, follower)]) == [STORED] * 3
    assert await repository.rooms.find_member(where.room_id, "u_cy") == FULL
    assert await repository.rooms.find_member(where.room_id, "u_bob") == follower
    assert await repository.rooms.find_member(where.room_id, "u_dan") is None
    assert await repository.rooms.find_member(room().room_id, "u_cy") is None


async def test_several_rows_are_read_together(repository: Storage, writer: Writer) -> None:
    """By user id, each once, in whatever order and how often it is asked for; users without one are omitted."""
    where, other = room(), room()
    follower = Member(User("u_bob", "bob"), read_seq=7)
    await writer.write([InsertRoom(where), InsertRoom(other), *sets(where, FULL, follower, member())])
    await writer.write(sets(other, Member(User("u_dan", "dan"), "member")))
    asked = ["u_cy", "u_dan", "u_bob", "u_cy", "U_ANN"]
    assert await repository.rooms.find_members(where.room_id, asked) == [follower, FULL]
    assert await repository.rooms.find_members(where.room_id, []) == []
    assert await repository.rooms.find_members(room().room_id, asked) == []


async def test_a_later_row_replaces_an_earlier_one(repository: Storage, writer: Writer) -> None:
    """Also within a batch, and completely: including a removed role and an ended ban."""
    where = room()
    after = Member(User("u_cy", "Cy"), read_seq=9)
    assert await writer.write([InsertRoom(where), *sets(where, FULL, member(), after)]) == [STORED] * 4
    assert await repository.rooms.find_member(where.room_id, "u_cy") == after
    assert await writer.write(sets(where, FULL)) == [STORED]
    assert await repository.rooms.find_member(where.room_id, "u_cy") == FULL


async def test_a_removed_member_is_gone(repository: Storage, writer: Writer) -> None:
    where, other = room(), room()
    await writer.write([InsertRoom(where), InsertRoom(other), *sets(where, FULL, member()), *sets(other, FULL)])
    gone = RemoveMember(where.room_id, "u_cy")
    for _ in range(2):
        assert (
            await writer.write([gone, RemoveMember(where.room_id, "u_eve"), RemoveMember(room().room_id, "u_cy")])
            == [STORED] * 3
        )
        assert await repository.rooms.find_member(where.room_id, "u_cy") is None
    assert await repository.rooms.find_member(where.room_id, "u_ann") == member()
    assert await repository.rooms.find_member(other.room_id, "u_cy") == FULL
    assert await writer.write([*sets(where, FULL), gone, *sets(where, replace(FULL, read_seq=77))]) == [STORED] * 3
    assert await repository.rooms.find_member(where.room_id, "u_cy") == replace(FULL, read_seq=77)


async def test_a_missing_room_has_no_members(repository: Storage, writer: Writer) -> None:
    where, unknown = room(), room()
    outcomes = await writer.write([InsertRoom(where), *sets(unknown, member()), *sets(where, member())])
    assert outcomes == [STORED, NO_ROOM, STORED]
    assert await repository.rooms.find_member(unknown.room_id, "u_ann") is None
    assert await repository.rooms.find_member(where.room_id, "u_ann") == member()


async def test_rooms_of_a_user_are_listed_by_last_use(repository: Storage, writer: Writer) -> None:
    """Rooms of every kind, without those where the user is only banned or was a member earlier."""
    me = f"u_{room().room_id}"
    kinds: tuple[RoomKind, ...] = ("direct", "private", "ephemeral", "public", "public", "public", "direct")
    rooms = [room(f"{me} {number}", kind=kind) for number, kind in enumerate(kinds)]
    rows = [
        member(me),
        member(me, "owner", joined_at=1),
        member(me, None, read_seq=4),
        member(me, None, banned_until=FOREVER, joined_at=9),
        member(me, None, seen_at=9, muted_until=5),
        member(me, joined_at=2, seen_at=3),
        member(me),
    ]
    await writer.write([InsertRoom(each) for each in (*rooms, room())])
    await writer.write([each for where, row in zip(rooms, rows, strict=True) for each in sets(where, row)])
    await writer.write(sets(rooms[0], member("u_other")))
    expected = [(rooms[number], rows[number]) for number in (2, 5, 1, 0, 6)]
    assert await repository.rooms.rooms_of(me, limit=9) == expected
    assert await repository.rooms.rooms_of(me, limit=2) == expected[:2]
    assert await repository.rooms.rooms_of(me, limit=0) == []
    assert await repository.rooms.rooms_of(f"{me}x", limit=9) == []


PEOPLE = [
    member("u1"),
    member("u2", "owner"),
    member("u3", None, read_seq=5),
    member("u4", "readonly"),
    member("u5", banned_until=3),
    member("u6", None, muted_until=FOREVER),
    member("u7", "moderator"),
    member("u8", None, seen_at=5, joined_at=3, reason="was banned"),
    member("U9"),
]


async def test_members_with_a_special_row_are_found(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write([InsertRoom(where), *sets(where, *reversed(PEOPLE))])
    assert await repository.rooms.special_members(where.room_id) == [PEOPLE[n] for n in (1, 3, 4, 5, 6)]
    assert await repository.rooms.special_members(room().room_id) == []
    await writer.write(sets(where, member("u2"), member("u1", "moderator"), member("u5")))
    assert [each.user.id for each in await repository.rooms.special_members(where.room_id)] == ["u1", "u4", "u6", "u7"]


async def test_members_are_listed_in_pages(repository: Storage, writer: Writer) -> None:
    """Every user with a role, by id."""
    where, other = room(), room()
    batch = [InsertRoom(where), InsertRoom(other), *sets(where, *PEOPLE), *sets(other, member("u4"))]
    await writer.write(batch)
    everybody = [PEOPLE[n] for n in (8, 0, 1, 3, 4, 6)]
    assert await repository.rooms.members(where.room_id, after="", limit=99) == everybody
    assert await repository.rooms.members(where.room_id, after="", limit=2) == everybody[:2]
    assert await repository.rooms.members(where.room_id, after="u1", limit=2) == everybody[2:4]
    assert await repository.rooms.members(where.room_id, after="u3", limit=9) == everybody[3:]
    assert await repository.rooms.members(where.room_id, after="u7", limit=9) == []
    assert await repository.rooms.members(where.room_id, after="", limit=0) == []
    assert await repository.rooms.members(room().room_id, after="", limit=9) == []


async def test_members_of_several_rooms_are_counted(repository: Storage, writer: Writer) -> None:
    where, other, empty, unknown = (room() for _ in range(4))
    await writer.write([*map(InsertRoom, (where, other, empty)), *sets(where, *PEOPLE), *sets(other, member("u4"))])
    await writer.write(sets(empty, member("u1", None)))
    ids = [each.room_id for each in (where, other, empty, unknown)]
    assert await repository.rooms.count_members(ids) == {where.room_id: 6, other.room_id: 1}
    await writer.write([*sets(where, member("u1", None), member("u7", None), member("u3"), member("u2", "readonly"))])
    await writer.write([RemoveMember(where.room_id, "u4"), RemoveMember(other.room_id, "u4")])
    assert await repository.rooms.count_members(ids) == {where.room_id: 4}
    assert await repository.rooms.count_members([]) == {}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "a batch each"])
async def test_a_user_is_found_under_the_name_stored_last(repository: Storage, writer: Writer, together: bool) -> None:
    """In any room."""
    me = f"u_{room().room_id}"
    assert await repository.rooms.find_user(me) is None
    rooms = [room() for _ in range(20)]
    await writer.write([InsertRoom(each) for each in rooms])
    assert await repository.rooms.account_role(me) == ""
    batch = [each for n, where in enumerate(rooms) for each in sets(where, member(me, name=f"name {n}"))]
    for writes in [batch] if together else [[each] for each in batch]:
        await writer.write(writes)
    assert await repository.rooms.find_user(me) == User(me, "name 19")
    await writer.write(sets(rooms[3], member(me, name="another", account_role="organizer")))
    assert await repository.rooms.find_user(me) == User(me, "another")
    assert await repository.rooms.account_role(me) == "organizer"
    await writer.write([RemoveMember(rooms[3].room_id, me)])
    assert await repository.rooms.find_user(me) == User(me, "name 19")
    assert await repository.rooms.account_role(me) == ""
    await writer.write([RemoveMember(each.room_id, me) for each in rooms])
    assert await repository.rooms.find_user(me) is None


async def test_two_users_share_a_room_only_if_both_have_a_role_or_read_cursor(
    repository: Storage, writer: Writer
) -> None:
    """A room where one of them is only banned, muted or was earlier does not count."""
    me, other, third = (f"u_{room().room_id}" for _ in range(3))
    where, elsewhere = room(kind="private"), room()
    await writer.write(
        [InsertRoom(where), InsertRoom(elsewhere), *sets(where, member(me)), *sets(elsewhere, member(other))]
    )
    assert not await repository.rooms.share_a_room(me, other)
    for row, shared in (
        (member(other, None, banned_until=FOREVER, muted_until=3, seen_at=9, joined_at=3), False),
        (member(other, None, read_seq=1), True),
        (member(other, "readonly"), True),
    ):
        await writer.write(sets(where, row))
        for one, two in ((me, other), (other, me)):
            assert await repository.rooms.share_a_room(one, two) == shared, row
    assert not await repository.rooms.share_a_room(me, third)
    await writer.write([UpdateRoom(replace(where, deleted_at=where.created_at))])
    assert not await repository.rooms.share_a_room(me, other)


def offer(user_id: str, made_at: int, **fields: Any) -> Member:
    """Return an invitation by a user whose name is difficult to store."""
    return member(user_id, None, invitation=Invitation(User("u_boss", "b'o\"ss 日本"), made_at), **fields)


async def test_invitations_of_a_user_are_listed_newest_first(repository: Storage, writer: Writer) -> None:
    """Rows of members and of ended invitations are not included."""
    me = f"u_{room().room_id}"
    rooms = [room(f"{me} {number}") for number in range(6)]
    rows = [offer(me, 5), offer(me, 7), offer(me, 5, read_seq=3), member(me), offer(me, 2), offer(me, FOREVER)]
    await writer.write([InsertRoom(each) for each in rooms])
    await writer.write([each for where, row in zip(rooms, rows, strict=True) for each in sets(where, row)])
    await writer.write(sets(rooms[0], offer("u_other", 9)))
    expected = [(rooms[number], rows[number]) for number in (5, 1, 0, 2)]
    assert await repository.rooms.invitations(me, after=2, limit=9) == expected
    assert await repository.rooms.invitations(me, after=2, limit=3) == expected[:3]
    assert await repository.rooms.invitations(me, after=FOREVER, limit=9) == []
    assert await repository.rooms.invitations(f"{me}x", after=0, limit=9) == []
    assert [record for record, _ in await repository.rooms.rooms_of(me, limit=9)] == [rooms[2], rooms[3]]
    assert await repository.rooms.special_members(rooms[1].room_id) == [rows[1]]
    assert await repository.rooms.members(rooms[1].room_id, after="", limit=9) == []
    await writer.write(sets(rooms[5], member(me, None)))
    await writer.write([UpdateRoom(replace(rooms[1], deleted_at=rooms[1].created_at)), *sets(rooms[0], member(me))])
    assert await repository.rooms.invitations(me, after=2, limit=9) == [(rooms[2], rows[2])]


async def test_old_invitations_are_removed(repository: Storage, writer: Writer) -> None:
    """Some at a time; a row with other content is kept unchanged."""
    me, where = f"u_{room().room_id}", [room() for _ in range(7)]
    stay = [
        member(me),
        offer(me, 5),
        offer(me, 2, read_seq=1),
        offer(me, 2, banned_until=9),
        offer(me, 2, muted_until=9),
    ]
    gone = [offer(me, 2), offer(me, 4, seen_at=3, reason="was banned")]
    await writer.write([InsertRoom(each) for each in where])
    await writer.write([each for at, row in zip(where, [*stay, *gone], strict=True) for each in sets(at, row)])
    assert await writer.write([ExpireInvitations(4, 1)]) == [Removed(1)]
    await writer.write([ExpireInvitations(4, 100)])  # other tests have left some too
    assert await writer.write([ExpireInvitations(4, 1)]) == [Removed(0)]
    found = [await repository.rooms.find_member(each.room_id, me) for each in where]
    assert found == [*stay, None, None]
    assert await writer.write([ExpireInvitations(4, 0), ExpireInvitations(0, 9)]) == [Removed(0)] * 2


async def test_long_absent_guests_are_removed(repository: Storage, writer: Writer) -> None:
    """In public and ephemeral rooms, some at a time; bans and mutes are kept until they end."""
    public, ephemeral, private = room(kind="public"), room(), room(kind="private")

    def guest(name: str, role: Any = "member", **fields: Any) -> Member:
        return member(f"g_{name}{public.room_id}", role, **{"joined_at": 1, "seen_at": 5, "read_seq": 4, **fields})

    gone = [guest("a"), guest("b", None), guest("c", banned_until=9), guest("d", muted_until=20)]
    stay = [
        guest("seen", seen_at=10),
        guest("joined", joined_at=10),
        guest("read", read_seq=10),
        guest("moderator", "moderator"),
        guest("readonly", "readonly"),
        guest("banned", None, banned_until=21),
        guest("muted", muted_until=21),
        guest("here"),
        member(f"u_{public.room_id}", joined_at=1, seen_at=1, read_seq=1),
    ]
    await writer.write([InsertRoom(public), InsertRoom(ephemeral), InsertRoom(private)])
    await writer.write([*sets(public, *gone, *stay), *sets(ephemeral, *gone), *sets(private, *gone)])
    expire = ExpireGuests(10, 20, [stay[7].user.id], 3)
    counts = []
    while (outcomes := await writer.write([expire])) != [Removed(0)]:
        counts += [outcome.count for outcome in outcomes if isinstance(outcome, Removed)]
    assert max(counts) == 3
    assert sum(counts) >= 8  # other tests have left some too
    for where, left in ((public, stay), (ephemeral, []), (private, gone)):
        found = [await repository.rooms.find_member(where.room_id, each.user.id) for each in (*gone, *stay)]
        assert [each.user.id for each in found if each is not None] == [each.user.id for each in left]
