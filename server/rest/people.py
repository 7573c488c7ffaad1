"""``/api/chat/...`` and ``/api/users``: for pages of an application with accounts, as `/api/chat` itself."""

from __future__ import annotations

from aiohttp import web

from chat.delivery.paging import fitting
from chat.queries.history import read_history
from chat.queries.online import Online, list_online
from model.commands import ReadHistory
from model.limits import HISTORY_DEFAULT
from model.principals import ACCOUNT, shown_id
from model.text import check_name
from server.http.endpoints import IDENTITY, Answer, Endpoint
from server.rest.asking import NEXT, Asking, link, told
from server.rest.people_bodies import ChatAsked, ChatUsersAsked, OnlineUser, UsersAsked
from server.spec.api_chat import MessageTold
from utils.clock import rfc3339

MESSAGES_BYTES = 2 << 20
_MESSAGES = Answer(200, "the messages, as events of `/api/chat`", list[MessageTold])
_PEOPLE = Answer(200, "the people, by id", list[OnlineUser], headers=NEXT)
_UNSEEN = "Of a room that is not there, or that one may not see, the array is empty."


class People:
    """What pages of the events dialect read."""

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
                    ("/api/chat/messages", _UNSEEN),
                    ("/api/chat/list", f"Another name of `/api/chat/messages`. {_UNSEEN}"),
                )
            ),
            Endpoint(
                "GET",
                "/api/chat/users",
                "Who is in a room now",
                self.people_of,
                ChatUsersAsked,
                (_PEOPLE,),
                ("unavailable",),
                _UNSEEN,
                "account",
            ),
            Endpoint(
                "GET",
                "/api/users",
                "Who is connected",
                self.people,
                UsersAsked,
                (_PEOPLE,),
                ("unavailable",),
                asker="account",
            ),
        )

    async def messages(self, request: web.Request, asked: ChatAsked) -> web.StreamResponse:
        """The newest page, in the words of the events dialect."""
        name = check_name(asked.room or "general", "room")
        # There is no other page here, so none of it is left out: it is bounded by the number of messages.
        page = await read_history(
            self._asking.chat, name, ReadHistory(room=name), request[IDENTITY], max_bytes=MESSAGES_BYTES, bare=True
        )
        return told(
            [
                MessageTold(
                    id=message.seq,
                    room=message.room,
                    userid=shown_id(message.sender_id, ACCOUNT),
                    username=message.sender,
                    content=message.content,
                    timestamp=message.timestamp,
                )
                for message in page.messages
            ]
        )

    async def people_of(self, request: web.Request, asked: ChatUsersAsked) -> web.StreamResponse:
        """Those who are in one room."""
        return await self._people(request, check_name(asked.room or "general", "room"), asked.cursor, asked.limit)

    async def people(self, request: web.Request, asked: UsersAsked) -> web.StreamResponse:
        """All of them."""
        return await self._people(request, None, asked.cursor, asked.limit)

    async def _people(self, request: web.Request, room: str | None, after: str, limit: int) -> web.StreamResponse:
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
