"""Shared by the REST endpoints: their table, running a command, and the form of an answer."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from msgspec.structs import replace

from chat.chat import Chat
from chat.command_kinds import READS_ONLY
from chat.one_shot import CommandRunner
from chat.ports import Actor, Identity
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from model.commands import AnyCommand, UseLink
from model.errors import ParleyError
from model.events import Ack, Event
from server.http.asked import Answered, Asked, RoomsHandler
from server.http.endpoints import Answer, Endpoint
from server.http.parameters import JSON
from utils.encoding import to_json
from utils.ids import new_token

E = TypeVar("E", bound=Event)
T = TypeVar("T")

ORIGIN = {"Access-Control-Allow-Origin?": "set as `ALLOWED_ORIGINS` says, unless a token was used"}
NEXT = {"Link?": 'the next page, if any, as `rel="next"`'}
WHERE = {"Location": "its address, relative to this one"}
DONE = Answer(204, "done and stored")
# The refusals of a command that writes to storage.
STORES = ("overloaded", "unavailable", "shutting_down", "not_stored")
# The refusals of a command that writes in a room.
IN_ROOM = ("no_such_room", "banned", "too_many_rooms", *STORES)


class RestContext(NamedTuple):
    """The parts of the chat, and the request that a handler answers."""

    parts: Parts
    runner: CommandRunner
    asked: Asked

    @property
    def caller(self) -> Identity:
        """The caller, for rows that require a token."""
        identity = self.asked.identity
        assert identity is not None
        return identity

    @property
    def actor(self) -> Actor:
        """The caller with their network, for rows that require a token."""
        return Actor(self.caller, self.asked.network)

    def begin_change(self) -> None:
        """Count a change that runs no command, and refuse it to a bot whose key may only read.

        Raises:
            ParleyError: ``rate_limited``, ``forbidden``.
        """
        self.runner.count(self.caller)
        if self.caller.scope == "read":
            raise ParleyError("forbidden", READS_ONLY)

    async def run(self, command: AnyCommand | UseLink, until: type[E]) -> E:
        """Run a command for the caller; see `chat.one_shot.CommandRunner.run`. A command without an id gets one."""
        return await self.runner.run(
            self.caller,
            command if command.id is not None else replace(command, id=new_id()),
            until,
            address=self.asked.address,
            network=self.asked.network,
        )

    def inside(self) -> list[Room]:
        """Return the rooms that the caller is in now, on any device."""
        identity = self.asked.identity
        devices = () if identity is None else self.parts.directory.devices(identity.user.id)
        return list({room: None for device in devices for room in device.rooms.values()})


RestHandler = Callable[[RestContext, Any], Awaitable[Answered]]
H = TypeVar("H", bound=RestHandler)


class Routes:
    """A table of endpoints, each next to its handler, which takes a :class:`RestContext`."""

    def __init__(self) -> None:
        self._rows: list[tuple[Endpoint, RestHandler]] = []

    def add(self, row: Endpoint) -> Callable[[H], H]:
        """Decorate the handler of a row."""

        def added(handler: H) -> H:
            self._rows.append((row, handler))
            return handler

        return added

    def run(self, row: Endpoint) -> None:
        """Add a row that only runs a command, its ``params``, for a caller with a token, and is answered with 204."""
        self.add(row._replace(answers=(DONE,), auth="token"))(run)

    def endpoints(self, chat: Chat, runner: CommandRunner) -> tuple[Endpoint, ...]:
        """Return the rows, with handlers that know the chat."""

        def bound(handler: RestHandler) -> RoomsHandler:
            return lambda asked, params: handler(RestContext(chat.parts, runner, asked), params)

        return tuple(row._replace(rooms_handler=bound(handler)) for row, handler in self._rows)


async def run(rest: RestContext, command: AnyCommand) -> Answered:
    """Run a command whose only answer is an acknowledgement."""
    await rest.run(command, Ack)
    return Answered(204)


def new_id() -> str:
    """Return an id for a command whose client chose none."""
    return new_token("h_", 9)


def visible(found: T | None) -> T:
    """Return the result of a read in a room, which is None if the room cannot be found.

    Raises:
        ParleyError: ``no_such_room``, the same in each byte for a room that does not exist and for one that the caller
            may not see.
    """
    if found is None:
        raise ParleyError("no_such_room", field="room")
    return found


def json_answer(value: Any, *, status: int = 200, links: tuple[str, ...] = (), **headers: str) -> Answered:
    """Answer with a record as JSON."""
    headers["Content-Type"] = JSON
    if links:
        headers["Link"] = ", ".join(links)
        headers["Access-Control-Expose-Headers"] = "Link"
    return Answered(status, headers, to_json(value))


def link(asked: Asked, rel: str, **cursor: object) -> str:
    """Return a link to another page of the same query, relative to the request's address (RFC 8288 section 3.1).

    So it is right below a prefix that a proxy removes from the path. The query alone: yarl, with which aiohttp clients
    resolve links, decodes the path when a reference has a segment, and so loses the slash in a room's name.
    """
    query = {name: value for name, value in asked.query if name not in _CURSORS}
    return f'<?{urlencode({**query, **cursor})}>; rel="{rel}"'


_CURSORS = frozenset({"before", "after", "around", "cursor"})


def next_page(asked: Asked, cursor: str | None) -> tuple[str, ...]:
    """Return the link to the next page, if there is one."""
    return () if cursor is None else (link(asked, "next", cursor=cursor),)
