"""Rooms: storing, changing, deleting and finding them."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from model.room import RoomRecord
from storage.ports.rooms import InsertRoom, RemoveMember, UpdateRoom
from storage.ports.storage import NO_ROOM, STORED, Storage, Writer
from tests.contract.records import at, delete, inserts, inserts_more, member, message, room, sets
from utils.ids import new_room_id

FULL: dict[str, Any] = {
    "kind": "private",
    "title": "Board games",
    "topic": "who brings what\nto the table",
    "password": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    "slow_mode": 2,
    "retention_days": 30,
}


def names(rooms: Iterable[RoomRecord]) -> list[str]:
    return [each.name for each in rooms]


async def test_a_room_is_read_back_completely(repository: Storage, writer: Writer) -> None:
    where, plain = room(**FULL), room()
    assert await writer.write([InsertRoom(where), InsertRoom(plain)]) == [STORED] * 2
    assert await repository.rooms.find_room(where.name) == where
    assert await repository.rooms.find_room(plain.name) == plain


async def test_an_update_changes_everything_but_id_name_and_age(repository: Storage, writer: Writer) -> None:
    """Of two updates in a batch the later one wins."""
    where, other = room(), room(title="other")
    changed = replace(where, **FULL)
    assert await writer.write([InsertRoom(where), InsertRoom(other)]) == [STORED] * 2
    assert await writer.write([UpdateRoom(replace(where, title="first")), UpdateRoom(changed)]) == [STORED] * 2
    assert await repository.rooms.find_room(where.name) == changed
    assert await repository.rooms.find_room(other.name) == other
    renamed = replace(changed, name="another name", created_at=at(5), password=None, title="")
    assert await writer.write([UpdateRoom(renamed)]) == [STORED]
    assert await repository.rooms.find_room(where.name) == replace(changed, password=None, title="")
    assert await repository.rooms.find_room("another name") is None
    # The retry of a batch that created the room.
    assert await writer.write([InsertRoom(where)]) == [STORED]
    assert await repository.rooms.find_room(where.name) == replace(changed, password=None, title="")


async def test_a_missing_room_cannot_be_changed(repository: Storage, writer: Writer) -> None:
    where, unknown = room(), room()
    await writer.write([InsertRoom(where)])
    outcomes = await writer.write([UpdateRoom(unknown), UpdateRoom(replace(where, title="x"))])
    assert outcomes == [NO_ROOM, STORED]
    assert await repository.rooms.find_room(unknown.name) is None


async def test_a_deleted_room_is_not_found_and_frees_its_name(repository: Storage, writer: Writer) -> None:
    """It has no members, and its messages are still stored under its id."""
    where, other = room(kind="public"), room()
    said = message(where, 1)
    await writer.write([*inserts(where, said), *inserts(other), *sets(where, member()), *sets(other, member())])
    gone = replace(where, deleted_at=at(5))
    assert await writer.write([UpdateRoom(gone), UpdateRoom(replace(other, title="x"))]) == [STORED] * 2
    assert await repository.rooms.find_room(where.name) is None
    assert await repository.rooms.listed_rooms(after="", contains=where.name, limit=9) == []
    assert [each.room_id for each, _ in await repository.rooms.rooms_of("u_ann", limit=99)].count(where.room_id) == 0
    assert await repository.rooms.find_member(where.room_id, "u_ann") is None
    assert await repository.rooms.find_member(other.room_id, "u_ann") == member()
    assert await repository.rooms.members(where.room_id, after="", limit=9) == []
    assert await repository.messages.history(where, limit=9) == [said]
    assert await repository.messages.head(where.room_id) == 1
    successor = room(where.name)
    assert await writer.write(inserts(successor, message(successor, 2))) == [STORED] * 2
    assert await repository.rooms.find_room(where.name) == successor
    assert await repository.messages.history(successor, limit=9) == [message(successor, 2)]
    assert await repository.messages.history(where, limit=9) == [said]


async def test_a_deleted_room_stays_deleted(repository: Storage, writer: Writer) -> None:
    """Retried and late writes change nothing."""
    where, me = room(), f"u_{room().room_id}"
    gone = replace(where, deleted_at=at(5))
    batch = [InsertRoom(where), *sets(where, member(me)), UpdateRoom(replace(where, title="x")), UpdateRoom(gone)]
    for _ in range(2):
        assert await writer.write(batch) == [STORED] * 4
        assert await repository.rooms.find_room(where.name) is None
        assert await repository.rooms.find_member(where.room_id, me) is None
    successor = room(where.name)
    assert await writer.write([InsertRoom(successor)]) == [STORED]
    assert await writer.write(batch) == [STORED] * 4
    late = [*inserts_more(where, message(where, 7)), *sets(where, member(me)), RemoveMember(where.room_id, "u_bob")]
    assert await writer.write(late) == [STORED] * 3
    assert await repository.rooms.find_member(where.room_id, me) is None
    assert await repository.rooms.find_user(me) is None
    assert await repository.rooms.find_room(where.name) == successor


async def test_public_and_used_ephemeral_rooms_are_listed(repository: Storage, writer: Writer) -> None:
    """Public rooms, and ephemeral ones with messages to read."""
    tag = room().name
    kinds = [room(f"{tag} {kind}", kind=kind) for kind in ("ephemeral", "public", "private", "direct")]
    silent, emptied, deleted = room(f"{tag} silent"), room(f"{tag} emptied"), room(f"{tag} deleted", kind="public")
    await writer.write(
        [
            *(write for each in kinds for write in inserts(each, message(each, 1), message(each, 2))),
            InsertRoom(silent),
            *inserts(emptied, message(emptied, 1), message(emptied, 2)),
            *inserts(deleted, message(deleted, 1)),
        ]
    )
    await writer.write(
        [
            delete(kinds[0], 2, 3),
            delete(kinds[1], 1, 3),
            delete(kinds[1], 2, 4),
            delete(emptied, 1, 3),
            delete(emptied, 2, 4),
            UpdateRoom(replace(deleted, deleted_at=at(5))),
        ]
    )
    assert await repository.rooms.listed_rooms(after="", contains=tag, limit=9) == [kinds[0], kinds[1]]
    # A private room may become a public one, and the other way round.
    await writer.write([UpdateRoom(replace(kinds[1], kind="private")), UpdateRoom(replace(kinds[2], kind="public"))])
    assert names(await repository.rooms.listed_rooms(after="", contains=tag, limit=9)) == names([kinds[0], kinds[2]])


async def test_rooms_are_listed_in_pages_by_name(repository: Storage, writer: Writer) -> None:
    """Names are compared exactly."""
    tag = room().name
    rooms = [room(f"{tag} {name}", kind="public") for name in ("b", "ä", "a", "Z", "日本", "a b", "\U0001f469")]
    await writer.write([InsertRoom(each) for each in rooms])
    ordered = sorted(names(rooms))
    found: list[str] = []
    for _ in range(5):
        page = names(await repository.rooms.listed_rooms(after=found[-1] if found else "", contains=tag, limit=2))
        assert page == ordered[len(found) : len(found) + 2]
        found += page
    assert found == ordered
    assert await repository.rooms.listed_rooms(after="", contains=tag, limit=0) == []


@pytest.mark.parametrize(
    ("contains", "found"),
    [
        ("STRASSE", "Die Straße"),
        ("ße", "Die Straße"),
        ("ｓｔｒａ", "Die Straße"),
        ("die s", "Die Straße"),
        ("%", "100% _sure_"),
        ("_sure", "100% _sure_"),
        ("\\", "back\\slash"),
        ("GAMES", "titled"),
        ("d games t", None),
        ("titledboard", None),
        ("straße die", None),
        ("e\x00", None),
    ],
)
async def test_rooms_are_found_by_part_of_a_name_or_title(
    repository: Storage, writer: Writer, contains: str, found: str | None
) -> None:
    """In any case and width; no character is a wildcard."""
    tag = f"{room().room_id:x}"
    rooms = [room(f"{tag}{name}", kind="public") for name in ("Die Straße", "100% _sure_", "back\\slash")]
    rooms.append(room(f"{tag}titled", kind="public", title="Board Games"))
    await writer.write([InsertRoom(each) for each in rooms])
    listed = await repository.rooms.listed_rooms(after="", contains=contains, limit=10_000)
    assert [each.name.removeprefix(tag) for each in listed if each.name.startswith(tag)] == ([found] if found else [])


async def test_a_new_title_replaces_the_old_one_in_searches(repository: Storage, writer: Writer) -> None:
    where = room(kind="public", title=f"one {room().room_id}")
    title = f"TWO {room().room_id}"
    await writer.write([InsertRoom(where), UpdateRoom(replace(where, title=title))])
    assert await repository.rooms.listed_rooms(after="", contains=title.lower(), limit=9) == [
        replace(where, title=title)
    ]
    assert await repository.rooms.listed_rooms(after="", contains=where.title, limit=9) == []
    assert names(await repository.rooms.listed_rooms(after="", contains=where.name, limit=9)) == [where.name]


async def test_a_name_similar_to_that_of_a_lasting_room_is_found(repository: Storage, writer: Writer) -> None:
    number = new_room_id()
    like = [f"Plän{number}", f"PLÄN{number}", f"plän{number}", f"ｐｌän{number}"]
    assert not await repository.rooms.kept_like(like[0])
    for kind, is_kept in (("ephemeral", False), ("public", True), ("private", True), ("direct", False)):
        where = room(like[0], kind=kind)
        await writer.write([InsertRoom(where)])
        assert [await repository.rooms.kept_like(name) for name in like] == [False, *[is_kept] * 3], kind
        assert not await repository.rooms.kept_like(f"Plan{number}")
        await writer.write([UpdateRoom(replace(where, deleted_at=where.created_at))])
        assert not any([await repository.rooms.kept_like(name) for name in like])
    where = room(like[0])
    await writer.write([InsertRoom(where), UpdateRoom(replace(where, kind="public"))])
    assert await repository.rooms.kept_like(like[1])


async def test_a_room_is_found_by_its_id_until_it_is_deleted(repository: Storage, writer: Writer) -> None:
    made = room(kind="private", guests="read")
    await writer.write([InsertRoom(made)])
    assert await repository.rooms.find_room_by_id(made.room_id) == made
    await writer.write([UpdateRoom(replace(made, deleted_at=made.created_at))])
    assert await repository.rooms.find_room_by_id(made.room_id) is None
    assert await repository.rooms.find_room_by_id(1) is None
