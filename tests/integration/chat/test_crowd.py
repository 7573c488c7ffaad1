"""A room of two thousand users: joins and leaves are not broadcast by name, and all users can be listed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urljoin

import pytest

from chat.rooms.presence import CROWD
from storage.ports.rooms import InsertRoom
from tests.contract.records import member, open_postgres, room, sets
from tests.integration.conftest import EDGE, POSTGRES, settings_of
from tests.support.crowd import Crowd, Frame, Seat, many_files
from tests.support.server import ServerProcess
from tests.support.serving import running
from tests.support.web import Web
from utils.clock import microseconds

PEOPLE = 2000
SECOND = 1_000_000


SETTINGS = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": "s" * 32, "HEARTBEAT": "60"}


@pytest.fixture
def servers(place: str, request: pytest.FixtureRequest) -> Iterator[list[ServerProcess]]:
    """A server; or an owner and an edge, to which users connect in turn."""
    with many_files(PEOPLE + 1000), running(SETTINGS | settings_of(place, request)) as servers:
        yield servers


@pytest.fixture
def server(servers: list[ServerProcess]) -> ServerProcess:
    return servers[-1]


@pytest.fixture
async def hall(servers: list[ServerProcess]) -> AsyncIterator[Crowd]:
    """The users in a lasting room, whose owner is not connected."""
    await Web(servers[-1].port, "eve").create("hall")
    async with Crowd([server.port for server in servers], "hall") as crowd:
        yield crowd


def told(frames: list[Frame], people: set[str]) -> set[str]:
    """Return who is present after these changes, by the set operations of docs/protocol.md."""
    for frame in frames:
        people = set() if frame.get("all") else people
        people = people | {user["id"] for user in frame.get("joined", ())}
        people = people - {user["id"] for user in frame.get("left", ())}
    return people


def at_most_one_a_second(frames: list[Frame], since: float) -> None:
    """Assert at most one of these since then per second. A hundredth is tolerance for the server's own clock."""
    seconds = asyncio.get_running_loop().time() - since
    assert len(frames) <= seconds * 1.01 + 1, f"{len(frames)} notices of presence within {seconds:.2f} s"


def named_in_a_crowd(frames: list[Frame]) -> list[Frame]:
    """Return the frames that name a few users to a large room."""
    return [frame for frame in frames if frame["count"] > CROWD and (frame.get("joined") or frame.get("left"))]


async def server_time(seat: Seat, number: int) -> int:
    """Return the server's time, after everything that it has sent to the room so far."""
    return microseconds((await seat.ask(type="ping", id=f"ping {number}"))["timestamp"])


