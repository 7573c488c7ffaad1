"""Resumes over real sockets: exact, in order, paced, while others post at full speed."""

import asyncio

import pytest

from server.app import Server
from tests.contract.records import until
from tests.integration.chat.conftest import send_little, session_of, url
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.serving import Serve

MISSED = 300


async def talk_without_end(server: Server, stop: asyncio.Event) -> list[int]:
    """Post as fast as the server accepts it until stopped. Returns the seqs of the messages."""
    async with Client(url(server), "talker", "general") as talker:
        number = 0
        while not stop.is_set():
            for _ in range(20):
                number += 1
                await talker.say(f"live {number}", f"{number}")
            await talker.all_acked(f"{number}")
        await talker.say("end", "end")
        await talker.all_acked("end")
        return [frame["seq"] for frame in talker.of("message")]


@ON_BOTH
@pytest.mark.parametrize("room_tail", [500, 0, 100], ids=["from the tail", "from storage", "from both"])
async def test_a_resume_returns_300_missed_messages_exactly(
    serve: Serve, storage: dict[str, str], room_tail: int
) -> None:
    server = await serve(**storage, ROOM_TAIL=str(room_tail))
    async with Client(url(server), "ann", "general") as ann:
        ben = await Client(url(server), "ben", "general").open()
        await ann.say("seen", "seen")
        await ben.expect("message", content="seen")
        await ben.abort()
        for number in range(MISSED):
            await ann.say(f"{number}", f"{number}")
        await ann.all_acked(*map(str, range(MISSED)))
        stop = asyncio.Event()
        talk = asyncio.create_task(talk_without_end(server, stop))
        await ann.expect("message", content="live 40")
        for _ in range(5):
            async with Client(url(server), "ben", token=ben.token) as back:
                joined = await back.resume("general", ben.since(), ben.epoch())
                assert joined["recovered"] is True
                await back.expect("synced")
                at = back.frames.index(back.of("synced")[0])
                replayed = [frame["seq"] for frame in back.frames[:at] if frame["type"] == "message"]
                assert replayed[-1] == back.frames[at]["head"] == joined["head"]
                await back.until(lambda frame: frame["type"] == "message", "something live")
                seqs = [frame["seq"] for frame in back.of("message")]
                await ann.holds(lambda seqs=seqs: ann.since() >= seqs[-1])  # type: ignore[misc]
                everything = [frame["seq"] for frame in ann.of("message")]
                assert seqs == everything[1 : everything.index(seqs[-1]) + 1]
        stop.set()
        await talk
        await ann.expect("message", content="end")
        last = [frame["seq"] for frame in ann.of("message")]
        assert last == sorted(set(last))


async def test_a_resume_larger_than_the_send_limit_finishes(serve: Serve, storage: dict[str, str]) -> None:
    """1 MB for a client with a small receive buffer, with 256 KiB allowed: paced, not disconnected."""
    server = await serve(**storage, ROOM_TAIL="50", SLOW_BYTES_LOW="65536", SLOW_BYTES_HIGH="262144")
    async with Client(url(server), "ann", "general") as ann:
        async with Client(url(server), "ben", "general") as ben:
            since, epoch = ben.since(), ben.epoch()
        for number in range(250):
            await ann.say(f"{number} ".ljust(4000, "x"), f"{number}")
            if number % 50 == 49:
                await ann.all_acked(f"{number}")
        back = await Client(url(server), token=ben.token, receive_buffer=16384).open()
        session = session_of(server, back)
        send_little(session)
        back.stop_reading()
        await back.send("join", room="general", since=since, epoch=epoch)
        await until(lambda: session.congested)
        assert session.connection.buffered() <= 262144
        await ann.say("live", "live")
        await ann.all_acked("live")
        back.go_on_reading()
        await back.expect("message", content="live")
        assert back.heard() == ann.heard()
        assert server.chat.parts.counters.slow_members == 0
        await back.close()


async def test_a_resume_beyond_the_limit_is_not_recovered(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(**storage, ROOM_TAIL="5", RESUME_LIMIT="20")
    async with Client(url(server), "ann", "general") as ann, Client(url(server), "ben", "general") as ben:
        since, epoch = ben.since(), ben.epoch()
        await ben.send("leave", room="general")
        await ben.expect("left")
        for missed, recovered in ((20, True), (21, False)):
            while len(ann.heard()) < missed:
                await ann.say("x", f"{len(ann.heard())}")
                await ann.expect("message")
            await ann.all_acked(f"{missed - 1}")
            joined = await ben.resume("general", since, epoch)
            assert joined["recovered"] is recovered
            await ben.send("ping", id=f"{missed}")
            await ben.expect("pong", id=f"{missed}")
            assert len(ben.of("message")) == 20
            await ben.send("leave", room="general")
            await ben.expect("left")


@pytest.mark.one_server("only memory storage evicts")
async def test_a_resume_of_evicted_messages_is_not_recovered(serve: Serve) -> None:
    """With fewer messages kept than a resume may return, evicted ones must not go unnoticed."""
    server = await serve(ROOM_TAIL="10", MEMORY_MESSAGES="100")
    async with Client(url(server), "ann", "general") as ann, Client(url(server), "ben", "general") as ben:
        since, epoch = ben.since(), ben.epoch()
        await ben.send("leave", room="general")
        await ben.expect("left")
        for number in range(300):
            await ann.say(f"{number}", f"{number}")
        await ann.all_acked("299")
        assert (await ben.resume("general", since, epoch))["recovered"] is False


async def test_an_empty_room_is_recovered_and_a_since_beyond_the_head_is_not(
    serve: Serve, storage: dict[str, str]
) -> None:
    server = await serve(**storage)
    async with Client(url(server), "ann", "general") as ann:
        assert ann.since() == 0
        joined = await ann.resume("general", 0, ann.epoch())
        assert joined["recovered"] is True
        assert (await ann.expect("synced"))["head"] == 0
        assert (await ann.resume("general", 1, ann.epoch()))["recovered"] is False
