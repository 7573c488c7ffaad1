"""The audit log, over every backend."""

from typing import Any

import pytest
from msgspec.structs import replace

from model.audit import AuditEntry, AuditFilter
from model.room import User
from storage.ports.messages import ENDLESS, ChangeMessage
from storage.ports.rooms import RemoveMember, SetMember, UpdateRoom
from storage.ports.storage import NO_ROOM, STORED, Refused, Storage, Write, Writer
from tests.contract.records import at, inserts, member, message, room
from tests.support.accounts import NOW, noted
from utils.ids import new_token


async def log_of(repository: Storage, actor: User, **more: Any) -> list[AuditEntry]:
    found = await repository.audit.page(AuditFilter(actor.id, **more), before=ENDLESS, limit=99)
    return [one for _, one in found]


def someone() -> User:
    return User(new_token("u_"), "ann")


async def test_an_entry_is_stored_once(repository: Storage) -> None:
    ann = someone()
    entries = [
        noted("ban", ann, target=User("g_1", 'b"o\\b'), address="192.0.2.1", room="plans", detail="3600 s"),
        noted("login_failed", ann, result="refused"),
    ]
    await repository.audit.append(entries)
    await repository.audit.append([replace(entries[0], detail="changed"), *entries])
    await repository.audit.append([])
    assert await log_of(repository, ann) == entries[::-1]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, [3, 2, 1, 0]),
        ({"action": "ban"}, [3, 0]),
        ({"target": "g_1"}, [0]),
        ({"room": "plans"}, [1, 0]),
        ({"since": NOW + 1}, [3, 2, 1]),
        ({"until": NOW + 1}, [0]),
        ({"since": NOW + 1, "until": NOW + 3, "action": "mute", "room": "plans"}, [1]),
        ({"room": ""}, [3, 2]),
        ({"target": "a\0b"}, []),
    ],
)
async def test_filters_all_apply(repository: Storage, more: dict[str, Any], found: list[int]) -> None:
    ann = someone()
    entries = [
        noted("ban", ann, target=User("g_1", "x"), room="plans"),
        noted("mute", ann, room="plans", at=NOW + 1),
        noted("mute", ann, target=User("g_2", "x"), at=NOW + 2),
        noted("ban", ann, at=NOW + 3),
    ]
    await repository.audit.append(entries)
    assert await log_of(repository, ann, **more) == [entries[at] for at in found]


async def test_pages_continue_below_a_number(repository: Storage) -> None:
    ann = someone()
    entries = [noted("login", ann) for _ in range(5)]
    await repository.audit.append(entries)
    seen, before = [], ENDLESS
    while page := await repository.audit.page(AuditFilter(ann.id), before=before, limit=2):
        seen += [one for _, one in page]
        before = page[-1][0]
    assert seen == entries[::-1]


async def test_old_entries_are_removed(repository: Storage) -> None:
    ann = someone()
    old, new = noted("login", ann, at=5), noted("login", ann, at=9)
    await repository.audit.append([new, old])
    while await repository.audit.expire(9, 1):
        pass
    assert await log_of(repository, ann) == [new]
    assert await repository.audit.expire(9, 1) == 0


# --- with writes in rooms --------------------------------------------------------------------------------------------


async def test_an_entry_is_stored_with_the_write_that_it_records(repository: Storage, writer: Writer) -> None:
    ann, where = someone(), room(kind="public")
    entries = [noted(action, ann) for action in ("set_role", "update_room", "delete_message", "kick")]
    await writer.write(inserts(where, message(where, 1)))
    writes: list[Write] = [
        SetMember(where.room_id, member(), entries[0]),
        UpdateRoom(replace(where, title="x"), entries[1]),
        ChangeMessage(where.room_id, 1, 2, deleted_at=at(2), audit=entries[2]),
        RemoveMember(where.room_id, "u_gone", entries[3]),
    ]
    assert await writer.write(writes) == [STORED] * 4
    assert await writer.write(writes[:1]) == [STORED]
    assert await log_of(repository, ann) == entries[::-1]
    assert await repository.rooms.find_member(where.room_id, "u_ann") == member()


async def test_a_single_write_is_stored_with_its_entry(repository: Storage, writer: Writer) -> None:
    ann, where = someone(), room()
    await writer.write(inserts(where))
    entry = noted("mute", ann)
    assert await writer.write([SetMember(where.room_id, member(), entry)]) == [STORED]
    assert await log_of(repository, ann) == [entry]


async def test_a_write_that_is_not_stored_has_no_entry(repository: Storage, writer: Writer) -> None:
    ann, where = someone(), room()
    lost = SetMember(where.room_id, member(), noted("ban", ann))
    assert await writer.write([lost]) == [NO_ROOM]
    (refused,) = await writer.write([ChangeMessage(where.room_id, 1, 2, deleted_at=at(2), audit=noted("ban", ann))])
    assert isinstance(refused, Refused)
    assert await log_of(repository, ann) == []
    assert await writer.write([*inserts(where), lost]) == [STORED, STORED]
    assert await log_of(repository, ann) == [lost.audit]


async def test_an_entry_follows_its_write_into_a_shared_statement(repository: Storage, writer: Writer) -> None:
    ann, one, two, unknown = someone(), room(), room(), room()
    stored = [SetMember(where.room_id, member(), noted("mute", ann)) for where in (one, two)]
    lost = SetMember(unknown.room_id, member(), noted("ban", ann))
    batch: list[Write] = [*inserts(one), lost, *inserts(two), *stored[::-1]]
    assert await writer.write(batch) == [STORED, NO_ROOM, STORED, STORED, STORED]
    assert await log_of(repository, ann) == [write.audit for write in stored]


async def test_what_guests_may_do_is_stored_with_the_room(repository: Storage, writer: Writer) -> None:
    where = room(guests="read")
    await writer.write(inserts(where))
    assert await repository.rooms.find_room(where.name) == where
    closed = replace(where, guests="no")
    await writer.write([UpdateRoom(closed)])
    assert await repository.rooms.find_room(where.name) == closed
