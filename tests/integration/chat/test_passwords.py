"""A room with a password, hashed and verified by the real argon2: over real sockets, and over HTTP."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest

from chat.rooms.parts import ATTEMPTS_BURST, ATTEMPTS_PER_SECOND
from model.errors import ERRORS
from tests.integration.conftest import EDGE, settings_of
from tests.support.client import Client, Frame
from tests.support.server import ServerProcess
from tests.support.serving import running, wait_ready
from tests.support.web import Web, path, token_of

Start = Callable[[Mapping[str, str]], ServerProcess]
UNKNOWN: Frame = {
    "type": "error", "code": "no_such_room", "field": "room", "retryable": False,
    "message": ERRORS["no_such_room"].message,
}  # fmt: skip
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["memory", "postgres", EDGE])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """One server for all tests of this file; each has its own rooms."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": "s" * 32}
    with running(settings | settings_of(request.param, request, "module_database_url")) as servers:
        yield servers[-1]
        for server in servers:
            assert "sesame" not in server.log_text()


@pytest.fixture
async def vault(server: ServerProcess) -> str:
    """A private room of eve's with the password "sesame", which she has not joined."""
    name = f"vault {next(_numbers)}"
    await Web(server.port, "eve").create(name, password="sesame")
    return name


async def knock(client: Client, room: str, **fields: str) -> Frame:
    """Try to join a room without creating it; return the response without the fields of the command."""
    await client.send("join", id="knock", room=room, create=False, **fields)
    answer = await client.until(lambda frame: frame.get("id") == "knock", "an answer")
    return {name: value for name, value in answer.items() if name not in ("id", "room")}


def person(server: ServerProcess, name: str) -> Client:
    return Client(server.ws_url, token=token_of(name))


async def test_the_password_admits_and_others_cannot_detect_the_room(server: ServerProcess, vault: str) -> None:
    async with person(server, "ann") as ann, person(server, "ben") as ben:
        unknown = await knock(ben, "nothing", password="sesame")
        assert unknown == UNKNOWN
        for fields in ({}, {"password": "Sesame"}, {"password": "sesame "}, {"password": "x" * 128}):
            assert await knock(ben, vault, **fields) == unknown, (
                f"{fields} is answered otherwise than what is not there"
            )
        joined = await knock(ann, vault, password="sesame")
        assert (joined["type"], joined["role"]) == ("joined", "member")
        assert joined["info"] == {"kind": "private", "password": True}
        await ann.say("we are in", "1", room=vault)
        await ann.all_acked("1")
        assert not ben.of("joined", "message", "presence"), "whoever is out hears of what is said inside"
    for name, status in (("eve", 200), ("ann", 200), ("ben", 404), (None, 404)):
        web = Web(server.port, name)
        for target in (path(vault), f"{path(vault)}/messages", f"{path(vault)}/members"):
            reply, other = await web.get(target), await web.get(target.replace(path(vault), path("nothing")))
            assert reply.status == status, (name, target)
            assert status == 200 or (reply.status, reply.body) == (other.status, other.body)
    async with person(server, "ann") as again:  # a member already
        assert (await knock(again, vault))["type"] == "joined"
        assert (await knock(again, vault, password="forgotten"))["type"] == "joined"


async def test_a_changed_or_removed_password_takes_effect(server: ServerProcess, vault: str) -> None:
    eve = Web(server.port, "eve")
    async with person(server, "ann") as ann, person(server, "ben") as ben, person(server, "cat") as cat:
        assert (await knock(ann, vault, password="sesame"))["type"] == "joined"
        assert (await eve.patch(path(vault), {"password": "swordfish"})).status == 200
        assert await knock(ben, vault, password="sesame") == UNKNOWN
        assert (await knock(ben, vault, password="swordfish"))["type"] == "joined"
        assert (await eve.patch(path(vault), {"password": ""})).json().get("password") is None
        for password in ("swordfish", "sesame", ""):
            assert await knock(cat, vault, password=password) == UNKNOWN
        assert (await eve.patch(path(vault), {"private": False})).status == 200
        assert (await knock(cat, vault))["type"] == "joined"
        assert (await ann.expect("room", action="update_room"))["info"] == {"kind": "private", "password": True}
        await ann.until(lambda frame: frame["type"] == "room" and frame["info"] == {"kind": "public"}, "it is public")


async def test_a_ban_holds_despite_the_password(server: ServerProcess, vault: str) -> None:
    async with person(server, "ann") as ann:
        assert (await knock(ann, vault, password="sesame"))["type"] == "joined"
        assert (await Web(server.port, "eve").put(f"{path(vault)}/bans/u_ann")).status == 204
        assert (await ann.expect("left"))["reason"] == "banned"
        assert await knock(ann, vault, password="sesame") == UNKNOWN
        assert (await Web(server.port, "eve").delete(f"{path(vault)}/bans/u_ann")).status == 204
        assert await knock(ann, vault) == UNKNOWN
        assert (await knock(ann, vault, password="sesame"))["type"] == "joined"


async def test_password_attempts_are_rate_limited(server: ServerProcess, vault: str) -> None:
    """For any number of connections, whether or not the room is in use; its members are not affected."""
    async with person(server, "eve") as eve, person(server, "ann") as ann, person(server, "ben") as ben:
        began, tried, answer = time.monotonic(), 0, UNKNOWN
        while answer == UNKNOWN:
            seconds = time.monotonic() - began
            assert tried <= ATTEMPTS_BURST + ATTEMPTS_PER_SECOND * seconds, f"{tried} guesses within {seconds:.1f} s"
            if tried == ATTEMPTS_BURST // 2:
                assert (await knock(eve, vault))["type"] == "joined"
            if tried == ATTEMPTS_BURST * 3 // 4:
                await eve.send("leave", room=vault)
                await eve.expect("left")
            answer = await knock((ann, ben)[tried % 2], vault, password=f"guess {tried}")
            tried += 1
        assert tried > ATTEMPTS_BURST
        assert (answer["code"], answer["retryable"]) == ("rate_limited", True)
        assert 0 < answer["retry_after"] <= 1 / ATTEMPTS_PER_SECOND
        assert (await knock(eve, vault))["type"] == "joined"
        assert await knock(ann, vault) == UNKNOWN, "who does not guess is answered as ever"


async def test_the_stored_hash_admits_after_a_restart(start_server: Start, database_url: str) -> None:
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": "s" * 32, "CLOSE_SECONDS": "1", "DATABASE_URL": database_url}
    server = await asyncio.to_thread(start_server, settings)
    await asyncio.to_thread(wait_ready, server)
    vault = "vault"
    await Web(server.port, "eve").create(vault, password="sesame")
    await asyncio.to_thread(server.kill)
    with psycopg.connect(database_url) as connection:
        (stored,) = connection.execute("SELECT password FROM rooms").fetchone() or ("",)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), stored
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(wait_ready, server)
    async with person(server, "ann") as ann:
        assert await knock(ann, vault, password="Sesame") == UNKNOWN
        assert (await knock(ann, vault, password="sesame"))["type"] == "joined"
