"""What the work in all rooms for an account reads and writes, over every backend."""

from msgspec.structs import replace

from model.room import Invitation, NetworkSanction, RoomRecord, User
from storage.ports.messages import ENDLESS, ChangeMessage
from storage.ports.rooms import InsertRoom, SetMember, SetSanction, UpdateRoom
from storage.ports.storage import STORED, Storage, Writer
from tests.contract.records import at, inserts, member, message, room
from utils.ids import new_room_id, new_token


async def deleted(writer: Writer, record: RoomRecord) -> RoomRecord:
    after = replace(record, deleted_at=at(9))
    assert await writer.write([UpdateRoom(after)]) == [STORED]
    return after


async def test_a_window_of_a_log_has_the_messages_of_its_senders(repository: Storage, writer: Writer) -> None:
    where = room()
    by = {"sender_id": "a_ann", "sender": "Ann"}
    log = [message(where, seq, f"m{seq}", **(by if seq % 2 else {})) for seq in range(1, 8)]
    await writer.write([*inserts(where, *log), ChangeMessage(where.room_id, 3, 20, deleted_at=at(20))])
    found, after = await repository.messages.by_senders(where, ["a_ann", "g_1"], after=-1, limit=4)
    assert ([m.seq for m in found], after) == ([1, 3], 4)
    assert found[1].deleted_at == at(20)
    assert found[1].content == "m3"
    found, after = await repository.messages.by_senders(where, ["a_ann", "g_1"], after=4, limit=4)
    assert ([m.seq for m in found], after) == ([5, 7], None)
    assert await repository.messages.by_senders(where, ["a_ann"], after=7, limit=4) == ([], None)
    assert await repository.messages.by_senders(where, ["a_ann"], after=3, limit=4) == (found, 7)
    assert await repository.messages.by_senders(where, ["g_1"], after=-1, limit=7) == ([], 7)
    assert await repository.messages.by_senders(room(), ["a_ann"], after=-1, limit=4) == ([], None)


async def test_the_author_of_a_message_is_found_among_the_newest_ones(repository: Storage, writer: Writer) -> None:
    where = room()
    names = {1: "Ann", 2: "Ann Lee", 3: "Ann", 4: "Bob"}
    log = [message(where, seq, f"m{seq}", sender_id=f"g_{name[0]}", sender=name) for seq, name in names.items()]
    await writer.write([*inserts(where, *log), ChangeMessage(where.room_id, 2, 20, deleted_at=at(20))])
    find = repository.messages.find_sender
    assert await find(where, "g_A", limit=3) == User("g_A", "Ann")
    assert await find(where, "g_B", limit=1) == User("g_B", "Bob")
    assert await find(where, "g_A", limit=1) is None
    assert await find(where, "g_C", limit=100) is None
    assert await find(room(), "g_A", limit=100) is None


async def test_the_rooms_in_which_users_have_written_are_found_a_window_at_a_time(
    repository: Storage, writer: Writer
) -> None:
    ann, bob = new_token("a_"), new_token("u_")
    first = new_room_id()  # next to each other, without rooms of other tests in between
    rooms = [replace(room(), room_id=first + number) for number in range(4)]
    for where, senders in zip(rooms, ([bob, ann, ann], [bob, bob], [], [ann]), strict=True):
        log = [message(where, seq, f"m{seq}", sender_id=of, id=None) for seq, of in enumerate(senders, 1)]
        await writer.write(inserts(where, *log))
    one, two, _, four = (where.room_id for where in rooms)
    find = repository.messages.rooms_of_senders
    assert await find([ann, "g_1"], after=(one - 1, ENDLESS), limit=4) == ([(one, 2)], (two, 1))
    assert await find([ann, bob], after=(one, 2), limit=2) == ([(one, 3), (two, 1)], (two, 1))
    found, following = await find([ann], after=(two, 1), limit=1)
    assert (found, following) == ([], (two, 2))
    assert await find([ann], after=(two, 2), limit=1) == ([(four, 1)], (four, 1))
    found, following = await find([ann], after=(four, 1), limit=10_000)
    assert (found, following) == ([], None)


async def test_the_id_that_its_author_gave_a_message_is_forgotten(repository: Storage, writer: Writer) -> None:
    where = room()
    first = message(where, 1, "secret", id="mine")
    await writer.write([*inserts(where, first), ChangeMessage(where.room_id, 1, 5, "", forget_id=True)])
    assert await repository.messages.find_posted(where.room_id, first.sender_id, "mine") is None
    (found,) = await repository.messages.history(where, limit=9)
    assert found.id is None
    await writer.write([ChangeMessage(where.room_id, 1, 6, "x", forget_id=True)])


