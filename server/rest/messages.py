"""``/api/rooms/{room}/messages``, ``/search`` and ``/history``: reading, sending and changing messages."""

from msgspec import Struct
from msgspec.structs import asdict

from chat.queries.history import NOTHING, find_message, read_history, search_messages
from model import commands
from model.commands import (
    Content,
    DeleteMessage,
    EditMessage,
    Id,
    MessageSeq,
    Name,
    Pin,
    PostMessage,
    Query,
    React,
    ReadHistory,
    Search,
    Seq,
)
from model.errors import ParleyError
from model.events import Ack, AckItem, HistoryPage, SearchPage
from model.limits import HISTORY_DEFAULT
from model.message import Message
from model.room import DEFAULT_ROOM
from model.text import check_name
from server.http.asked import Answered, Asked
from server.http.endpoints import Answer, Endpoint
from server.rest.context import (
    IN_ROOM,
    NEXT,
    ORIGIN,
    WHERE,
    RestContext,
    Routes,
    json_answer,
    link,
    new_id,
    next_page,
    visible,
)
from server.rest.rooms import RoomParams

ROUTES = Routes()

LINKS = {"Link?": 'the pages on either side, if any: `rel="prev"` is older, `rel="next"` is newer'}
_MESSAGE = "/api/rooms/{room}/messages/{seq}"
_CHANGE = ("no_such_message", *IN_ROOM)


class MessageParams(RoomParams, frozen=True):
    """A message."""

    seq: MessageSeq


class HistoryParams(Struct, frozen=True):
    """The query of ``/history``.

    Attributes:
        room: its name; empty for the default.
        before: a `seq`; the page just before it.
        after: a `seq`; the page just after it; with `before`, the messages between them.
        sender: only messages with this display name.
        q: only messages that contain all these words.
    """

    room: Name = DEFAULT_ROOM
    limit: commands.Page = HISTORY_DEFAULT
    before: Seq | None = None
    after: Seq | None = None
    sender: Name | None = None
    q: Query | None = None


class NewMessage(RoomParams, frozen=True):
    """A message to send.

    Attributes:
        id: idempotency key chosen by the client; a message sent again with the same id is stored once.
        reply_to: the `seq` of the message it replies to.
        idempotency_key: used if the body has no `id`.
    """

    content: Content
    id: Id | None = None
    reply_to: Seq | None = None
    idempotency_key: Id | None = None


# Reading.


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/rooms/{room}/messages",
        "A page of a room's messages, oldest first",
        params=ReadHistory,
        answers=(Answer(200, "the page", HistoryPage, headers=ORIGIN | LINKS),),
        refusals=("no_such_room", "unavailable"),
        text="The newest messages, or those next to a `seq`, including everything broadcast before the read.",
        auth="optional",
    )
)
async def page(rest: RestContext, command: ReadHistory) -> Answered:
    """Answer with a page of the room's history."""
    found = visible(await read_history(rest.parts, check_name(command.room, "room"), command, rest.asked.identity))
    return json_answer(found, links=_beside(rest.asked, found))


@ROUTES.add(
    Endpoint(
        "GET",
        _MESSAGE,
        "One message",
        params=MessageParams,
        answers=(Answer(200, "the current state of the message", Message, headers=ORIGIN),),
        refusals=("no_such_room", "no_such_message", "unavailable"),
        auth="optional",
    )
)
async def one(rest: RestContext, params: MessageParams) -> Answered:
    """Answer with one message."""
    return await _found(rest, params.room, params.seq)


@ROUTES.add(
    Endpoint(
        "GET",
        "/search",
        "Search the messages of all your rooms, newest first",
        params=Search,
        answers=(Answer(200, "the page", SearchPage, headers=NEXT),),
        refusals=("unavailable",),
        auth="token",
    )
)
async def search(rest: RestContext, command: Search) -> Answered:
    """Answer with a page of the messages found."""
    found = await search_messages(rest.parts, rest.caller, command, rest.inside)
    return json_answer(found, links=next_page(rest.asked, found.cursor))


