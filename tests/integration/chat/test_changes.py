"""Edits and deletions over real sockets, on both storages: broadcast, resumed, read over HTTP, kept over a restart."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from websockets.asyncio.client import connect

from server.app import Server
from tests.integration.chat.conftest import url
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.serving import Serve


async def read_http(server: Server) -> list[dict[str, Any]]:
    """Read `GET /history`, as a page would."""

    def get() -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/history?r=general") as answer:
            return json.load(answer)

    return list(await asyncio.to_thread(get))


async def change_two(ann: Client) -> tuple[int, int]:
    """Post two messages as Ann, edit the first and delete the second. Returns their seqs, once all is stored."""
    await ann.say("helo", "1")
    await ann.say("secret", "2")
    await ann.all_acked("1", "2")
    one, two = ann.acked()["1"], ann.acked()["2"]
    await ann.send("edit", id="e", room="general", seq=one, content="hello")
    await ann.send("delete", id="d", room="general", seq=two)
    await ann.all_acked("e", "d")
    return one, two


@ON_BOTH
async def test_every_client_sees_a_change(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(**storage)
    async with (
        Client(url(server), "ann", "general") as ann,
        Client(url(server), "ben", "general") as ben,
        connect(f"{url(server)}/chat?u=old", proxy=None) as old,
    ):
        one, two = await change_two(ann)
        edited = await ben.expect("edited", seq=one, content="hello", sender="ann")
        await ben.expect("deleted", seq=two, sender="ann")
        told: list[tuple[str, str]] = []
        while not told or "removed" not in told[-1][1]:
            frame = json.loads(await old.recv())
            told.append((frame["sender"], frame["content"]))
        assert told[-2:] == [("ann", "edited: hello"), ("SYSTEM", 'a message by "ann" was removed')]
        await ben.send("edit", id="not mine", room="general", seq=one, content="hijacked")
        assert (await ben.expect("error", id="not mine"))["code"] == "not_author"
        page = (await ben.history())["messages"]
        assert [(state["seq"], state["content"], state["version"]) for state in page] == [
            (one, "hello", edited["version"])
        ]
        (state,) = await read_http(server)
        assert (state["content"], state["edited_at"]) == ("hello", edited["edited_at"])


async def test_a_resume_returns_the_current_state_of_changed_messages(serve: Serve, storage: dict[str, str]) -> None:
    """From the room's tail, and from storage if the tail is too short."""
    server = await serve(ROOM_TAIL="3", **storage)
    async with Client(url(server), "ann", "general") as ann:
        for number in range(6):
            await ann.say(f"text {number}", f"{number}")
        await ann.all_acked(*map(str, range(6)))
        seqs = [ann.acked()[str(number)] for number in range(6)]
        async with Client(url(server), "ben", "general") as ben:
            since, epoch, token = ben.since(), ben.epoch(), ben.token
        await ann.send("edit", id="a", room="general", seq=seqs[0], content="first")
        await ann.send("delete", id="b", room="general", seq=seqs[1])
        await ann.send("edit", id="c", room="general", seq=seqs[4], content="fifth")
        await ann.say("another", "6")
        await ann.send("edit", id="d", room="general", seq=seqs[0], content="First")
        await ann.all_acked("a", "b", "c", "d", "6")
        async with Client(url(server), "ben", token=token) as back:
            assert (await back.resume("general", since, epoch))["recovered"] is True
            await back.expect("synced")
            states = [(state["seq"], state["content"], "deleted_at" in state) for state in back.of("message")]
            assert states == [
                (seqs[1], "", True),
                (seqs[4], "fifth", False),
                (ann.acked()["6"], "another", False),
                (seqs[0], "First", False),
            ]


@pytest.mark.one_server("it restarts on a database; the owner stays when an edge does")
async def test_a_restart_keeps_changes(serve: Serve, database_url: str) -> None:
    server = await serve(DATABASE_URL=database_url)
    async with Client(url(server), "ann", "general") as ann:
        one, two = await change_two(ann)
    assert await server.stop() == 0
    server = await serve(DATABASE_URL=database_url)
    async with Client(url(server), "ann", "general", token=ann.token) as back:
        page = (await back.history())["messages"]
        assert [(state["seq"], state["content"]) for state in page] == [(one, "hello")]
        assert back.of("joined")[-1]["head"] > two, "continues behind the changes"
        await back.say("helo", "1", resend=True)  # the original text is compared, not the current one
        await back.send("edit", id="f", room="general", seq=one, content="hello again")
        await back.send("edit", id="g", room="general", seq=two, content="back from the dead")
        assert (await back.expect("error"))["code"] == "no_such_message"
        await back.all_acked("1", "f")
        assert back.acked() == {"1": one, "f": one}
        assert [state["content"] for state in (await back.history())["messages"]] == ["hello again"]
