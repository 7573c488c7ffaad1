"""Misbehaving clients in rooms with 20 active users: the others are not disturbed, and memory is bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed

from chat.rooms.room import Session
from server.app import Server
from tests.faults.conftest import Serve, Settle
from tests.faults.watching import Operator
from tests.integration.chat.conftest import send_little, session_of
from tests.integration.chat.conftest import url as ws_url
from tests.support import rawws
from tests.support.client import Client
from tests.support.copies import CHANGES, Copy
from tests.support.load import Load, chat, talking
from tests.support.operations import Operation, Post
from tests.support.person import Person
from tests.support.proxy import Network

LOW, HIGH = 64 << 10, 256 << 10
MARKS = {"SLOW_BYTES_LOW": str(LOW), "SLOW_BYTES_HIGH": str(HIGH)}
ROOM = "room 0"
# A frame of a long message, or the part of a history page or resume that is written at once.
LARGEST_WRITE = HIGH


def long_post(person: Person, number: int) -> Operation:
    """Return 4000 characters, so that the buffers of a client that does not read fill soon; or a reaction."""
    simple = chat(person, number)
    if isinstance(simple, Post):
        return replace(simple, content=f"{person.name} {number} ".ljust(4000, "x"))
    return simple


def unread(server: Server) -> int:
    """Return the largest number of bytes queued for any client."""
    return max((session.connection.buffered() for session in server.chat.parts.hub.sessions), default=0)


async def until_ended(load: Load, server: Server, session: Session) -> None:
    """Wait until the server has disconnected a session; the bytes queued for any client stay bounded."""
    said = load.acks

    def ended() -> bool:
        assert unread(server) <= HIGH + LARGEST_WRITE, "more waits for a client than may"
        assert load.acks < said + 2000, "far more was said than may wait for it, and it is not cut off"
        return session.ended

    await load.until(ended, "it is cut off")


@asynccontextmanager
async def not_reading(server: Server, name: str, room: str | None = ROOM) -> AsyncIterator[Client]:
    """Connect a client that does not read, with almost no kernel buffer; drop it at the end."""
    client = await Client(ws_url(server), name, room, receive_buffer=4096).open()
    await client.holds(lambda: bool(client.of("welcome")), "a welcome")
    send_little(session_of(server, client))
    client.stop_reading()
    try:
        yield client
    finally:
        if not client.ended:
            await client.abort()


async def misses_nothing(load: Load, *connections: Client) -> None:
    """Assert that a client received over these connections all that /history has after its first head."""
    copy, log = Copy(), (await load.read(ROOM)).states
    frames = [frame for client in connections for frame in client.frames if frame.get("room") == ROOM]
    for frame in frames:
        if frame["type"] == "joined":
            copy.on_joined(frame)
            copy.loaded = True  # from this point on
        elif frame["type"] == "synced":
            copy.on_synced(frame)
        elif frame["type"] == "message" or frame["type"] in CHANGES:
            copy.on_state(frame)
    start = next(frame["head"] for frame in frames if frame["type"] == "joined")
    wanted = Copy()
    wanted.states = {seq: state for seq, state in log.items() if seq > start or seq in copy.states}
    assert not copy.disorder, f"{copy.disorder} frames came twice, out of order, or do not add up"
    assert not copy.differs(wanted), copy.differs(wanted)


@pytest.mark.slow
async def test_a_member_that_stops_reading_is_disconnected(serve: Serve, url: str, settle: Settle) -> None:
    """It is disconnected with 4008 after its queued frames, reconnects, and misses nothing; others are not affected."""
    server = await serve(DATABASE_URL=url, CLOSE_SECONDS="60", **MARKS)
    async with talking(server.port, choose=long_post) as load, not_reading(server, "slow") as slow:
        session = session_of(server, slow)
        await load.until(lambda: session.congested, "it is congested")
        said = load.acks
        await until_ended(load, server, session)
        await load.more()
        assert load.acks > said
        assert await Operator(load).metric("slow_members_total") == 1
        assert await Operator(load).trouble() is None, "one client's trouble is not the server's"
        queued = session.connection.buffered()
        await load.more()
        assert session.connection.buffered() <= queued, "nothing more is queued for it"
        assert await slow.closed() == (4008, "slow_consumer")
        load.every = 0.5
        async with Client(ws_url(server), "slow", token=slow.token) as back:
            assert (await back.resume(ROOM, slow.since(ROOM), slow.epoch(ROOM)))["recovered"] is True
            await back.expect("synced")
            await settle(load)
            await back.send("ping", id="last")
            await back.expect("pong", id="last")
            await misses_nothing(load, slow, back)
        assert all(4008 not in person.closes for person in load.people)


async def test_a_client_that_reads_and_writes_one_byte_at_a_time(serve: Serve, url: str, settle: Settle) -> None:
    """It gets every message in order, and its messages are stored; or it alone is disconnected."""
    server = await serve(DATABASE_URL=url)
    async with talking(server.port, choose=chat) as load:  # so no message that it saw is deleted
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
        client = rawws.RawClient(_Bytewise(reader), writer)
        await client.send_bytewise(rawws.upgrade(f"/chat?u=slow&r={ROOM.replace(' ', '%20')}", rawws.NATIVE))
        assert (await client.reply()).status == 101
        head = (await client.expect("joined"))["head"]
        shown: list[int] = []
        for number in range(3):
            await client.send_bytewise(
                rawws.command(type="message", id=f"{number}", room=ROOM, content=f"slowly {number}")
            )
            while (event := await client.message())["type"] != "ack":
                assert event["type"] in ("message", "reaction", "presence"), event
                shown += [event["seq"]] if event["type"] == "message" else []
                assert len(shown) < 500, f"the others are heard, but command {number} is not answered"
            assert event["ids"][0]["id"] == f"{number}"
            assert event["ids"][0]["seq"] in shown
        await client.close()
        await settle(load)
        assert shown == [seq for seq in sorted((await load.read(ROOM)).states) if seq > head][: len(shown)]


class _Bytewise(asyncio.StreamReader):
    """Passes on one byte at a time."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__()
        self._inner = reader

    async def readexactly(self, n: int) -> bytes:
        return b"".join([await self._inner.readexactly(1) for _ in range(n)])

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        data = b""
        while not data.endswith(separator):
            data += await self._inner.readexactly(1)
        return data


