"""An account is erased from the command line, next to nodes of which one is killed: the other one finishes the work."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from model.account import DELETED_USER
from tests.faults.nodes import SECRET, running
from tests.support.accounts import PASSWORD, SignedIn, visitor
from tests.support.nats import NatsServer
from tests.support.process import PATIENCE, ROOT, inherited_environment
from tests.support.web import Web

pytestmark = [pytest.mark.slow, pytest.mark.one_server("starts its own nodes")]
ROOMS = ("one", "two")


def erase(url: str, folder: Path) -> None:
    environment = {**inherited_environment(), "DATABASE_URL": url}
    command = [sys.executable, str(ROOT / "main.py"), "user", "erase", "ann", "--messages", "--yes"]
    subprocess.run(command, env=environment, cwd=folder, check=True, timeout=60)


def left(url: str) -> tuple[int, set[tuple[str, str]]]:
    """Return how much work is left, and the senders and contents of all messages."""
    with psycopg.connect(url) as connection:
        (work,) = connection.execute("SELECT count(*) FROM room_work").fetchone() or (0,)
        return work, set(connection.execute("SELECT sender, content FROM messages").fetchall())


async def test_another_node_finishes_the_work_of_one_that_was_killed(
    database_url: str, nats: NatsServer, tmp_path: Path
) -> None:
    async with running(database_url, nats.url, count=2, REGISTRATION="open") as nodes:
        owner = await nodes.owner()
        (edge,) = [node for node in nodes if node is not owner]
        moderator = Web(edge.port, "moderator", secret=SECRET)
        made = await visitor(edge.port).post("/api/register", {"username": "ann", "password": PASSWORD})
        ann = SignedIn(edge.port, made.json(), visitor(edge.port))
        for room in ROOMS:
            await moderator.create(room)
            for number in range(5):
                await ann.say(room, f"secret {number}")
        await asyncio.to_thread(erase, database_url, tmp_path)
        assert (await asyncio.to_thread(left, database_url))[0] == 1
        owner.kill()  # it waits for the connections of the account to end
        async with asyncio.timeout(PATIENCE):
            while (await asyncio.to_thread(left, database_url))[0]:  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.1)
        assert (await asyncio.to_thread(left, database_url))[1] == {(DELETED_USER, "")}
        assert (await ann.get("/api/me")).status == 401
        for room in ROOMS:
            assert (await moderator.json(f"/api/rooms/{room}/messages"))["messages"] == []
