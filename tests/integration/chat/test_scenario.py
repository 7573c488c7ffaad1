"""One scenario on each storage, chosen by the environment alone; and the state after a restart."""

import pytest

from server.app import Server
from tests.integration.chat.conftest import url
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.serving import Serve


async def story(server: Server) -> Client:
    """Exchange messages between two users, one of whom reconnects. Returns Ann, disconnected."""
    async with Client(url(server), "ann", "general") as ann, Client(url(server), "ben", "general") as ben:
        await ann.say("hello", "1")
        await ben.expect("message", content="hello")
        await ann.all_acked("1")
        since, epoch = ben.since(), ben.epoch()
        await ben.abort()
        for number in range(2, 30):
            await ann.say(f"while ben is away {number}", f"{number}")
        await ann.all_acked(*map(str, range(2, 30)))
        async with Client(url(server), "ben", token=ben.token) as back:
            assert (await back.resume("general", since, epoch))["recovered"] is True
            await back.expect("synced")
            assert back.heard() == ann.heard()[1:]
            await ann.say("hello", "1")  # a retry: it is not posted twice
            await ann.say("another body", "1")
            assert (await ann.expect("error"))["code"] == "conflict"
            page = await back.history(limit=10)
            assert [frame["content"] for frame in page["messages"]] == ann.heard()[-10:]
            assert (page["has_older"], page["has_newer"]) == (True, False)
            older = await back.history(limit=100, before=page["messages"][0]["seq"])
            assert [*older["messages"], *page["messages"]] == ann.of("message")
            found = await back.history(q="away 7", sender="ann")
            assert [frame["id"] for frame in found["messages"]] == ["7"]
    return ann


@ON_BOTH
async def test_the_same_scenario_on_both_storages(serve: Serve, storage: dict[str, str]) -> None:
    await story(await serve(**storage))


@pytest.mark.one_server("it restarts on a database")
async def test_a_restart_keeps_everything_in_postgres(serve: Serve, database_url: str) -> None:
    server = await serve(DATABASE_URL=database_url)
    ann = await story(server)
    assert await server.stop() == 0
    server = await serve(DATABASE_URL=database_url)
    async with Client(url(server), token=ann.token) as back:
        joined = await back.resume("general", ann.since(), ann.epoch())
        assert joined["recovered"] is True  # a clean stop keeps the epoch
        assert joined["head"] == ann.since()
        assert (await back.history(limit=500))["messages"] == ann.of("message")
        # A retry under the same secret of the database: recognized, not posted again.
        await back.say("hello", "1", resend=True)
        await back.all_acked("1")
        assert back.acked()["1"] == ann.acked()["1"]
        await back.say("another body", "2", resend=True)
        assert (await back.expect("error", id="2"))["code"] == "conflict"
        # A retry without `resend`: broadcast, retracted, and acked with the first one's seq.
        await back.say("while ben is away 3", "3")
        retracted = await back.expect("retracted")
        await back.all_acked("3")
        assert back.acked()["3"] == ann.acked()["3"] != retracted["seq"]
        await back.say("new", "new")
        await back.all_acked("new")
        assert back.acked()["new"] > ann.since()
        assert len((await back.history(limit=500))["messages"]) == len(ann.heard()) + 1


@pytest.mark.one_server("memory storage")
async def test_a_restart_loses_everything_in_memory(serve: Serve) -> None:
    server = await serve(SERVER_SECRET="x" * 32)
    ann = await story(server)
    await server.stop()
    server = await serve(SERVER_SECRET="x" * 32)
    async with Client(url(server), token=ann.token) as back:
        joined = await back.resume("general", ann.since(), ann.epoch())
        assert joined["recovered"] is False
        assert joined["head"] == 0
        assert (await back.history())["messages"] == []


async def test_a_token_of_another_secret_is_refused(serve: Serve) -> None:
    first, second = await serve(SERVER_SECRET="one" * 11), await serve(SERVER_SECRET="two" * 11)
    async with Client(url(first), "ann") as ann, Client(url(second), "ann") as stranger:
        await ann.expect("welcome")
        await stranger.send("hello", id="h", token=ann.token)
        assert (await stranger.expect("error", id="h"))["code"] == "unauthorized"


@ON_BOTH
async def test_many_clients_retry_the_same_ids(serve: Serve, storage: dict[str, str]) -> None:
    """With a tail of two messages most retries are only recognized by storage."""
    server = await serve(**storage, ROOM_TAIL="2")
    async with (
        Client(url(server), "watcher", "general") as watcher,
        Client(url(server), "ann", "general") as ann,
        Client(url(server), token=ann.token, room="general") as twin,
    ):
        for turn in range(4):
            for number in range(50):
                await (ann, twin)[number % 2].say(f"{number}", f"{number}", resend=bool(turn % 2))
                await (ann, twin)[turn % 2].say(f"{number}", f"{number}", resend=bool(number % 3))
        for person in (ann, twin):  # a session's commands are in order: after the pong nothing is pending
            await person.send("ping", id="p")
            await person.expect("pong", id="p")
        page = await watcher.history(limit=500)  # waits for the writes
        stored = {frame["id"]: frame["seq"] for frame in page["messages"]}
        assert sorted(stored) == sorted(frame["content"] for frame in page["messages"])
        assert sorted(stored) == sorted(map(str, range(50)))
        for person in (ann, twin):
            await person.all_acked(*stored)
            for frame in person.of("ack"):
                assert all(item["seq"] == stored[item["id"]] for item in frame["ids"])
        taken_back = {frame["seq"] for frame in watcher.of("retracted")}
        shown = [frame["seq"] for frame in watcher.of("message")]
        assert shown == sorted(set(shown))
        assert set(shown) - taken_back == set(stored.values())