@ROUTES.add(
    Endpoint(
        "GET",
        "/history",
        "A page of a room's messages, oldest first",
        params=HistoryParams,
        names={"room": "r"},
        answers=(Answer(200, "the messages", list[Message], headers=ORIGIN | LINKS),),
        refusals=("unavailable",),
        text="Includes everything that was broadcast before the read. The array is empty for a room that has no "
        "messages, does not exist, or is not visible to the caller.",
        auth="optional",
    )
)
async def history(rest: RestContext, params: HistoryParams) -> Answered:
    """Answer with a JSON array, oldest first, with ``Link`` to the pages on either side."""
    name = check_name(params.room or DEFAULT_ROOM, "room")
    found = await read_history(rest.parts, name, ReadHistory(**asdict(params)), rest.asked.identity) or NOTHING
    return json_answer(found.messages, links=_beside(rest.asked, found))


# Writing.


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/rooms/{room}/messages",
        "Post a message",
        params=NewMessage,
        answers=(Answer(201, "the message is stored", AckItem, headers=WHERE),),
        refusals=("empty", "muted", "slow_mode", "no_such_message", "conflict", *IN_ROOM),
        text="Answered once the message is stored. A message sent again with the same `id` (or `Idempotency-Key`) is "
        "stored once and answered with the first `seq`. The room must exist. Posting to a public room does not make "
        "the caller a member.",
        auth="token",
        repeatable=lambda params: params.id is not None or params.idempotency_key is not None,
    )
)
async def post(rest: RestContext, params: NewMessage) -> Answered:
    """Send a message; one with an id from the client may have been sent before."""
    given = params.idempotency_key if params.id is None else params.id
    if given is not None and not given.isprintable():
        raise ParleyError("bad_field", "id contains an unprintable character", field="id")
    command = PostMessage(
        id=given or new_id(),
        room=params.room,
        content=params.content,
        reply_to=params.reply_to,
        resend=given is not None,
    )
    ack = await rest.run(command, Ack)
    stored = next(item for item in ack.ids if item.id == command.id)
    return json_answer(stored, status=201, Location=f"messages/{stored.seq}")


@ROUTES.add(
    Endpoint(
        "PATCH",
        _MESSAGE,
        "Edit your own message",
        params=EditMessage,
        answers=(Answer(200, "the current state of the message", Message),),
        refusals=("empty", "muted", "not_author", "too_late", *_CHANGE),
        auth="token",
    )
)
async def edit(rest: RestContext, command: EditMessage) -> Answered:
    """Change the content of a message."""
    await rest.run(command, Ack)
    return await _found(rest, command.room, command.seq)


ROUTES.run(
    Endpoint(
        "DELETE",
        _MESSAGE,
        "Delete your own message, or any as a moderator",
        params=DeleteMessage,
        refusals=("not_author", *_CHANGE),
    )
)
ROUTES.run(
    Endpoint(
        "PUT",
        _MESSAGE + "/reactions/{emoji}",
        "React to a message",
        params=React,
        fixed={"on": True},
        refusals=("muted", "too_many_reactions", *_CHANGE),
    )
)
ROUTES.run(
    Endpoint(
        "DELETE",
        _MESSAGE + "/reactions/{emoji}",
        "Remove your reaction",
        params=React,
        fixed={"on": False},
        refusals=("muted", *_CHANGE),
    )
)
ROUTES.run(
    Endpoint(
        "PUT",
        _MESSAGE + "/pin",
        "Pin a message",
        params=Pin,
        fixed={"on": True},
        refusals=_CHANGE,
        text="For moderators.",
    )
)
ROUTES.run(
    Endpoint(
        "DELETE",
        _MESSAGE + "/pin",
        "Unpin a message",
        params=Pin,
        fixed={"on": False},
        refusals=_CHANGE,
        text="For moderators.",
    )
)


async def _found(rest: RestContext, room: str, seq: int) -> Answered:
    return json_answer(await find_message(rest.parts, check_name(room, "room"), seq, rest.asked.identity))


def _beside(asked: Asked, found: HistoryPage) -> tuple[str, ...]:
    """Return the links to the pages on either side."""
    if not found.messages:
        return ()
    older = (link(asked, "prev", before=found.messages[0].seq),) if found.has_older else ()
    newer = (link(asked, "next", after=found.messages[-1].seq),) if found.has_newer else ()
    return older + newer
