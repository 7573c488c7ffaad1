"""``/api/chat/...`` and ``/api/users``: history and users for clients of `server.dialects.api_chat`."""

from msgspec import Struct

from chat.delivery.paging import fitting
from chat.queries.history import NOTHING, read_history
from chat.queries.online import list_online
from model.commands import Cursor, Listed, Name, ReadHistory
from model.limits import HISTORY_DEFAULT, LIST_DEFAULT
from model.principals import APPLICATION, Mark, kind_of, shown_id
from model.room import DEFAULT_ROOM
from model.text import check_name
from server.dialects.api_chat import MessageFrame, message_frame
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint
from server.rest.context import NEXT, RestContext, Routes, json_answer, link
from utils.clock import rfc3339

ROUTES = Routes()

# These clients cannot ask for a second page, so the limit is larger than that of other pages.
MESSAGES_BYTES = 2 << 20


class ChatParams(Struct, frozen=True):
    """The room to read.

    Attributes:
        room: its name; empty for the default.
    """

    room: Name = DEFAULT_ROOM


class UsersParams(Struct, frozen=True):
    """A page of users.

    Attributes:
        limit: maximum number of users in the page.
        cursor: the `id` of the last user of the previous page.
    """

    limit: Listed = LIST_DEFAULT
    cursor: Cursor = ""


class ChatUsersParams(UsersParams, frozen=True):
    """A page of the users who are online in a room.

    Attributes:
        room: its name; empty for the default.
        limit: maximum number of users in the page.
        cursor: the `id` of the last user of the previous page.
    """

    room: Name = DEFAULT_ROOM


class OnlineUser(Struct, frozen=True, omit_defaults=True):
    """A user who is online.

    Attributes:
        id: as in `sender_id`.
        userid: the application's own id of the user.
        username: the display name.
        rooms: the rooms that the user is in, of those that you may see.
        devices: the number of connections.
        since: when the oldest of these connections began.
        kind: of a guest `guest`, of a user with an id that anyone may claim `claimed`, of a bot `bot`.
    """

    id: str
    userid: str
    username: str
    rooms: list[str]
    devices: int
    since: str
    kind: Mark = ""


_HIDDEN = "The array is empty if there is no such room, or you may not see it."
_NEWEST = Endpoint(
    "GET",
    "/api/chat/messages",
    f"The {HISTORY_DEFAULT} newest messages of a room, oldest first",
    params=ChatParams,
    answers=(Answer(200, "the messages, as events of `/api/chat`", list[MessageFrame]),),
    refusals=("unavailable",),
    text=_HIDDEN,
    auth="account",
)


@ROUTES.add(_NEWEST)
@ROUTES.add(_NEWEST._replace(path="/api/chat/list", text=f"An alias of `/api/chat/messages`. {_HIDDEN}"))
async def messages(rest: RestContext, params: ChatParams) -> Answered:
    """Answer with the newest page of a room."""
    name = check_name(params.room or DEFAULT_ROOM, "room")
    found = await read_history(
        rest.parts, name, ReadHistory(room=name), rest.caller, max_bytes=MESSAGES_BYTES, bare=True
    )
    return json_answer([message_frame(message) for message in (found or NOTHING).messages])


_ONLINE = Endpoint(
    "GET",
    "/api/users",
    "List the users who are online",
    params=UsersParams,
    answers=(Answer(200, "the users, ordered by id", list[OnlineUser], headers=NEXT),),
    refusals=("unavailable",),
    auth="account",
)


@ROUTES.add(
    _ONLINE._replace(
        path="/api/chat/users",
        summary="List the users who are online in a room",
        params=ChatUsersParams,
        text=_HIDDEN,
    )
)
@ROUTES.add(_ONLINE)
async def users(rest: RestContext, params: UsersParams) -> Answered:
    """Answer with a page of the users who are online, in one room or in any."""
    room = check_name(params.room or DEFAULT_ROOM, "room") if isinstance(params, ChatUsersParams) else None
    found = await list_online(rest.parts, rest.caller, room, after=params.cursor, limit=params.limit + 1)
    page = [
        OnlineUser(
            person.user.id,
            shown_id(person.user.id, APPLICATION),
            person.user.name,
            person.rooms,
            person.devices,
            rfc3339(person.since),
            kind_of(person.user.id),
        )
        for person in (found or [])[: params.limit]
    ]
    page = page[: fitting(page)]
    links = (link(rest.asked, "next", cursor=page[-1].id),) if found and len(found) > len(page) else ()
    return json_answer(page, links=links)