async def test_half_open_connections_are_detected(serve: Serve, url: str, settle: Settle) -> None:
    """Machines that vanished, and clients that only close their half: both are detected, and leave their rooms."""
    server = await serve(DATABASE_URL=url, HEARTBEAT="0.3")
    async with talking(server.port) as load, Network(ws_url(server)) as network:
        gone = [await Client(network.url, f"gone {number}", ROOM).open() for number in range(10)]
        sessions = [session_of(server, client) for client in gone]
        half = await rawws.RawClient.native(server.port, f"/chat?u=half&r={ROOM.replace(' ', '%20')}")
        await half.expect("joined")
        network.freeze()
        half.send_eof()
        there = server.chat.parts.hub.sessions.keys()
        await load.until(lambda: all(session.user.name != "half" for session in there), "who ended its half is gone")
        assert there >= set(sessions), "it had to be given up like the dead"
        watcher = await Client(ws_url(server), "watcher", ROOM).open()
        await load.until(lambda: not there & set(sessions), "the dead are given up")
        names = {user.name for user in server.chat.parts.hub.rooms[ROOM].presence.members()}
        assert not names & {"half", *(f"gone {number}" for number in range(10))}
        await load.more()
        await settle(load)
        await watcher.abort()
        await half.close()
        network.cut()
        network.thaw()
        for client in gone:
            await client.closed()


