"""A thousand clients connect and disconnect in every way; nothing of them stays in memory."""

import asyncio
import contextlib
import gc
import random

from chat.cluster.mirrors import Mirror
from chat.delivery.session import Session
from chat.rooms.room import Room
from server.app import Server
from server.wire.websocket import WebSocketConnection
from tests.contract.records import until
from tests.support import rawws
from tests.support.serving import Serve, owner_of

CYCLES = 1000
AT_ONCE = 20


async def come_and_go(server: Server, number: int) -> None:
    """Connect, join a new or a shared room, perhaps post, and disconnect in one of many ways."""
    room = "common" if number % 3 else f"room {number}"
    client = await rawws.RawClient.open(server.port, "/chat?u=ann", rawws.NATIVE)
    try:
        client.send(rawws.command(type="join", id="j", room=room, **({"since": 0} if number % 4 == 0 else {})))
        way = number % 7
        if way in (0, 1):  # while the room loads
            pass
        elif way == 2:  # with messages in flight
            for _ in range(5):
                client.send(rawws.command(type="message", room=room, id=f"{random.random()}", content="x"))
        else:
            await client.expect("joined")
            client.send(rawws.command(type="message", room=room, id="1", content="hello"))
            client.send(rawws.command(type="history", room=room))
            if way == 3:
                await client.expect("ack")
        with contextlib.suppress(ConnectionError):
            await client.drain()
        if way % 3 == 0:
            client.send_close()
            await client.rest()
        elif way % 3 == 1:
            client.send_eof()
            await client.rest()
    finally:
        await client.close()  # a reset, if it has not ended yet


async def cycle(server: Server, numbers: list[int]) -> None:
    while numbers:
        await come_and_go(server, numbers.pop())


def things() -> list[object]:
    """Return the objects that must not stay, of this and every other server in this process."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, (Session, Room, Mirror, WebSocketConnection))]


async def test_a_thousand_connections_leave_nothing_in_memory(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(**storage, CLOSE_SECONDS="0.5", HEAD_SECONDS="2", HELLO_SECONDS="2")
    tasks = {task.get_name() for task in asyncio.all_tasks()}
    before = things()  # a test that failed earlier keeps its objects in its traceback
    numbers = list(range(CYCLES))
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(cycle(server, numbers))
    await until(lambda: not server.shared.connections and not server.chat.parts.hub.sessions)
    for node in (server, owner_of(server)):
        parts = node.chat.parts
        await until(lambda parts=parts: not parts.hub.rooms)  # type: ignore[misc]
        await until(lambda parts=parts: not len(parts.tasks))  # type: ignore[misc]
        assert not len(parts.pool)
    assert not server.shared.heads
    assert server.chat.parts.counters.connections_total == CYCLES
    await until(lambda: {task.get_name() for task in asyncio.all_tasks()} <= tasks)

    def gone() -> bool:
        return not any(all(thing is not other for other in before) for thing in things())

    await until(gone)  # deadlines hold a connection until they expire
