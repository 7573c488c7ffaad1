"""A snapshot of memory is what was stored at its moment, whatever happens while it is read."""

from msgspec.structs import replace

from model.room import Member, User
from storage.memory.storage import MemoryStorage
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import InsertRoom, SetMember, UpdateRoom
from storage.ports.storage import STORED
from storage.ports.transfer import Record, Room, Secret, StoredMember, StoredMessage
from tests.contract.records import inserts, message, room, sets


async def test_a_snapshot_does_not_change_while_it_is_read() -> None:
    storage = MemoryStorage(memory_messages=3)
    await storage.start()
    writer, plans = storage.writer(), room()
    texts = [message(plans, seq=seq, content=f"text {seq}") for seq in (11, 12, 13)]
    rows = [Member(User(f"u_{name}", name), role="member") for name in ("ann", "bob")]
    assert set(await writer.write([*inserts(plans, *texts), *sets(plans, *rows)])) == {STORED}

    found = storage.snapshot(sessions=True)
    head = next(found)
    assert isinstance(head, Secret)
    await writer.write(
        [
            ChangeMessage(plans.room_id, 12, 20, content="edited", first_body=1),
            InsertMessage(plans.room_id, message(plans, seq=21)),  # which evicts the first
            SetMember(plans.room_id, replace(rows[0], role="owner")),
            UpdateRoom(replace(plans, title="later")),
            InsertRoom(room()),
        ]
    )
    left: list[Record] = list(found)
    assert [one.room for one in left if isinstance(one, Room)] == [plans]
    assert [one.member for one in left if isinstance(one, StoredMember)] == rows
    assert [(one.seq, one.content) for one in left if isinstance(one, StoredMessage)] == [
        (11, "text 11"),
        (12, "text 12"),
        (13, "text 13"),
    ]
    assert not any(isinstance(one, Secret) for one in storage.snapshot(sessions=False))
    await writer.close()
    await storage.close()
