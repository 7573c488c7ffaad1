"""After every kind of change, a client that resumes has the same state as one that joins for the first time.

The server is a separate process, with one room per case.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.integration.chat.missed import KEPT_OUT, MESSAGES, ROOMS, Cast, Do, Scene, make_another, staged, wrong_with
from tests.integration.conftest import EDGE, settings_of
from tests.support.following import differs, fresh
from tests.support.serving import running


@pytest.fixture(scope="module", params=["memory", "postgres", EDGE])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server of this file: with memory storage it has all messages; with Postgres it must read them."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": "s" * 32}
    settings |= settings_of(request.param, request, "module_database_url")
    with running(settings if request.param == "memory" else {**settings, "ROOM_TAIL": "0"}) as servers:
        yield servers[-1].ws_url


def room_for(do: Do, url: str) -> str:
    """Return the name of a room of its own for a change at a server: some share a database."""
    return f"room {do.__name__} {urlsplit(url).port}"


async def away(cast: Cast, room: str, do: Do) -> Scene:
    """Connect fay, disconnect her, and make the change."""
    scene = await staged(cast, room)
    await cast.fay.cut()
    await do(scene)
    await cast.eve.caught_up()
    return scene


@pytest.mark.parametrize("do", [*MESSAGES, *ROOMS], ids=lambda do: do.__name__)
async def test_a_resume_equals_a_fresh_join(url: str, do: Do) -> None:
    room = room_for(do, url)
    async with Cast(url) as cast:
        scene = await away(cast, room, do)
        await cast.fay.connect()
        joined = await cast.fay.enter(room, create=False)
        as_it_should = joined.get("recovered") is (do is not make_another)
        assert as_it_should, f"a copy can be mended unless it is of another room: {joined}"
        await cast.fay.caught_up()
        newest, entry = await fresh(url, "fay", room)
        view = cast.fay.views[room]
        wrong = wrong_with(do, scene, view) or differs(view, newest, entry)
        assert not wrong, f"who came back: {wrong}"
        witness = cast.eve.views[room]
        wrong = witness.copy.differs(newest.copy) if witness.inside else ""
        assert not wrong, f"who was there all the time: {wrong}"
        speaker = cast.gus if do is make_another else cast.eve
        await speaker.say(room, "live")
        await cast.fay.client.expect("message", room=room, content="live")


@pytest.mark.parametrize("do", KEPT_OUT, ids=lambda do: do.__name__)
async def test_a_user_without_access_cannot_resume_a_room(url: str, do: Do) -> None:
    room = room_for(do, url)
    async with Cast(url) as cast:
        await away(cast, room, do)
        await cast.fay.connect()
        refused = await cast.fay.enter(room, create=False)
        assert (refused["type"], refused.get("code")) == ("error", KEPT_OUT[do])
        newest, entry = await fresh(url, "fay", room)
        assert (newest.inside, entry) == (False, None), "and neither may somebody who comes anew"
        assert [frame["type"] for frame in cast.fay.client.frames if frame.get("room") == room] == ["error"]
