"""``/api/chat/...`` and ``/api/users``: history and users for clients of `server.dialects.api_chat`."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from chat.delivery.paging import fitting
from chat.queries.history import read_history
from chat.queries.online import Online, list_online
from model.commands import Cursor, Listed, Name, ReadHistory
from model.limits import HISTORY_DEFAULT, LIST_DEFAULT
from model.principals import ACCOUNT, shown_id
from model.room import DEFAULT_ROOM
from model.text import check_name
from server.dialects.api_chat import MessageFrame, message_frame
from server.http.endpoints import IDENTITY, Answer, Endpoint
from server.rest.asking import NEXT, Asking, link, told
from utils.clock import rfc3339

MESSAGES_BYTES = 2 << 20


class ChatAsked(Struct, frozen=True):
    """The room to read.

    Attributes:
        room: its name; empty for the default.
    """

    room: Name = DEFAULT_ROOM


class UsersAsked(Struct, frozen=True):
    """A page of users.

    Attributes:
        limit: users in the page, at most.
        cursor: the `id` of the last user of the previous page.
    """

    limit: Listed = LIST_DEFAULT
    cursor: Cursor = ""


class ChatUsersAsked(Struct, frozen=True):
    """A page of the users who are online in a room.

    Attributes:
        room: its name; empty for the default.
        limit: users in the page, at most.
        cursor: the `id` of the last user of the previous page.
    """

    room: Name = DEFAULT_ROOM
    limit: Listed = LIST_DEFAULT
    cursor: Cursor = ""


class OnlineUser(Struct, frozen=True):
    """A user who is online.

    Attributes:
        id: as in `sender_id`.
        userid: the application's own id of the user.
        username: for display.
        rooms: the rooms that the user is in, of those that you may see.
        devices: the number of connections.
        since: when the oldest of these connections began.
    """

    id: str
    userid: str
    username: str
    rooms: list[str]
    devices: int
    since: str


_MESSAGES = Answer(200, "the messages, as events of `/api/chat`", list[MessageFrame])
_USERS = Answer(200, "the users, by id", list[OnlineUser], headers=NEXT)
_HIDDEN = "The array is empty if there is no such room, or you may not see it."


class ApiChat:
    """What clients of ``/api/chat`` read over HTTP."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows."""
        return (
            *(
                Endpoint(
                    "GET",
                    path,
                    f"The {HISTORY_DEFAULT} newest messages of a room, oldest first",
                    self.messages,
                    ChatAsked,
                    (_MESSAGES,),
                    ("unavailable",),
                    text,
                    "account",
                )
                for path, text in (
                    ("/api/chat/messages", _HIDDEN),
                    ("/api/chat/list", f"Another name of `/api/chat/messages`. {_HIDDEN}"),
                )
            ),
            Endpoint(
                "GET",
                "/api/chat/users",
                "List the users who are online in a room",
                self.users_of,
                ChatUsersAsked,
                (_USERS,),
                ("unavailable",),
                _HIDDEN,
                "account",
            ),
            Endpoint(
                "GET",
                "/api/users",
                "List the users who are online",
                self.users,
                UsersAsked,
                (_USERS,),
                ("unavailable",),
                asker="account",
            ),
        )

    async def messages(self, request: web.Request, asked: ChatAsked) -> web.StreamResponse:
        """Answer with the newest page of a room."""
        name = check_name(asked.room or DEFAULT_ROOM, "room")
        # These clients cannot ask for a second page, so no message of this one is left out to save bytes.
        page = await read_history(
            self._asking.chat, name, ReadHistory(room=name), request[IDENTITY], max_bytes=MESSAGES_BYTES, bare=True
        )
        return told([message_frame(message) for message in page.messages])

    async def users_of(self, request: web.Request, asked: ChatUsersAsked) -> web.StreamResponse:
        """Answer with a page of the users who are online in one room."""
        return await self._users(request, check_name(asked.room or DEFAULT_ROOM, "room"), asked.cursor, asked.limit)

    async def users(self, request: web.Request, asked: UsersAsked) -> web.StreamResponse:
        """Answer with a page of all users who are online."""
        return await self._users(request, None, asked.cursor, asked.limit)

    async def _users(self, request: web.Request, room: str | None, after: str, limit: int) -> web.StreamResponse:
        found = await list_online(self._asking.chat, request[IDENTITY], room, after=after, limit=limit + 1)
        page = [_online(person) for person in (found or [])[:limit]]
        page = page[: fitting(page)]
        links = (link(request, "next", cursor=page[-1].id),) if found and len(found) > len(page) else ()
        return told(page, links=links)


def _online(person: Online) -> OnlineUser:
    return OnlineUser(
        person.user.id,
        shown_id(person.user.id, ACCOUNT),
        person.user.name,
        person.rooms,
        person.devices,
        rfc3339(person.since),
    )
