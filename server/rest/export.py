"""``/api/rooms/{room}/export``: all messages of a room, for its moderators."""

from chat.queries.history import ExportPlace, export_page
from model.text import check_name
from server.http.asked import Answered
from server.http.endpoints import NDJSON, TEXT, Answer, Endpoint
from server.rest.context import RestContext, Routes
from server.rest.rooms import RoomParams
from utils.encoding import to_json

ROUTES = Routes()

_HEADERS = {"Content-Type": NDJSON, "Content-Disposition": 'attachment; filename="messages.jsonl"'}


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/rooms/{room}/export",
        "Export every message of a room",
        params=RoomParams,
        answers=(
            Answer(200, "the messages", str, (NDJSON,), {"Content-Disposition": "`attachment`"}),
            Answer(505, "the request is HTTP/1.0, in which a truncated body looks complete", str, (TEXT,)),
        ),
        refusals=("no_such_room", "overloaded", "unavailable"),
        text="For moderators. JSON Lines: one message per line, oldest first, including deleted ones with their "
        "content. Covers what was sent before the request, and is read page by page as fast as the client reads. If "
        "storage fails, or the caller stops being a moderator, the connection is cut: a body that ends properly is "
        "complete.",
        auth="token",
        in_parts=True,
    )
)
async def export(rest: RestContext, params: RoomParams) -> Answered:
    """Answer with one page of the room."""
    place = rest.asked.place
    messages, more = await export_page(
        rest.parts, check_name(params.room, "room"), rest.caller, None if place is None else ExportPlace(*place)
    )
    return Answered(200, _HEADERS, b"".join(to_json(message) + b"\n" for message in messages), more)
