"""Every command in every dialect, at the owner and at an edge: what all clients receive must be the same."""

import json
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import pytest

from chat.ports import Dialect
from server.dialects import NATIVE
from tests.support.chatting import BY_PATH, Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.every_command import (
    CLAIM,
    EVENTS_FRAMES,
    ROOM,
    ROOMS_FRAMES,
    Names,
    native_frames,
    untried,
)
from tests.support.virtual import passes

# At which node, names, and paths of the dialects of those who see it.
WATCHERS = (
    (0, "low", ""), (1, "far", ""), (0, "near-plain", "/chat"), (1, "far-plain", "/chat"),
    (0, "near-events", "/api/chat"), (1, "far-events", "/api/chat"),
)  # fmt: skip
ROLES, MORE_ROLES = ("owner", "guest", "stranger"), ("member", "admin")


MALFORMED = (
    "{",
    "[]",
    '{"type":"nonsense","id":"c"}',
    '{"type":"join","id":"c"}',
    '{"type":"message","id":"c","room":1}',
)


class Case(NamedTuple):
    """What one client sends.

    Attributes:
        path: of the dialect; empty for the native one.
        role: of the client in the room, or of its account.
    """

    path: str
    role: str
    text: str

    @property
    def dialect(self) -> Dialect:
        return BY_PATH[self.path] if self.path else NATIVE


CASES = [
    *[Case("", role, json.dumps(frame)) for frame in native_frames() for role in ROLES],
    *[Case("/ws", "guest", json.dumps(frame)) for frame in ROOMS_FRAMES],
    *[Case("/api/chat", role, json.dumps(frame)) for frame in EVENTS_FRAMES for role in ("owner", "stranger")],
    *[Case("/chat", role, "hello") for role in ("owner", "guest", "stranger")],
    *[Case(path, "guest", text) for path in ("", "/ws") for text in MALFORMED],
    *[Case("/api/chat", "member", text) for text in MALFORMED],
]


def test_every_command_is_tried_in_every_dialect_that_has_it() -> None:
    assert not untried()


class AtOnce(Executor):
    """Runs each call where it is submitted: a thread takes real time, for which virtual time does not wait."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Scene:
    """A room with users at both nodes, and one who sends a frame."""

    def __init__(self, cluster: Cluster, case: Case, at: int) -> None:
        self.case = case
        self.nodes = cluster.nodes
        self.node = self.nodes[at]
        self.founder = account(self.nodes[0], "founder")
        self.watchers = [self.founder]
        self.client: Person
        for node in self.nodes:
            node.chat.parts.passwords._thread = AtOnce()  # type: ignore[assignment]

    async def set(self) -> None:
        """Let everyone enter, and the client too."""
        for room, fields in ((ROOM, {}), ("offered", {"private": True}), ("open", {})):
            self.founder.send("create_room", room=room, **fields)
        await passes(0.1)
        for at, name, path in WATCHERS:
            dialect = BY_PATH[path] if path else NATIVE
            self.watchers.append(account(self.nodes[at], name, dialect=dialect, room=ROOM))
        self.client = self.connected()
        await passes(0.1)
        self.founder.send("invite", room="offered", user=self.client.session.user.id)
        if self.case.path == "/ws":
            self.client.chat.receive(self.client.session, json.dumps({"type": "join", "payload": CLAIM}))
        elif self.case.role != "stranger" and not self.case.path:
            self.client.send("join", room=ROOM)
        await passes(0.1)
        if self.case.role == "owner":
            self.founder.send("set_role", room=ROOM, user="u_client", role="owner")
        if not self.case.path:
            self.client.say("look here", "mine", ROOM)
        elif self.case.path == "/api/chat" and not self.client.session.ended:
            self.client.chat.receive(self.client.session, json.dumps({"event": "message", "content": "look here"}))
        await passes(2.0)

    def connected(self) -> Person:
        """Connect the client: in the room if its dialect has only one."""
        dialect, role = self.case.dialect, self.case.role
        room = (ROOM if role != "stranger" else "nowhere") if self.case.path in ("/chat", "/api/chat") else None
        if role == "guest":
            return Person(self.node.chat, "client", room, dialect=dialect)
        account_role = "admin" if role == "admin" else "user"
        return account(self.node, "client", account_role, dialect=dialect, room=room)

    def send(self) -> None:
        """Send the frame of the case, and forget what everyone has received so far."""
        seqs = [frame["seq"] for frame in self.founder.of("message")]
        text = re.sub(r': "seq"', f": {seqs[-1] if seqs else 1}", self.case.text)
        if not self.case.path:
            text = text.replace('"token": "token"', f'"token": "{self.client.token}"')
        for person in (self.client, *self.watchers):
            person.forget()
        self.client.chat.receive(self.client.session, text)

    def told(self) -> list[Any]:
        """What each client has received since `forget`, the one that sent first; and how its connection is."""
        names = Names()
        everyone = [self.client, *self.watchers]
        return [
            [names.of(person.frames), person.connection.closed, person.connection.ends, person.is_read()]
            for person in everyone
        ]


async def told_at(case: Case, at: int) -> list[Any]:
    async with clustered(2) as cluster:
        scene = Scene(cluster, case, at)
        await scene.set()
        scene.send()
        await passes(3.0)
        return scene.told()


def name_of(case: Case) -> str:
    return f"{case.path or 'native'} {case.role} {case.text}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
async def test_an_edge_says_what_the_owner_says(case: Case) -> None:
    at_owner, at_edge = await told_at(case, 0), await told_at(case, 1)
    for ours, theirs in zip(at_edge, at_owner, strict=True):
        assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [Case("", role, json.dumps(frame)) for frame in native_frames() for role in MORE_ROLES], ids=name_of
)
async def test_an_edge_says_what_the_owner_says_to_others(case: Case) -> None:
    await test_an_edge_says_what_the_owner_says(case)
