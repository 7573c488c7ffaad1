"""What the endpoints of rooms share: who asks, carrying out a command, and how an answer looks."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from chat.chat import Chat
from chat.one_shot import Visits
from chat.ports import Identity
from chat.queries.listing import Inside
from chat.rooms.room import Room
from model.commands import AnyCommand
from model.errors import ParleyError
from model.events import Ack, Event
from server.http.endpoints import IDENTITY, JSON, SENDER, Answer
from utils.encoding import to_json
from utils.ids import new_token

E = TypeVar("E", bound=Event)

ORIGIN = {"Access-Control-Allow-Origin?": "what `ALLOWED_ORIGINS` says, unless a token was used"}
NEXT = {"Link?": 'where there is more: the rest, as `rel="next"`'}
WHERE = {"Location": "where it is, relative to this address"}
DONE = Answer(204, "done, and stored")
STORES = ("overloaded", "unavailable", "shutting_down", "not_stored")
"""The refusals of whatever is stored."""
IN_ROOM = ("no_such_room", "banned", "too_many_rooms", *STORES)
"""The refusals of whatever is done in a room."""


class Asking:
    """What an endpoint works with."""

    def __init__(self, chat: Chat, visits: Visits) -> None:
        self.chat = chat
        self._visits = visits

    async def do(self, request: web.Request, command: AnyCommand, until: type[E]) -> E:
        """Carry a command out for whoever asks; see `chat.one_shot.Visits.carry_out`."""
        client = request[SENDER]
        return await self._visits.carry_out(
            request[IDENTITY], command, until, address=client.address, network=client.network
        )

    def inside(self, request: web.Request) -> Inside:
        """Tells the rooms where whoever asks is, on any device, whenever it is called."""
        identity, hub = asker(request), self.chat.hub

        def rooms() -> list[Room]:
            devices = () if identity is None else hub.devices(identity.user.id)
            return list({room: None for device in devices for room in device.rooms.values()})

        return rooms

    async def done(self, request: web.Request, command: AnyCommand) -> web.Response:
        """The same, where there is nothing to say but that it is stored."""
        await self.do(request, command, Ack)
        return web.Response(status=204)


def new_id() -> str:
    """The id of a command whose client chose none."""
    return new_token("h_", 9)


def asker(request: web.Request) -> Identity | None:
    """Who asks; None for a nobody."""
    return request.get(IDENTITY)


def no_such_room() -> ParleyError:
    """What is not there, and what one may not see: the same in each byte."""
    return ParleyError("no_such_room", field="room")


def told(value: Any, *, status: int = 200, links: tuple[str, ...] = (), **headers: str) -> web.Response:
    """A record as an answer."""
    if links:
        headers["Link"] = ", ".join(links)
        headers["Access-Control-Expose-Headers"] = "Link"
    return web.Response(body=to_json(value), status=status, content_type=JSON, headers=headers)


def link(request: web.Request, rel: str, **cursor: object) -> str:
    """The address of another page of the same question, relative to the request's (RFC 8288 section 3.1).

    So it holds below a prefix that a proxy takes off the path. The query alone: yarl, which aiohttp's clients resolve
    links with, decodes the path when a reference has a segment, and so loses the slash in a room's name.
    """
    query = {name: value for name, value in request.query.items() if name not in _CURSORS}
    return f'<?{urlencode({**query, **cursor})}>; rel="{rel}"'


_CURSORS = frozenset({"before", "after", "around", "cursor"})


def next_page(request: web.Request, cursor: str | None) -> tuple[str, ...]:
    """The link to the page behind this one, if there is one."""
    return () if cursor is None else (link(request, "next", cursor=cursor),)
