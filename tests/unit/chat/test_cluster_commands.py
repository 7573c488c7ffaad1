"""Every command in every dialect, at the owner and at an edge: what all clients receive must be the same."""

import json
import re
from typing import Any, NamedTuple, get_args

import msgspec
import pytest

from chat.handlers import HANDLERS
from chat.ports import Adopt, Dialect
from model import commands
from server.dialects import NATIVE
from server.dialects.api_chat import _AnyRequest as EventsRequest
from server.dialects.ws_frames import AnyRequest as RoomsRequest
from tests.support.chatting import BY_PATH, Frame, Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.virtual import passes

ROOM = "den"
# A value for each field that a command requires; `seq` is replaced by that of a message of the client itself.
FIELDS: dict[str, Any] = {
    "room": ROOM,
    "user": "u_low",
    "seq": "seq",
    "content": "@low look",
    "emoji": "+1",
    "q": "look",
    "role": "readonly",
    "token": "token",
}
# More fields, where the required ones are not all that matters.
MORE: dict[str, list[Frame]] = {
    "join": [{}, {"since": 1, "epoch": "e_none"}, {"room": "new"}],
    "leave": [{}, {"quit": True}],
    "message": [{}, {"reply_to": "seq"}, {"resend": True}, {"content": ""}],
    "history": [{}, {"around": "seq"}, {"include_deleted": True}, {"pinned": True}],
    "create_room": [{"room": "new"}, {}, {"room": "new", "password": "sesame"}],
    "update_room": [{"title": "The den"}, {"private": True}, {"password": "sesame"}, {"slow_mode": 5}],
    "rooms": [{}, {"mine": True}],
    "members": [{}, {"banned": True}, {"invited": True}],
    "ban": [{}, {"seconds": 5, "reason": "enough"}],
    "mute": [{}, {"seconds": 5, "reason": "enough"}],
    "kick": [{}, {"user": "u_nobody"}],
    "invite": [{}, {"user": "u_far"}],
    "direct": [{}, {"user": "u_far"}, {"user": "u_nobody"}],
    "decline": [{}, {"room": "offered"}],
}
# At which node, names, and paths of the dialects of those who see it.
WATCHERS = (
    (0, "low", ""), (1, "far", ""), (0, "near-plain", "/chat"), (1, "far-plain", "/chat"),
    (0, "near-events", "/api/chat"), (1, "far-events", "/api/chat"),
)  # fmt: skip
ROLES, MORE_ROLES = ("owner", "guest", "stranger"), ("member", "admin")


def native_frames() -> list[Frame]:
    """A frame of each command that a native client can send, with each of the fields in `MORE`."""
    frames = []
    for kind in get_args(commands.AnyCommand):
        tag = kind.__struct_config__.tag
        required = {
            field.name: FIELDS[field.name]
            for field in msgspec.structs.fields(kind)
            if field.required and field.name != "id"
        }
        frames += [{"type": tag, "id": "c", **required, **more} for more in MORE.get(tag, [{}])]
    return frames


_CLAIM = {"room_id": ROOM, "user_id": "wendy", "user_name": "wendy"}
ROOMS_FRAMES: list[Frame] = [
    {"type": "message", "payload": {"room_id": ROOM, "message": "hi"}},
    {"type": "join", "payload": {**_CLAIM, "room_id": "open"}},
    {"type": "join", "payload": {**_CLAIM, "user_id": "other"}},
    {"type": "create_room", "payload": {**_CLAIM, "room_id": "new", "room_name": "New"}},
    {"type": "leave", "payload": {"room_id": ROOM}},
    {"type": "ping"},
]
EVENTS_FRAMES: list[Frame] = [
    {"event": "message", "content": "hi"},
    {"event": "typing"},
    {"event": "edit", "id": "seq", "content": "changed"},
    {"event": "delete", "id": "seq"},
]
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


def tags(union: Any) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(union)}


def test_every_command_is_tried_in_every_dialect_that_has_it() -> None:
    assert set(HANDLERS) == {*get_args(commands.AnyCommand), commands.Claim, Adopt}
    assert {frame["type"] for frame in native_frames()} == tags(commands.AnyCommand)
    assert {frame["type"] for frame in ROOMS_FRAMES} == tags(RoomsRequest)
    assert {frame["event"] for frame in EVENTS_FRAMES} == tags(EventsRequest)
    assert set(MORE) <= tags(commands.AnyCommand)


class Scene:
    """A room with users at both nodes, and one who sends a frame."""

    def __init__(self, cluster: Cluster, case: Case, at: int) -> None:
        self.case = case
        self.nodes = cluster.nodes
        self.node = self.nodes[at]
        self.founder = account(self.nodes[0], "founder")
        self.watchers = [self.founder]
        self.client: Person

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
            self.client.chat.receive(self.client.session, json.dumps({"type": "join", "payload": _CLAIM}))
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
        names = _Names()
        everyone = [self.client, *self.watchers]
        return [
            [names.of(person.frames), person.connection.closed, person.connection.ends, person.is_read()]
            for person in everyone
        ]


class _Names:
    """Replaces what differs between two runs: seqs, times and generated ids, by their order of appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, frames: list[Frame]) -> list[Frame]:
        text = json.dumps(frames)
        text = re.sub(r"\b1[67]\d{14}\b|\"20\d\d-[^\"]+Z\"", "0", text)
        text = re.sub(r"@[0-9a-f]{40}\b|\b(?:[segw]_[\w-]+|eyJ[\w.-]+)", self._name, text)
        frames = json.loads(text)
        for frame in frames:
            for key in ("joined", "left", "members"):
                if isinstance(frame.get(key), list):  # users who come at the same time come in any order
                    frame[key].sort(key=lambda user: user["id"])
        return frames

    def _name(self, found: re.Match[str]) -> str:
        return self._known.setdefault(found[0], f"{found[0][0]}{len(self._known)}")


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
