"""A hundred rooms on one connection: events in the right room, not one room more, all resumed after a disconnect."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

import pytest

from tests.integration.conftest import ON_BOTH, settings_of
from tests.support.client import Client
from tests.support.copies import CHANGES, Copy
from tests.support.server import ServerProcess
from tests.support.serving import running
from tests.support.web import Web, path, token_of

STAYING = [f"plans {number:02}" for number in range(50)]
PASSING = [f"talk {number:02}" for number in range(50)]
Connect = Callable[[str], Awaitable[Client]]
ROOMS = [*STAYING, *PASSING]
"""As many as one connection may be in."""


@pytest.fixture
def server(place: str, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server with the default limits, ready to store."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "EDIT_WINDOW": "0", "JWT_SECRET": "s" * 32}
    with running(settings | settings_of(place, request)) as servers:
        yield servers[-1]


@pytest.fixture
async def connect(server: ServerProcess) -> AsyncIterator[Connect]:
    """Connections of accounts, by name, closed at the end of the test."""
    clients: list[Client] = []

    async def come(name: str) -> Client:
        clients.append(await Client(server.ws_url, token=token_of(name)).open())
        return clients[-1]

    yield come
    for client in clients:
        await client.close()


async def join_all(client: Client, rooms: Iterable[str] = ROOMS) -> None:
    """Join all at once, as a page does after a reconnect."""
    wanted = set(rooms)
    for room in wanted:
        await client.send("join", id=f"join {room}", room=room)
    await client.holds(lambda: wanted <= {frame["room"] for frame in client.of("joined")}, "all rooms joined")


async def say_all(client: Client, what: str, rooms: Iterable[str] = ROOMS) -> None:
    """Post a message with its name to each room, all at once, and wait until all are acked."""
    for room in rooms:
        await client.say(f"{what} {room}", f"{what} {room}", room=room)
    await client.all_acked(*(f"{what} {room}" for room in rooms))


async def listed(client: Client) -> dict[str, int]:
    """Return the user's own rooms, and how many users are there."""
    await client.send("rooms", id="mine", mine=True, limit=500)
    answer = await client.expect("rooms", id="mine")
    return {entry["room"]: entry.get("online", 0) for entry in answer["rooms"]}


async def refusal(client: Client, kind: str, **fields: str) -> str:
    await client.send(kind, id=f"refuse {kind}", **fields)
    frame = await client.until(lambda frame: frame.get("id") == f"refuse {kind}", f"answer of {kind}")
    return str(frame.get("code", frame["type"]))


async def opened(connect: Connect) -> tuple[Client, Client]:
    """Create half of the rooms as Hal; both users join all of them."""
    hal, ann = await connect("hal"), await connect("ann")
    for room in STAYING:
        await hal.send("create_room", id=f"create {room}", room=room)
    await hal.all_acked(*(f"create {room}" for room in STAYING))
    await join_all(hal, PASSING)
    await join_all(ann)
    return hal, ann


async def test_one_connection_can_join_a_hundred_rooms(connect: Connect) -> None:
    hal, ann = await opened(connect)
    await say_all(ann, "ann in")
    await say_all(hal, "hal in")
    await ann.holds(lambda: len(ann.of("message")) == 2 * len(ROOMS), "both are heard everywhere")
    for client in (ann, hal):
        for room in ROOMS:
            assert client.heard(room) == [f"ann in {room}", f"hal in {room}"]
    for item in (item for frame in ann.of("ack") for item in frame["ids"]):
        assert item["id"] == f"ann in {item['room']}"
        assert item["seq"] in [frame["seq"] for frame in hal.of("message") if frame.get("id") == item["id"]]
    assert await listed(ann) == dict.fromkeys(ROOMS, 2)

    for kind, fields in {
        "join": {"room": "one more"},
        "create_room": {"room": "one more"},
        "direct": {"user": "u_hal"},
    }.items():
        assert await refusal(ann, kind, **fields) == "too_many_rooms", f"{kind} leads into room {len(ROOMS) + 1}"
    await ann.join(ROOMS[0])
    await say_all(ann, "still in")

    left = {*STAYING[:5], *PASSING[:5]}
    for room in left:
        await ann.send("leave", id=f"leave {room}", room=room)
    await ann.holds(lambda: {frame["room"] for frame in ann.of("left")} == left, "all of them left")
    assert await refusal(ann, "create_room", room="one more") == "room"
    await say_all(hal, "to who is in")
    await ann.send("ping", id="p")
    await ann.expect("pong", id="p")  # after all earlier messages
    for room in ROOMS:
        wanted = [f"{what} {room}" for what in ("ann in", "hal in", "still in", "to who is in")]
        assert ann.heard(room) == (wanted[:3] if room in left else wanted)
    # The user is still a member of the lasting rooms; ephemeral ones have no members.
    theirs = {room: 1 if room in left else 2 for room in ROOMS if room not in PASSING[:5]}
    assert await listed(ann) == {**theirs, "one more": 1}


@ON_BOTH
async def test_a_hundred_rooms_are_resumed_after_a_disconnect(server: ServerProcess, connect: Connect) -> None:
    hal, ann = await opened(connect)
    copies = {room: Copy() for room in ROOMS}
    for frame in ann.of("joined"):
        copies[frame["room"]].on_joined(frame)
        copies[frame["room"]].loaded = True  # there are no messages
    await say_all(hal, "seen in")
    await ann.holds(lambda: len(ann.of("message")) == len(ROOMS), "all of it is seen")
    for frame in ann.of("message"):
        copies[frame["room"]].on_state(frame)
    await ann.abort()

    await say_all(hal, "missed in")
    for number, room in enumerate(ROOMS):
        seq = hal.acked()[f"seen in {room}"]
        kind, fields = (("edit", {"content": f"changed in {room}"}), ("delete", {}), ("react", {"emoji": "+1"}))[
            number % 3
        ]
        await hal.send(kind, id=f"change {room}", room=room, seq=seq, **fields)
    await hal.all_acked(*(f"change {room}" for room in ROOMS))

    back = await connect("ann")
    for room, copy in copies.items():
        await back.send("join", room=room, create=False, **copy.resume())
    await back.holds(lambda: len(back.of("synced")) == len(ROOMS), "all rooms are in step again")
    await say_all(hal, "live in")
    await back.holds(
        lambda: {f"live in {room}" for room in ROOMS} <= {frame["content"] for frame in back.of("message")}
    )
    for frame in back.of("joined"):
        assert not copies[frame["room"]].on_joined(frame), f"nothing was lost, and it is told {frame}"
    for frame in back.of("message", "synced", *CHANGES):
        if frame["type"] == "synced":
            copies[frame["room"]].on_synced(frame)
        else:
            copies[frame["room"]].on_state(frame)
    web = Web(server.port, "ann")
    for room, copy in copies.items():
        page = await web.json(f"{path(room)}/messages")
        assert [copy.states[seq] for seq in sorted(copy.states)] == page["messages"], room
        assert not copy.disorder, room
    assert await listed(back) == dict.fromkeys(ROOMS, 2)
