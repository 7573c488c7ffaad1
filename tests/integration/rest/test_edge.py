"""Every request about rooms is answered by an edge as by the server that has the rooms, which it asks."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote, urlencode

import pytest
from msgspec import structs

from model.account import InviteLink
from model.room import User
from model.safety import Report
from server.app import Server
from server.http.endpoints import Endpoint
from server.web.app import HttpEndpoints
from tests.support.accounts import noted
from tests.support.client import Client
from tests.support.edges import Way, make_edge
from tests.support.rawws import Reply, fetch
from tests.support.serving import Serve
from tests.support.web import Web
from utils.clock import DAY_US, SystemClock
from utils.ids import hash_secret

pytestmark = pytest.mark.one_server("it has edges of its own")

ROWS = {
    f"{row.method} {row.path}": row
    for row in HttpEndpoints(Mock(), Mock(), Mock(), Mock()).endpoints()
    if row.rooms_handler
}
LIMIT = 4096
# Values with which a request succeeds, by field; then those of single rows.
SAMPLES: dict[str, Any] = {
    "room": "plans",
    "user": "u_ben",
    "seq": 0,  # that of ann's first message
    "emoji": "\N{THUMBS UP SIGN}",
    "content": "hello, @ben",
    "q": "first",
    "reason": "rude",
    "report": "p_1",
    "state": "resolved",
    "uses": 1,
    "seconds": 60,
    "link": "i_1",
    "name": "Fay",
    "token": "t",
}
OF_ROWS: dict[str, dict[str, Any]] = {
    "POST /api/rooms": {"room": "more plans", "title": "More plans"},
    "PATCH /api/rooms/{room}": {"topic": "what comes next"},
    "POST /api/rooms/{room}/messages": {"id": "m-17"},
    "PUT /api/rooms/{room}/members/{user}": {"user": "u_cay"},
    "DELETE /api/me/blocks/{user}": {"user": "u_dan"},
    "DELETE /api/users/{user}": {"user": "u_fay"},
    "POST /api/links": {"room": "plans"},
    "DELETE /api/invitations/{room}": {"room": "club"},
    "DELETE /api/rooms/{room}/bans/{user}": {"user": "u_dan"},
    "DELETE /api/rooms/{room}/mutes/{user}": {"user": "u_eve"},
}
# What servers choose at random: the id of a command, of a report or link, its secret, the room in a cursor.
RANDOM = re.compile(rb"h_[\w-]{12}|\b[ip]_[\w-]{16}|(?<=\"token\":\")[\w-]+|(?<=\d{16}\.)\d+")


class Stopped:
    """A clock that stands still, the same for all servers."""

    def __init__(self) -> None:
        self.us = SystemClock().now_us()
        self.monotonic = SystemClock().monotonic

    def now_us(self) -> int:
        return self.us


class Pair:
    """Two servers with the same rooms: one answers itself, the other is asked by an edge."""

    def __init__(self, clock: Stopped, direct: Server, owner: Server, edge: Server) -> None:
        self.clock = clock
        self.direct, self.owner, self.edge = direct, owner, edge
        self.way: Way = make_edge(edge, owner)
        self.seq = 0

    async def fill(self) -> None:
        """Make rooms, people and messages, the same at both."""
        began = self.clock.us
        for server in (self.direct, self.owner):
            self.clock.us = began
            for name in ("cay", "dan", "eve"):
                await self.step(Web(server.port, name).create(f"of {name}"))
            ann, ben, root = (Web(server.port, name, role) for name, role in PEOPLE)
            await self.step(ann.create("plans"))
            await self.step(ben.create("secret", private=True))
            await self.step(ben.create("club", private=True))
            await self.step(root.put("/api/rooms/plans/members/u_ben"))
            await self.step(ben.put("/api/rooms/club/members/u_ann"))
            self.seq = await self.step(ann.say("plans", "the first message"))
            await self.step(ben.say("plans", "the second, after the first", reply_to=self.seq))
            await self.step(ben.say("secret", "the first of ours"))
            await self.step(ann.put("/api/rooms/plans/bans/u_dan", {"reason": "spam"}))
            await self.step(ann.put("/api/rooms/plans/mutes/u_eve"))
            await self.step(ben.put(f"/api/rooms/plans/messages/{self.seq}/reactions/x"))
            await self.step(ann.put("/api/me/blocks/u_dan"))
            await self.step(root.put("/api/users/u_fay", {"name": "fay"}))
            await self._add_link_and_report(server)

    async def _add_link_and_report(self, server: Server) -> None:
        storage, now = server.chat.parts.storage, self.clock.us
        room = await storage.rooms.find_room("plans")
        assert room is not None
        link = InviteLink("i_1", hash_secret("t"), room.room_id, "u_ann", now, now + DAY_US, 9, 9)
        await storage.links.insert(link, noted("link", at=now))
        cay, eve = User("u_cay", "cay"), User("u_eve", "eve")
        report = Report("p_1", room.room_id, "plans", 1, cay, "rude", eve, "a message", "2026-01-01T00:00:00Z", now)
        await storage.safety.insert_report(report, noted("report", at=now))

    async def step(self, request: Any) -> Any:
        self.clock.us += 1000
        return await request

    async def ask(self, what: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes | None) -> int:
        """Send a request to both, and compare the answers; return their status."""
        self.clock.us += 1000
        direct, edge = [
            await fetch(server.port, target, headers, method=method, body=body) for server in (self.direct, self.edge)
        ]
        assert _shown(edge) == _shown(direct), f"{what}: {method} {target}"
        return direct.status


PEOPLE = (("ann", "user"), ("ben", "user"), ("root", "admin"))


def _shown(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    """Return what must be the same."""
    headers = {name: RANDOM.sub(b"", value.encode()).decode() for name, value in reply.headers.items()}
    headers.pop("date")
    headers.pop("x-request-id")
    body = RANDOM.sub(b"", reply.body)
    if len(body) < len(reply.body):
        headers.pop("content-length", None)  # of two random numbers, one may be longer
    return reply.status, headers, body


@pytest.fixture
async def pair(serve: Serve) -> AsyncIterator[Pair]:
    clock = Stopped()
    options = {"RATE_LIMIT_REQUESTS": "0", "MAX_FRAME_BYTES": str(LIMIT), "MAX_CONTENT_CHARS": "1000"}
    servers = [await serve(**options) for _ in range(3)]
    for server in servers:
        server.chat.parts.clock = clock
    pair = Pair(clock, *servers)
    await pair.fill()
    async with (
        Client(f"ws://127.0.0.1:{pair.direct.port}", room="plans", token=Web(0, "ben").token),
        Client(f"ws://127.0.0.1:{pair.owner.port}", room="plans", token=Web(0, "ben").token),
    ):
        yield pair


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
async def test_an_edge_answers_as_the_server_that_has_the_rooms(pair: Pair, name: str) -> None:
    statuses = []
    for what, method, target, headers, body in _requests(ROWS[name], pair.seq):
        statuses.append(await pair.ask(what, method, target, headers, body))
    assert any(status < 300 for status in statuses), f"no request of {name} succeeds: {statuses}"
    assert any(status >= 400 for status in statuses), f"no request of {name} is refused: {statuses}"
    assert pair.way.questions
    assert not pair.edge.chat.parts.hub.rooms


Request = tuple[str, str, str, list[tuple[str, str]], bytes | None]


class Requests:
    """Makes requests to a row."""

    def __init__(self, row: Endpoint, seq: int) -> None:
        self._row = row
        self._parameters = row.parameters()
        self.places = self._parameters.places
        of_row = OF_ROWS.get(f"{row.method} {row.path}", {})
        given = SAMPLES | {"seq": seq} | of_row
        needed = {field.name for field in structs.fields(row.params) if field.required}
        unknown = [field for field in self.places if field in needed - given.keys()]
        assert not unknown, f"add values of {unknown} to SAMPLES"
        self._values = {field: given[field] for field in self.places if field in needed | of_row.keys()}

    def make(self, what: str, who: Web, method: str = "", body: bytes | None = None, **changed: Any) -> Request:
        """Make a request with the values of the row, except those that are ``changed``."""
        path, query, sent = self._row.path, {}, {}
        headers = [("Authorization", f"Bearer {who.token}")] if who.token else []
        for field, value in (self._values | changed).items():
            match self.places[field]:
                case "path":
                    path = path.replace(f"{{{field}}}", quote(str(value), safe=""))
                case "query":
                    query[self._parameters.name_of(field)] = value
                case "header":
                    headers.append((self._parameters.name_of(field), value))
                case "body":
                    sent[self._parameters.name_of(field)] = value
        if body is None and self._parameters.body is not None:
            body = json.dumps(sent).encode()
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        return what, method or self._row.method, path + (f"?{urlencode(query)}" if query else ""), headers, body

    def changed(self, who: Web, field: str, *values: Any) -> Iterator[Request]:
        """Make a request for each of the values of a field."""
        for value in values:
            yield self.make(f"{field} is {str(value)[:20]!r}", who, **{field: value})


def _requests(row: Endpoint, seq: int) -> Iterator[Request]:
    """Yield requests to a row, valid and invalid ones, by different callers."""
    requests = Requests(row, seq)
    ann, ben, root = (Web(0, name, role) for name, role in PEOPLE)
    eve, guest, wrong = Web(0, "eve"), Web(0), Web(0, token="x.y.z")
    yield requests.make("valid", ann)
    what, method, target, headers, body = requests.make("of a page", guest)
    yield what, method, target, [*headers, ("Origin", "https://elsewhere.example")], body
    yield requests.make("once more", ann)
    for name, who in {"member": ben, "admin": root, "stranger": eve, "wrong token": wrong}.items():
        yield requests.make(name, who)
    if row.method == "GET":
        yield requests.make("head", ann, "HEAD")
        yield requests.make("refused head", wrong, "HEAD")
    for field, place in requests.places.items():
        if field == "room":
            for who in (eve, guest, ann):
                yield from requests.changed(who, field, "secret", "no such room", "", "x" * 300, "a\0b")
        elif place == "query":
            yield from requests.changed(ann, field, "\0", "1", "true", "x" * 2000, "-1")
        elif place == "body":
            yield from requests.changed(ann, field, [], 0, None, "x" * 3000)
        elif place == "header":
            yield from requests.changed(ann, field, "k-1", "k-1", "x" * 300, "\xff")
        else:
            yield from requests.changed(ann, field, "0", "u_nobody", "\0", "x" * 500)
    for sent in (b"", b"[]", b'{"x":', b"{}", b" " * (LIMIT + 1), b"\xff"):
        yield requests.make(f"body {sent[:20]!r}", ann, body=sent)
