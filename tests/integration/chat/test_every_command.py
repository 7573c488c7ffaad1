"""Every command in every dialect that has it, at an edge as at the owner: over real sockets, NATS and PostgreSQL."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest

from tests.integration.conftest import settings_of
from tests.support.chatting import Frame
from tests.support.every_command import CLAIM, EVENTS_FRAMES, ROOM, ROOMS_FRAMES, Names, native_frames, untried
from tests.support.rawws import NATIVE, RawClient, text
from tests.support.server import ServerProcess
from tests.support.serving import running
from tests.support.web import SECRET, token_of

_runs = itertools.count()
# The last frame that answers a native command; an ack for all others.
ANSWERS: dict[str, str | None] = {
    "hello": "welcome", "join": "joined", "leave": "left", "history": "history", "search": "search", "rooms": "rooms",
    "members": "members", "announce": "announcement", "ping": "pong", "typing": None, "read": None,
}  # fmt: skip
# They arrive when a pause has ended, or earlier.
NOTICES = {"presence", "user_joined", "user_left", "join", "leave"}


class Case(NamedTuple):
    """What a client sends.

    Attributes:
        path: of its dialect, "" for the native one.
        tag: of the command.
        frame: the text of the frame.
    """

    path: str
    tag: str
    frame: str

    def __str__(self) -> str:
        """``native pin``."""
        return f"{self.path or 'native'} {self.tag}"


def first(path: str, field: str, frames: list[Frame]) -> Iterator[Case]:
    """Yield a case of the first frame of each type."""
    for tag, frame in {frame[field]: frame for frame in reversed(frames)}.items():
        yield Case(path, tag, json.dumps(frame))


CASES = [
    *first("", "type", native_frames()),
    *first("/ws", "type", ROOMS_FRAMES),
    *first("/api/chat", "event", EVENTS_FRAMES),
    Case("/chat", "message", "hello"),
]


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[list[ServerProcess]]:
    """The owner, and an edge. They log as much as they can, which is searched for what they must not log."""
    with running(
        {"JWT_SECRET": SECRET, "LOG_LEVEL": "debug", **settings_of("edge", request, "module_database_url")}
    ) as nodes:
        yield nodes


class Stage:
    """A room with users at both nodes, one of whom sends a frame. Its names contain a number of its own."""

    def __init__(self, case: Case, nodes: list[ServerProcess]) -> None:
        self._case = case
        self._owner, self._edge = nodes
        self._mark = f"x{next(_runs)}x"
        self._connections = AsyncExitStack()

    async def told(self, at: ServerProcess) -> list[list[Frame]]:
        """Let a client at a node send its frame; return what it, a user at the owner and one at the edge receive."""
        async with self._connections:
            founder = await self._native(self._owner, "founder")
            for room in (ROOM, "offered", "open"):
                await self._ask(founder, "ack", type="create_room", room=room, private=room == "offered")
            watchers = [await self._native(self._owner, "low"), await self._native(self._edge, "far")]
            for watcher in watchers:
                await self._ask(watcher, "joined", type="join", room=ROOM)
            client, seq = await self._entered(at, founder)
            for watcher in watchers:
                await self._heard(watcher)
            client.send(text(self._named(self._case.frame).replace(': "seq"', f": {seq}")))
            received = [await self._answered(client), *[await self._heard(watcher) for watcher in watchers]]
        names = Names()
        return [names.of(json.loads(json.dumps(frames).replace(self._mark, ""))) for frames in received]

    def _named(self, frame: str) -> str:
        """Put the number of this run into the names of rooms and users, and a token where one belongs."""
        for name in (ROOM, "new", "offered", "open", "low", "wendy", "client"):
            for before, after in (('"', '"'), ('"u_', '"'), ('"@', " ")):
                frame = frame.replace(f"{before}{name}{after}", f"{before}{name}{self._mark}{after}")
        if self._case.tag == "rooms":
            frame = frame.replace('"type": "rooms"', f'"type": "rooms", "q": "{self._mark}"')
        return frame.replace('"token": "token"', f'"token": "{self._token("client")}"')

    def _token(self, account: str) -> str:
        admin = self._case.tag == "announce" and account == "client"
        return token_of(account + self._mark, "admin" if admin else "user")

    async def _entered(self, at: ServerProcess, founder: RawClient) -> tuple[RawClient, int]:
        """Connect the client, in the room; return it, and the seq of its message there if it may change one."""
        room, seq = ROOM + self._mark, 0
        if self._case.path == "/ws":
            client = await self._connect(at, "/ws")
            client.send(text(self._named(json.dumps({"type": "join", "payload": CLAIM}))))
            await collect(client, lambda frame: frame["type"] == "joined")
        elif self._case.path == "/chat":
            client = await self._connect(at, f"/chat?u=client{self._mark}&r={room}")
        elif self._case.path == "/api/chat":
            client = await self._connect(at, f"/api/chat?room={room}", "client")
            client.send(text('{"event":"message","content":"look here"}'))
            seq = (await collect(client, lambda frame: frame["event"] == "message"))[-1]["id"]
        else:
            client = await self._native(at, "client")
            await self._ask(client, "joined", type="join", room=ROOM)
            if self._case.tag != "announce":  # by an admin, who may do everything anyway
                await self._ask(founder, "ack", type="set_role", room=ROOM, user="u_client", role="owner")
            await self._ask(founder, "ack", type="invite", room="offered", user="u_client")
            seq = (await self._ask(client, "ack", type="message", room=ROOM, content="look here"))["ids"][0]["seq"]
            await self._heard(client)
        return client, seq

    async def _connect(self, at: ServerProcess, target: str, account: str = "") -> RawClient:
        headers = list(NATIVE) if target == "/chat" else []
        if account:
            headers.append(("Authorization", f"Bearer {self._token(account)}"))
        return await self._connections.enter_async_context(await RawClient.open(at.port, target, headers))

    async def _native(self, at: ServerProcess, account: str) -> RawClient:
        client = await self._connect(at, "/chat", account)
        await client.expect("welcome")
        return client

    async def _ask(self, client: RawClient, answer: str, **fields: Any) -> Frame:
        """Send a native command, and return its answer."""
        client.send(text(self._named(json.dumps({"id": "q", **fields}))))
        return (await collect(client, lambda frame: frame["type"] == answer and "q" in answered_by(frame)))[-1]

    async def _answered(self, client: RawClient) -> list[Frame]:
        """Return what the client receives until its frame was carried out and answered."""
        if self._case.path == "/ws":
            client.send(text('{"type":"ping"}'))
            return await collect(client, lambda frame: frame["type"] == "pong")
        if self._case.path == "/api/chat":
            client.send(text('{"event":"message","content":"the end"}'))
            return await collect(client, lambda frame: frame.get("content") == "the end")
        if self._case.path == "/chat":
            client.send(text("the end"))
            return await collect(client, lambda frame: frame["content"] == "the end")
        answer = ANSWERS.get(self._case.tag, "ack")
        return await self._heard(
            client, lambda frame: answer is None or (frame["type"] in (answer, "error") and "c" in answered_by(frame))
        )

    async def _heard(self, client: RawClient, *more: Callable[[Frame], bool]) -> list[Frame]:
        """Return what a native client has received, once everything that it may wait for has arrived."""
        client.send(text('{"type":"ping","id":"end"}'))
        frames = await collect(client, lambda frame: frame["type"] == "pong" and frame.get("id") == "end", *more)
        # What is acknowledged when it is stored may be so before or after what else the command causes.
        return sorted((frame for frame in frames if frame.get("id") != "end"), key=lambda frame: frame["type"] == "ack")


async def collect(client: RawClient, *wanted: Callable[[Frame], bool]) -> list[Frame]:
    """Return the frames that a client receives until each condition was true of one, without notices of presence."""
    frames: list[Frame] = []
    missing = list(wanted)
    while missing:
        frame = await client.message()
        notice = {frame.get("type"), frame.get("event")} & NOTICES or str(frame.get("content")).startswith("User ")
        if not notice:
            frames.append(frame)
        missing = [condition for condition in missing if not condition(frame)]
    return frames


def answered_by(frame: Frame) -> set[str]:
    """Return the ids of the commands that a native frame answers."""
    return {frame.get("id", ""), *(item["id"] for item in frame.get("ids", ()))}


def test_every_command_is_tried_in_every_dialect_that_has_it() -> None:
    assert not untried()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_edge_says_what_the_owner_says(nodes: list[ServerProcess], case: Case) -> None:
    at_owner, at_edge = [await Stage(case, nodes).told(at) for at in nodes]
    assert not [frame for frame in at_owner[0] if "error" in (frame.get("type"), frame.get("event"))]
    for ours, theirs in zip(at_edge, at_owner, strict=True):
        assert ours == theirs
