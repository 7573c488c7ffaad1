"""The server stops or is killed while a user is away, who then resumes at the next one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.integration.chat.missed import KEPT_OUT, MESSAGES, ROOMS, Cast, Do, Scene, staged, wrong_with
from tests.support.copies import Copy
from tests.support.following import differs, fresh
from tests.support.process import poll_until
from tests.support.server import ServerProcess

pytestmark = pytest.mark.one_server("it restarts on a database; changes of the owner are in tests/faults")

Start = Callable[[Mapping[str, str]], ServerProcess]
SETTINGS = {"RATE_LIMIT_MESSAGES": "0", "EDIT_WINDOW": "0", "JWT_SECRET": "s" * 32, "CLOSE_SECONDS": "1"}
EVERYTHING = (*MESSAGES, *ROOMS, *KEPT_OUT)


async def started(start_server: Start, **environment: str) -> ServerProcess:
    server = await asyncio.to_thread(start_server, {**SETTINGS, **environment})
    await ready(server)
    return server


async def ready(server: ServerProcess) -> None:
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="/ready is 200")


async def end(server: ServerProcess, how: str) -> None:
    """Stop or kill it, and start it again on the same port."""
    if how == "SIGTERM":
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0
    else:
        await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await ready(server)


async def missed(cast: Cast, doings: Sequence[Do]) -> list[Scene]:
    """Make each kind of change in a room of its own while fay is away; all are acked."""
    scenes = [await staged(cast, f"room {do.__name__}") for do in doings]
    await cast.fay.cut()
    for do, scene in zip(doings, scenes, strict=True):
        await do(scene)
    await cast.eve.caught_up()
    return scenes


@pytest.mark.parametrize(
    ("how", "doings"), [("SIGTERM", tuple(MESSAGES)), ("SIGKILL", EVERYTHING)], ids=["SIGTERM", "SIGKILL"]
)
async def test_acked_messages_survive_a_restart(
    start_server: Start, database_url: str, how: str, doings: Sequence[Do]
) -> None:
    """Every kind of change, each in a room of its own. Fay finds what eve received."""
    server = await started(start_server, DATABASE_URL=database_url)
    async with Cast(server.ws_url) as cast:
        scenes = await missed(cast, doings)
        stayed = {scene.room for scene in scenes if cast.eve.views[scene.room].inside}
        await end(server, how)
        await cast.fay.connect()
        for do, scene in zip(doings, scenes, strict=True):
            answer = await cast.fay.enter(scene.room, create=False)
            if do in KEPT_OUT:
                assert (answer["type"], answer.get("code")) == ("error", KEPT_OUT[do]), do.__name__
                continue
            mended = answer.get("recovered")
            assert mended is (how == "SIGTERM"), f"{do.__name__}: after {how} fay is told {answer}"
            await cast.fay.caught_up()
            view = cast.fay.views[scene.room]
            wrong = wrong_with(do, scene, view) if do in MESSAGES else ""
            wrong = wrong or differs(view, *await fresh(server.ws_url, "fay", scene.room))
            assert not wrong, f"{do.__name__}: {wrong}"
            if scene.room in stayed:
                wrong = view.copy.differs(cast.eve.views[scene.room].copy)
                assert not wrong, f"{do.__name__}: acked, told to everybody, and not so after {how}: {wrong}"


async def test_a_restart_loses_memory_storage_and_clients_notice(start_server: Start) -> None:
    server = await started(start_server)
    async with Cast(server.ws_url) as cast:
        scenes = await missed(cast, tuple(MESSAGES))
        await end(server, "SIGTERM")
        await cast.fay.connect()
        for scene in scenes:
            answer = await cast.fay.enter(scene.room, create=False)
            assert (answer["type"], answer.get("code")) == ("error", "no_such_room"), answer
            assert (await cast.fay.enter(scene.room))["recovered"] is False
            assert not cast.fay.views[scene.room].copy.differs(Copy())