async def test_a_client_that_requests_without_reading_is_bounded(serve: Serve, url: str, settle: Settle) -> None:
    """Unread pongs count toward the send limit; history pages are queued, and so are further requests."""
    server = await serve(DATABASE_URL=url, CLOSE_SECONDS="0.5", **MARKS)
    async with (
        talking(server.port, choose=long_post) as load,
        not_reading(server, "pings", None) as pings,
        not_reading(server, "pages") as pages,
    ):
        load.every = 0.5
        session, asking = session_of(server, pings), session_of(server, pages)

        async def ask(client: Client, who: Session, **command: str | int) -> None:
            while not who.ended and not who.paused:
                try:
                    await client.send(**command)  # type: ignore[arg-type]
                except ConnectionClosed:
                    assert who.ended  # in the middle of a request
                assert len(who.deferred or ()) < 2000, "questions pile up in the server"

        async with asyncio.TaskGroup() as group:
            group.create_task(ask(pings, session, type="ping", id="p" * 64))
            group.create_task(ask(pages, asking, type="history", room=ROOM, limit=500))
            await until_ended(load, server, session)
        assert asking.paused or asking.ended
        assert unread(server) <= HIGH + LARGEST_WRITE
        await load.more(20)
        await settle(load)


async def test_floods_of_small_frames_close_the_connection(serve: Serve, url: str, settle: Settle) -> None:
    """Each is closed with 4103, after the responses so far."""
    server = await serve(DATABASE_URL=url)
    floods = [
        rawws.frame(rawws.PING, b"x" * 125) * 2000,
        rawws.frame(rawws.PONG) * 2000,
        rawws.frame(rawws.TEXT, fin=False) + rawws.frame(rawws.CONT, fin=False) * 2000,
        rawws.text("{") * 5000,
        rawws.command(type="ping") * 5000,
        rawws.command(type="join", room=ROOM) * 5000,
    ]
    async with talking(server.port) as load:
        for flood in floods:
            async with await rawws.RawClient.native(server.port) as client:
                client.send(flood)
                client.send_close()  # a server without a bound would only respond to this
                assert await client.closing() == (4103, "flood"), "a flood was taken in whole"
            assert unread(server) <= HIGH
        await load.more()
        await settle(load)
        assert not any(person.closes for person in load.people)


async def test_a_resume_larger_than_the_slow_mark_finishes(
    serve: Serve, url: str, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the send limit, to a client with a small buffer: the resume is paced, and finishes while others post."""
    monkeypatch.setattr("chat.queries.resume.PAGE", 50)  # several pages
    server = await serve(DATABASE_URL=url, ROOM_TAIL="20", **MARKS)
    async with talking(server.port, choose=long_post) as load:
        async with Client(ws_url(server), "traveller", ROOM) as traveller:
            pass
        since, epoch = traveller.since(ROOM), traveller.epoch(ROOM)
        room = server.chat.parts.hub.rooms[ROOM]
        missed = 2 * HIGH // 4000
        people = [person for person in load.people if ROOM in person.copies]
        await load.until(lambda: sum(s > since for s in people[0].copies[ROOM].states) > missed, "much is said")
        # Short messages now: those sent during the resume are queued for the client too, however slow this machine is.
        load.choose, load.every = chat, 0.5
        long = [(person, entry) for person in load.people for entry in person.outbox]
        await load.until(lambda: not any(entry in person.outbox for person, entry in long), "those are answered")
        back = await Client(ws_url(server), token=traveller.token, receive_buffer=8192).open()
        session = session_of(server, back)
        send_little(session)
        back.stop_reading()
        await back.send("join", room=ROOM, since=since, epoch=epoch)
        await load.until(lambda: session.congested, "more is sent than it reads")
        assert session.connection.buffered() + session._withheld_bytes <= HIGH
        assert room.audience.is_syncing(session)
        back.go_on_reading()
        await back.expect("synced", room=ROOM)
        await settle(load)
        await back.send("ping", id="last")
        await back.expect("pong", id="last")
        await misses_nothing(load, traveller, back)
        assert await Operator(load).metric("slow_members_total") == 0
        await back.close()