async def test_rooms_with_sanctions_that_follow_a_guest(repository: Storage, writer: Writer) -> None:
    guest = new_token("g_")
    rooms = sorted((room() for _ in range(3)), key=lambda one: one.room_id)
    await writer.write([InsertRoom(record) for record in rooms])
    for where, of in zip(rooms, (guest, "g_other", guest), strict=True):
        for network in ("192.0.2.0/24", "198.51.100.7"):
            await writer.write([SetSanction(where.room_id, NetworkSanction(network, of, 2**50))])
    assert await repository.rooms.rooms_sanctioned_for([guest, "a_none"]) == [rooms[0], rooms[2]]
    assert await repository.rooms.rooms_sanctioned_for([]) == []


async def test_the_log_of_a_deleted_room_is_read_and_changed(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where, message(where, 1, "secret")))
    where = await deleted(writer, where)
    change = ChangeMessage(where.room_id, 1, 5, "", deleted_at=at(5), sender="deleted user")
    assert await writer.write([change]) == [STORED]
    (found,), _ = await repository.messages.by_senders(where, ["u_ann"], after=-1, limit=9)
    assert (found.content, found.sender, found.sender_id, found.version) == ("", "deleted user", "u_ann", 5)


async def test_a_new_sender_is_in_quotes_and_found_by_name(repository: Storage, writer: Writer) -> None:
    where = room()
    first = message(where, 1, "hello")
    second = replace(message(where, 2, "hi", sender="bob", sender_id="u_bob"), reply_to=None)
    await writer.write([*inserts(where, first, second), ChangeMessage(where.room_id, 1, 5, sender="Anna")])
    assert [m.seq for m in await repository.messages.history(where, limit=9, sender="Anna")] == [1]
    assert await repository.messages.history(where, limit=9, sender="ann") == []
    assert [m.content for m in await repository.messages.changed(where, after=2, until=2, limit=9)] == ["hello"]


async def test_a_message_of_a_guest_is_the_alias_of_an_account(repository: Storage, writer: Writer) -> None:
    """Also after later changes, and once it is deleted."""
    where = room()
    await writer.write(inserts(where, message(where, 1, "hello")))
    changes = [
        ChangeMessage(where.room_id, 1, 5, sender="Ann", alias_of="a_ann"),
        ChangeMessage(where.room_id, 1, 6, "hello, all", edited_at=at(6)),
    ]
    for change in changes:
        assert await writer.write([change]) == [STORED]
    (found,) = await repository.messages.history(where, limit=9)
    assert (found.alias_of, found.author_id, found.sender_id) == ("a_ann", "a_ann", "u_ann")
    await writer.write([ChangeMessage(where.room_id, 1, 7, deleted_at=at(7))])
    (gone,) = await repository.messages.changed(where, after=5, until=9, limit=9)
    assert (gone.alias_of, gone.content) == ("a_ann", "")


async def test_all_rooms_are_listed_by_id(repository: Storage, writer: Writer) -> None:
    rooms = sorted((room(kind=kind) for kind in ("ephemeral", "private", "direct")), key=lambda one: one.room_id)
    await writer.write([InsertRoom(record) for record in rooms])
    rooms[1] = await deleted(writer, rooms[1])
    for number, record in enumerate(rooms):
        before = record.room_id - 1
        assert await repository.rooms.all_rooms(after=before, limit=1) == [rooms[number]]
    assert await repository.rooms.all_rooms(after=2**63 - 1, limit=9) == []
    assert await repository.rooms.all_rooms(after=-1, limit=0) == []


async def test_every_row_of_a_user_is_listed_by_room(repository: Storage, writer: Writer) -> None:
    user_id = new_token("a_")
    rooms = sorted((room() for _ in range(4)), key=lambda one: one.room_id)
    rows = [
        member(user_id, "owner"),
        member(user_id, None, banned_until=7),
        replace(member(user_id, None), invitation=Invitation(User("u_bob", "bob"), 5)),
        member(user_id),
    ]
    await writer.write([InsertRoom(record) for record in rooms])
    await writer.write([SetMember(where.room_id, row) for where, row in zip(rooms, rows, strict=True)])
    listed = await repository.rooms.rows_of(user_id, after=-1, limit=9)
    assert listed == list(zip(rooms, rows, strict=True))
    assert await repository.rooms.rows_of(user_id, after=rooms[0].room_id, limit=2) == listed[1:3]
    await deleted(writer, rooms[3])
    assert await repository.rooms.rows_of(user_id, after=-1, limit=9) == listed[:3]


async def test_rooms_with_invitations_by_a_user(repository: Storage, writer: Writer) -> None:
    host = User(new_token("a_"), "host")
    rooms = sorted((room() for _ in range(3)), key=lambda one: one.room_id)
    await writer.write([InsertRoom(record) for record in rooms])
    for where, by in zip(rooms, (host, User("u_bob", "bob"), host), strict=True):
        invited = [replace(member(f"u_{one}", None), invitation=Invitation(by, 5)) for one in ("x", "y")]
        await writer.write([SetMember(where.room_id, row) for row in invited])
    assert await repository.rooms.rooms_invited_to_by([host.id, "a_none"]) == [rooms[0], rooms[2]]
    assert await repository.rooms.rooms_invited_to_by([]) == []
