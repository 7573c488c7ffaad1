"""``/api/rooms/{room}/messages``, ``/search`` and ``/history``: what was said, and saying something."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from chat.handlers.search import find
from chat.queries.history import Page, find_history, find_message, read_history
from model.commands import DeleteMessage, EditMessage, Pin, PostMessage, React, ReadHistory, Search
from model.errors import ParleyError
from model.events import Ack, AckItem, HistoryPage, SearchPage
from model.message import Message
from model.room import DEFAULT_ROOM
from model.text import check_name
from server.http.bodies import HistoryQuery
from server.http.endpoints import IDENTITY, Answer, Endpoint
from server.rest.asking import (
    DONE,
    IN_ROOM,
    NEXT,
    ORIGIN,
    WHERE,
    Asking,
    asker,
    link,
    new_id,
    next_page,
    no_such_room,
    told,
)
from server.rest.message_bodies import (
    EditMessageAsked,
    MessageAsked,
    MessagesAsked,
    PostMessageAsked,
    ReactionAsked,
    SearchAsked,
)

LINKS = {"Link?": 'the pages on either side, where there are any: `rel="prev"` is older, `rel="next"` is newer'}
_CHANGE = ("no_such_message", *IN_ROOM)
_HISTORY = (
    "With everything that was broadcast before it was read. A room that nobody has written in, that is not there or "
    "that one may not see is an empty array."
)
_SENT = (
    "Answered when it is stored. Sent again with the same `id` (or `Idempotency-Key`) it is stored once, and answered "
    "with the first one's `seq`. The room must be there. Who is no member of a public room does not become one."
)


class Messages:
    """Messages of a room."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows."""
        return (*self._reads(), *self._writes())

    def _reads(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                "GET",
                "/api/rooms/{room}/messages",
                "A page of a room's messages, oldest first",
                self.page,
                MessagesAsked,
                (Answer(200, "the page", HistoryPage, headers=ORIGIN | LINKS),),
                ("no_such_room", "unavailable"),
                "The newest ones, or those next to a `seq`; with everything that was broadcast before it was read.",
                "anybody",
            ),
            Endpoint(
                "GET",
                "/api/rooms/{room}/messages/{seq}",
                "One message",
                self.one,
                MessageAsked,
                (Answer(200, "the message as it is now", Message, headers=ORIGIN),),
                ("no_such_room", "no_such_message", "unavailable"),
                asker="anybody",
            ),
            Endpoint(
                "GET",
                "/search",
                "Messages with these words in all of one's rooms, newest first",
                self.search,
                SearchAsked,
                (Answer(200, "the page", SearchPage, headers=NEXT),),
                ("unavailable",),
                asker="somebody",
            ),
            Endpoint(
                "GET",
                "/history",
                "A page of a room's messages, oldest first",
                self.history,
                HistoryQuery,
                (Answer(200, "the messages", list[Message], headers=ORIGIN | LINKS),),
                ("unavailable",),
                _HISTORY,
                "anybody",
            ),
        )

    def _writes(self) -> tuple[Endpoint, ...]:
        row: dict[str, Any] = {"asker": "somebody"}
        return (
            Endpoint(
                "POST",
                "/api/rooms/{room}/messages",
                "Say something",
                self.post,
                PostMessageAsked,
                (Answer(201, "it is stored", AckItem, headers=WHERE),),
                ("empty", "muted", "slow_mode", "no_such_message", "conflict", *IN_ROOM),
                _SENT,
                **row,
            ),
            Endpoint(
                "PATCH",
                "/api/rooms/{room}/messages/{seq}",
                "Edit a message of one's own",
                self.edit,
                EditMessageAsked,
                (Answer(200, "the message as it is now", Message),),
                ("empty", "muted", "not_author", "too_late", *_CHANGE),
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/messages/{seq}",
                "Delete a message, one's own or as a moderator",
                self.delete,
                MessageAsked,
                (DONE,),
                ("not_author", *_CHANGE),
                **row,
            ),
            Endpoint(
                "PUT",
                "/api/rooms/{room}/messages/{seq}/reactions/{emoji}",
                "React to a message",
                self.react,
                ReactionAsked,
                (DONE,),
                ("muted", "too_many_reactions", *_CHANGE),
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/messages/{seq}/reactions/{emoji}",
                "Take a reaction of one's own away",
                self.unreact,
                ReactionAsked,
                (DONE,),
                ("muted", *_CHANGE),
                **row,
            ),
            Endpoint(
                "PUT",
                "/api/rooms/{room}/messages/{seq}/pin",
                "Pin a message to its room",
                self.pin,
                MessageAsked,
                (DONE,),
                _CHANGE,
                "For moderators.",
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/messages/{seq}/pin",
                "Take the pin of a message away",
                self.unpin,
                MessageAsked,
                (DONE,),
                _CHANGE,
                "For moderators.",
                **row,
            ),
        )

    # Reading.

    async def page(self, request: web.Request, asked: MessagesAsked) -> web.StreamResponse:
        """A page of the room's past."""
        room = check_name(asked.room, "room")
        wanted = ReadHistory(
            room=room,
            limit=asked.limit,
            before=asked.before,
            after=asked.after,
            around=asked.around,
            start=asked.start,
            end=asked.end,
            sender=asked.sender,
            q=asked.q,
            pinned=asked.pinned,
            include_deleted=asked.include_deleted,
        )
        page = await find_history(self._asking.chat, room, wanted, asker(request))
        if page is None:
            raise no_such_room()
        body = HistoryPage(room=room, messages=page.messages, has_older=page.has_older, has_newer=page.has_newer)
        return told(body, links=_beside(request, page))

    async def one(self, request: web.Request, asked: MessageAsked) -> web.StreamResponse:
        """One message."""
        return told(await self._find(request, asked.room, asked.seq))

    async def search(self, request: web.Request, asked: SearchAsked) -> web.StreamResponse:
        """A page of what was found."""
        wanted = Search(q=asked.q, limit=asked.limit, cursor=asked.cursor)
        asking = self._asking
        page = await find(asking.chat, request[IDENTITY], wanted, asking.inside(request))
        return told(page, links=next_page(request, page.cursor))

    async def history(self, request: web.Request, asked: HistoryQuery) -> web.StreamResponse:
        """``GET /history?r=``: a JSON array, oldest first, with ``Link`` to the pages beside it."""
        name = check_name(asked.r or DEFAULT_ROOM, "r")
        wanted = ReadHistory(
            room=name, limit=asked.limit, before=asked.before, after=asked.after, sender=asked.sender, q=asked.q
        )
        page = await read_history(self._asking.chat, name, wanted, asker(request))
        return told(page.messages, links=_beside(request, page))

    # Writing.

    async def post(self, request: web.Request, asked: PostMessageAsked) -> web.StreamResponse:
        """A new message; with an id of the client's it may have been sent before."""
        new = asked.body
        given, field = (new.id, "id") if new.id is not None else (asked.idempotency_key, "Idempotency-Key")
        if given is not None and not given.isprintable():
            raise ParleyError("bad_field", f"{field} holds a character that cannot be printed", field=field)
        command = PostMessage(
            id=given or new_id(),
            room=asked.room,
            content=new.content,
            reply_to=new.reply_to,
            resend=given is not None,
        )
        ack = await self._asking.do(request, command, Ack)
        stored = next(item for item in ack.ids if item.id == command.id)
        return told(stored, status=201, Location=f"messages/{stored.seq}")

    async def edit(self, request: web.Request, asked: EditMessageAsked) -> web.StreamResponse:
        """Another content."""
        command = EditMessage(id=new_id(), room=asked.room, seq=asked.seq, content=asked.body.content)
        await self._asking.do(request, command, Ack)
        return told(await self._find(request, asked.room, asked.seq))

    async def delete(self, request: web.Request, asked: MessageAsked) -> web.StreamResponse:
        """No content any more."""
        return await self._asking.done(request, DeleteMessage(id=new_id(), room=asked.room, seq=asked.seq))

    async def react(self, request: web.Request, asked: ReactionAsked) -> web.StreamResponse:
        """A reaction."""
        return await self._react(request, asked, on=True)

    async def unreact(self, request: web.Request, asked: ReactionAsked) -> web.StreamResponse:
        """It is taken away."""
        return await self._react(request, asked, on=False)

    async def _react(self, request: web.Request, asked: ReactionAsked, *, on: bool) -> web.StreamResponse:
        command = React(id=new_id(), room=asked.room, seq=asked.seq, emoji=asked.emoji, on=on)
        return await self._asking.done(request, command)

    async def pin(self, request: web.Request, asked: MessageAsked) -> web.StreamResponse:
        """A pin."""
        return await self._asking.done(request, Pin(id=new_id(), room=asked.room, seq=asked.seq))

    async def unpin(self, request: web.Request, asked: MessageAsked) -> web.StreamResponse:
        """It is taken away."""
        return await self._asking.done(request, Pin(id=new_id(), room=asked.room, seq=asked.seq, on=False))

    async def _find(self, request: web.Request, name: str, seq: int) -> Message:
        return await find_message(self._asking.chat, check_name(name, "room"), seq, asker(request))


def _beside(request: web.Request, page: Page) -> tuple[str, ...]:
    """Links to the pages on either side."""
    if not page.messages:
        return ()
    older = (link(request, "prev", before=page.messages[0].seq),) if page.has_older else ()
    newer = (link(request, "next", after=page.messages[-1].seq),) if page.has_newer else ()
    return older + newer