@pytest.mark.parametrize("place", ["memory", POSTGRES, EDGE], indirect=True)
async def test_two_thousand_users_in_one_room(server: ServerProcess, hall: Crowd) -> None:
    began = asyncio.get_running_loop().time()
    ann = await hall.seat("ann")
    old = await hall.seat("old", native=False)
    await hall.until(lambda: ann.heard["joined"] == 1 <= old.heard["SYSTEM"], "the first two are there")
    await hall.come(PEOPLE - 2)

    presence = ann.of("presence")
    at_most_one_a_second(presence, began)
    assert presence, "a room that is no crowd yet is told"
    assert not named_in_a_crowd(presence), "a crowd is told who comes"
    assert old.heard["SYSTEM"] <= CROWD, "a crowd is told in words who comes"
    late = await hall.seat("late")
    await hall.until(lambda: late.heard["joined"] == 1, "one more comes")
    (joined,) = late.of("joined")
    assert (joined["count"], len(joined["members"])) == (PEOPLE + 1, CROWD)

    assert await listed(late) == await listed_over_http(server, "eve")
    assert sorted((await listed(late)).values()) == [False] + [True] * (PEOPLE + 1), "all are here but the owner"

    # Hundreds join and leave for more than a second of the server's clock, after which they would be broadcast.
    heard, words, turmoil = ann.size, old.size, asyncio.get_running_loop().time()
    presence = ann.of("presence")
    start = now = await server_time(ann, 0)
    pongs, rounds = ann.size - heard, 0
    while now < start + SECOND * 12 // 10:
        await hall.go(hall.seats[-100:])
        await hall.come(100)
        rounds += 1
        now = await server_time(ann, rounds)
        pongs += len('{"type":"pong","id":"ping 0","timestamp":"2026-11-21T08:31:11.000001Z"}') + len(str(rounds)) + 1
    assert ann.frames[-1]["type"] == "pong"
    counted = ann.of("presence")[len(presence) :]
    at_most_one_a_second(counted, turmoil)
    assert not named_in_a_crowd(counted), f"a crowd is told of {rounds} hundred"
    assert ann.size - heard <= pongs + 80 * len(counted)

    late.send(type="message", room="hall", content="hello", id="m")
    await hall.until(lambda: all(seat.heard["message"] == 1 for seat in (*hall.seats, ann, late)), "all hear it")
    await hall.until(lambda: old.heard["late"] == 1, "in every dialect")
    assert old.size - words < 200, "a crowd is told of it in words"

    # The room is no longer large, and all learn who is left: in one notice, or in one a second.
    (known,) = ann.of("joined")
    thinned = asyncio.get_running_loop().time()
    before = len(ann.frames)
    await hall.go(hall.seats[:-100])
    left = 100 + len((ann, old, late))
    assert any(frame["count"] > CROWD for frame in ann.of("presence")), "a crowd is not told its number"
    await hall.until(lambda: any(frame["count"] == left for frame in ann.of("presence")), f"{left} are left")
    at_most_one_a_second([frame for frame in ann.frames[before:] if frame["type"] == "presence"], thinned)
    seen = await ann.ask(type="join", id="again", room="hall")
    here = {user["id"] for user in seen["members"]}
    assert told(ann.of("presence"), {user["id"] for user in known["members"]}) == here
    assert len(here) == left


async def test_two_thousand_members_of_whom_two_are_connected(database_url: str) -> None:
    """All pages together list every member once, by id."""
    repository = await open_postgres(database_url)
    where = room("hall", kind="public")
    writer = repository.writer()
    everybody = [member(f"u_{number:04}", name=f"n{number}") for number in range(PEOPLE)]
    await writer.write([InsertRoom(where), *sets(where, *everybody)])
    await repository.close()
    with running({**SETTINGS, "DATABASE_URL": database_url}) as (server,):
        async with Crowd([server.port], "hall") as hall:
            here = [await hall.seat(name) for name in ("ann", "ben")]
            await hall.until(lambda: all(seat.heard["joined"] for seat in here), "two are here")
            guests = {seat.of("welcome")[0]["user"]["id"]: True for seat in here}
            found = await listed(here[0])
            assert found == {each.user.id: False for each in everybody} | guests
            assert await listed_over_http(server, "0007") == found


async def listed(seat: Seat) -> dict[str, bool]:
    """List all members, page by page, and whether they are online."""
    found: dict[str, bool] = {}
    cursor: dict[str, str] = {}
    while True:
        page = await seat.ask(type="members", id=f"{len(seat.frames)}", room="hall", limit=300, **cursor)
        assert len(page["members"]) <= 300
        assert not found.keys() & {member["id"] for member in page["members"]}, "told twice"
        found |= {member["id"]: member.get("online", False) for member in page["members"]}
        if "cursor" not in page:
            assert len(found) == page["count"], "as many as there are said to be"
            return found
        assert cursor != {"cursor": page["cursor"]}, "the same page again"
        cursor = {"cursor": page["cursor"]}


async def listed_over_http(server: ServerProcess, name: str) -> dict[str, bool]:
    """List the same over HTTP, with an account."""
    web, target, found = Web(server.port, name), "/api/rooms/hall/members?limit=300", dict[str, bool]()
    while target:
        reply = await web.get(target)
        found |= {member["id"]: member.get("online", False) for member in reply.json()["members"]}
        link = reply.headers.get("link", "")
        target = urljoin(target, link[1 : link.index(">")]) if link else ""
    return found
