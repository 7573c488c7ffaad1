"""Pending writes are stored in the order they were decided: no change overtakes the message that it changes.

A whole conversation is queued, with the changes of its room and members, and then released: in batches of any size,
with lost responses, and with rows that storage rejects, so that batches are halved and written again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chat.chat import Chat
from chat.rooms.parts import ChatOptions
from chat.writes.workers import PoolLimits
from storage.ports.storage import Storage
from tests.contract.records import until
from tests.support.chatting import Person, VirtualClock, limits, signer
from tests.support.faulty import FaultyRepository
from tests.support.world import refused
from tests.unit.chat.people import account, id_of
from utils.ids import new_token


@asynccontextmanager
async def chatting(repository: FaultyRepository, batch: int) -> AsyncIterator[Chat]:
    clock = VirtualClock()
    pool = PoolLimits(workers=1, batch=batch)
    options = ChatOptions(limits=limits(), pool=pool, presence_grace=0.0)
    chat = Chat(repository, clock, signer(clock), options)
    chat.start()
    try:
        yield chat
    finally:
        assert await chat.close(2.0) == []


def heard(person: Person, content: str) -> int:
    """Return the seq of a message."""
    return next(int(frame["seq"]) for frame in person.of("message") if frame["content"] == content)


@pytest.mark.parametrize("batch", [1, 2, 3, 500])
@pytest.mark.parametrize("fault", ["none", "lost answers", "a refused row"])
async def test_writes_are_stored_in_the_order_they_were_decided(repository: Storage, batch: int, fault: str) -> None:
    faulty = FaultyRepository(repository)
    faulty.refused = refused
    room = new_token("r", 9)
    async with chatting(faulty, batch) as chat:
        ann, ben, eve = (account(chat, f"{name}-{room}") for name in ("ann", "ben", "eve"))
        ann.send("create_room", id="c", room=room, title="One")
        await until(lambda: bool(ann.of("joined")))
        for person in (ben, eve):
            person.send("join", room=room)
        await until(lambda: bool(ben.of("joined") and eve.of("joined")))
        await until(lambda: not len(chat.parts.pool))
        faulty.hold("write")
        ann.say("first", "first", room)
        await until(lambda: bool(faulty.writing))  # later writes are queued after it, and go together
        for content in ("edited", "deleted", "reacted", "pinned", "answered", "left alone"):
            ann.say(content, content, room)
        await until(lambda: len(eve.of("message")) == 7)
        places = {frame["content"]: frame["seq"] for frame in eve.of("message")}
        ann.say("an answer", "a", room, reply_to=places["answered"])
        ann.send("edit", id="e1", room=room, seq=places["edited"], content="once")
        ann.send("delete", id="d", room=room, seq=places["deleted"])
        for person, emoji, on in ((ben, "x", True), (eve, "x", True), (ben, "y", True), (ben, "x", False)):
            person.send("react", room=room, seq=places["reacted"], emoji=emoji, on=on)
        if fault == "a refused row":
            ben.say("poison", "poison", room)
        ann.send("edit", id="e2", room=room, seq=places["edited"], content="twice")
        for on in (True, False, True):
            ann.send("pin", room=room, seq=places["pinned"], on=on)
        ann.send("update_room", room=room, title="Two")
        ann.send("set_role", room=room, user=id_of(ben), role="moderator")
        ben.send("mute", room=room, user=id_of(eve))
        ben.send("unmute", room=room, user=id_of(eve))
        ben.send("kick", room=room, user=id_of(eve))
        ann.send("set_role", room=room, user=id_of(ben), role="readonly")
        ben.send("read", room=room, seq=places["left alone"])
        ann.send("update_room", room=room, title="Three", topic="talk", private=True)
        ann.send("edit", id="e3", room=room, seq=places["edited"], content="thrice")
        ben.disconnect()
        if fault == "lost answers":
            faulty.lost_answers = 3
        faulty.go("write")
        wanted = {"c", "a", "d", "e1", "e2", "e3", "left alone"}
        await until(lambda: not len(chat.parts.pool) and wanted <= ann.acked().keys())
        assert not ann.of("error")

        record = await repository.rooms.find_room(room)
        assert record is not None
        assert (record.title, record.topic, record.kind) == ("Three", "talk", "private")
        states = {
            state.seq: state for state in await repository.messages.history(record, limit=100, include_deleted=True)
        }
        assert [state.content for state in states.values() if state.deleted_at is None] == [
            "first", "thrice", "reacted", "pinned", "answered", "left alone", "an answer",
        ]  # fmt: skip
        assert states[places["deleted"]].deleted_at is not None
        assert states[places["reacted"]].reactions == {"x": [id_of(eve)], "y": [id_of(ben)]}
        assert states[places["pinned"]].pinned_by == id_of(ann)
        versions = {frame["seq"]: frame["version"] for frame in ann.of("edited", "deleted", "reaction", "pinned")}
        assert {seq: states[seq].version for seq in versions} == versions
        rows = {row.user.id: row for row in await repository.rooms.members(record.room_id, after="", limit=10)}
        assert {user_id: row.role for user_id, row in rows.items()} == {id_of(ann): "owner", id_of(ben): "readonly"}
        assert rows[id_of(ben)].read_seq == places["left alone"]
        assert await repository.rooms.find_member(record.room_id, id_of(eve)) is None
        for person in (ann, eve):
            person.disconnect()
        await until(lambda: not len(chat.parts.pool))
