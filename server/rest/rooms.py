"""``/api/rooms``: list, describe, create, change and delete rooms. ``/api/direct``: direct rooms."""

from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import asdict

from chat.queries import listing
from model.commands import CreateRoom, DeleteRoom, ListRooms, OpenDirect, RoomName, UpdateRoom
from model.events import Ack, RoomEntry, Rooms, RoomState
from model.text import check_name
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint
from server.rest.context import (
    IN_ROOM,
    NEXT,
    ORIGIN,
    STORES,
    WHERE,
    RestContext,
    Routes,
    json_answer,
    next_page,
    visible,
)

ROUTES = Routes()

_ROOM = Answer(200, "the room", RoomEntry)


class RoomParams(Struct, frozen=True):
    """A room."""

    room: RoomName


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/rooms",
        "List rooms, ordered by name",
        params=ListRooms,
        answers=(Answer(200, "the rooms", Rooms, headers=ORIGIN | NEXT),),
        refusals=("unavailable",),
        text="The rooms that everyone can find, or with `mine` your own rooms and your invitations.",
        auth="optional",
    )
)
async def list_rooms(rest: RestContext, command: ListRooms) -> Answered:
    """Answer with a page of rooms."""
    page = await listing.list_rooms(rest.parts, rest.asked.identity, command, rest.inside)
    return json_answer(page, links=next_page(rest.asked, page.cursor))


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/rooms",
        "Create a room and become its owner",
        params=CreateRoom,
        names={"room": "name"},
        answers=(Answer(201, "the room is created and stored", RoomEntry, headers=WHERE),),
        refusals=("reserved_name", "room_exists", "too_many_rooms", *STORES),
        auth="token",
    )
)
async def create(rest: RestContext, command: CreateRoom) -> Answered:
    """Create a room."""
    made = await rest.run(command, RoomState)
    # Not read back: if that failed, the caller would not learn that the room was created.
    entry = RoomEntry(**asdict(made.info), room=made.room, members=1, role=made.role)
    return json_answer(entry, status=201, Location=f"rooms/{quote(made.room, safe='')}")


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/rooms/{room}",
        "Describe a room",
        params=RoomParams,
        answers=(Answer(200, "the room, with the caller's unread count", RoomEntry, headers=ORIGIN),),
        refusals=("no_such_room", "unavailable"),
        auth="optional",
    )
)
async def describe(rest: RestContext, params: RoomParams) -> Answered:
    """Answer with one room."""
    return await _described(rest, params.room)


@ROUTES.add(
    Endpoint(
        "PATCH",
        "/api/rooms/{room}",
        "Change a room",
        params=UpdateRoom,
        answers=(_ROOM,),
        refusals=IN_ROOM,
        text="For moderators; only owners change who may enter and how long messages are kept.",
        auth="token",
    )
)
async def update(rest: RestContext, command: UpdateRoom) -> Answered:
    """Change the given fields of a room."""
    await rest.run(command, Ack)
    return await _described(rest, command.room)


ROUTES.run(
    Endpoint(
        "DELETE",
        "/api/rooms/{room}",
        "Delete a room",
        params=DeleteRoom,
        refusals=IN_ROOM,
        text="For moderators. Everyone is removed, the name becomes free, and the messages are no longer served.",
    )
)


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/direct/{user}",
        "Open the direct room with a user",
        params=OpenDirect,
        answers=(_ROOM,),
        refusals=("no_such_user", "too_many_rooms", *STORES),
        text="It is created when first opened, and persists.",
        auth="token",
    )
)
async def open_direct(rest: RestContext, command: OpenDirect) -> Answered:
    """Open a direct room."""
    opened = await rest.run(command, RoomState)
    return await _described(rest, opened.room)


async def _described(rest: RestContext, room: str) -> Answered:
    entry = await listing.describe_room(rest.parts, check_name(room, "room"), rest.asked.identity)
    return json_answer(visible(entry))
