"""A room in use that storage lost is restored as the server knows it: no user gains access."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from chat.chat import Chat
from chat.rooms.parts import ChatOptions
from storage.factory import open_storage
from storage.ports.rooms import InsertRoom
from storage.ports.storage import Storage
from tests.contract.records import open_postgres, room, until
from tests.support.chatting import VirtualClock, limits, signer
from tests.support.faulty import FaultyRepository
from tests.unit.chat.people import account, id_of

Lose = Callable[[], Awaitable[None]]


async def lose_in_memory(repository: Storage) -> None:
    """Insert more lasting rooms than memory holds, without any user creating them."""
    await repository.writer().write([InsertRoom(room(kind="public")) for _ in range(3)])


async def lose_in_postgres(url: str) -> None:
    """Do what a crash with ``synchronous_commit = off`` does: rows and connections are lost."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        for table in ("members", "rooms"):
            await admin.execute(f"DELETE FROM {table}".encode())  # noqa: S608  # two words of ours
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("adapter", ["memory", "postgres"])
async def test_a_lost_private_room_stays_private(adapter: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("database_url") if adapter == "postgres" else None
    inner: Storage = await open_postgres(url) if url else open_storage(None, memory_rooms=3)
    if not url:
        await inner.start()
    repository, clock = FaultyRepository(inner), VirtualClock()
    chat = Chat(repository, clock, signer(clock), ChatOptions(limits=limits(), presence_grace=0.0))
    chat.start()
    ann, ben, eve, far = (account(chat, name) for name in ("ann", "ben", "eve", "far"))
    ann.send("create_room", id="c", room="den", title="The den", private=True)
    await until(lambda: "c" in ann.acked())
    ann.send("invite", id="i", room="den", user=id_of(ben))
    ann.send("ban", id="b", room="den", user=id_of(eve))
    await until(lambda: {"i", "b"} <= ann.acked().keys())
    ann.say("secret", "m1", "den")
    await until(lambda: "m1" in ann.acked())

    await (lose_in_postgres(url) if url else lose_in_memory(inner))
    assert await inner.rooms.find_room("den") is None if not url else True
    ann.say("another secret", "m2", "den")
    await until(lambda: "m2" in ann.acked())

    record = await inner.rooms.find_room("den")
    assert record is not None
    assert (record.kind, record.title) == ("private", "The den")
    roles = {row.user.id: (row.role, row.banned_until > 0) for row in await inner.rooms.special_members(record.room_id)}
    assert roles == {id_of(ann): ("owner", False), id_of(ben): (None, False), id_of(eve): (None, True)}
    (offer,) = [
        row.invitation for row in await inner.rooms.special_members(record.room_id) if row.user.id == id_of(ben)
    ]
    assert offer is not None
    assert offer.by == ann.session.user
    ann.disconnect()
    await until(lambda: "den" not in chat.parts.hub.rooms)
    far.send("join", id="j", room="den")
    await until(lambda: "j" in far.errors())
    assert far.errors()["j"] == "no_such_room"
    for person in (ben, eve, far):
        person.disconnect()
    await until(lambda: not chat.parts.hub.rooms)
    assert await chat.close(2.0) == []
    await inner.close()
