"""Sanctions of rooms, over every backend."""

from msgspec.structs import replace

from model.room import NetworkSanction, RoomRecord
from storage.ports.rooms import ExpireSanctions, InsertRoom, SetSanction, UpdateRoom
from storage.ports.storage import STORED, Removed, Storage, Writer
from tests.contract.records import room

BAN = NetworkSanction("192.0.2.1", "g_1", banned_until=500)
MUTE = NetworkSanction("192.0.2.1", "g_2", muted_until=700)
WIDE = NetworkSanction("2001:db8::/64", "g_1", banned_until=900, muted_until=300)


async def sanctioned(writer: Writer, *sanctions: NetworkSanction) -> RoomRecord:
    record = room()
    writes = [SetSanction(record.room_id, one) for one in sanctions]
    assert await writer.write([InsertRoom(record), *writes]) == [STORED] * (1 + len(writes))
    return record


async def test_sanctions_are_listed_by_network_and_guest(repository: Storage, writer: Writer) -> None:
    record = await sanctioned(writer, WIDE, MUTE, BAN)
    await sanctioned(writer, BAN)
    assert await repository.rooms.sanctions(record.room_id) == [BAN, MUTE, WIDE]


async def test_the_last_write_of_a_batch_counts(repository: Storage, writer: Writer) -> None:
    record = await sanctioned(writer, BAN, replace(BAN, banned_until=800), MUTE, replace(MUTE, muted_until=0))
    assert await repository.rooms.sanctions(record.room_id) == [replace(BAN, banned_until=800)]
    await writer.write([SetSanction(record.room_id, NetworkSanction(BAN.network, BAN.guest_id))])
    assert await repository.rooms.sanctions(record.room_id) == []


async def test_sanctions_expire(repository: Storage, writer: Writer) -> None:
    record = await sanctioned(writer, BAN, MUTE, WIDE)
    (outcome,) = await writer.write([ExpireSanctions(BAN.banned_until, 1000)])
    assert isinstance(outcome, Removed)
    assert await repository.rooms.sanctions(record.room_id) == [MUTE, WIDE]
    assert await writer.write([ExpireSanctions(MUTE.muted_until, 0)]) == [Removed(0)]
    assert await repository.rooms.sanctions(record.room_id) == [MUTE, WIDE]


async def test_a_deleted_room_has_none(repository: Storage, writer: Writer) -> None:
    record = await sanctioned(writer, BAN)
    deleted = replace(record, deleted_at=record.created_at)
    await writer.write([UpdateRoom(deleted), SetSanction(record.room_id, MUTE)])
    assert await repository.rooms.sanctions(record.room_id) == []
    assert await writer.write([SetSanction(1, BAN)]) == [STORED]
