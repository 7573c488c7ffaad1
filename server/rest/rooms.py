"""``/api/rooms``: which rooms there are, and what they are. ``/api/direct``: rooms of two."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web
from msgspec.structs import replace

from chat.queries.listing import describe_room, list_rooms
from model.commands import CreateRoom, DeleteRoom, ListRooms, OpenDirect, UpdateRoom
from model.errors import ParleyError
from model.events import Ack, RoomEntry, RoomState
from model.events import Rooms as RoomsTold
from model.text import check_name
from server.http.endpoints import Answer, Endpoint
from server.rest.asking import (
    DONE,
    IN_ROOM,
    NEXT,
    ORIGIN,
    STORES,
    WHERE,
    Asking,
    asker,
    new_id,
    next_page,
    no_such_room,
    told,
)
from server.rest.room_bodies import CreateRoomAsked, RoomAsked, RoomsAsked, UpdateRoomAsked, UserAsked

_ROOM = Answer(200, "the room", RoomEntry)


class Rooms:
    """Rooms themselves."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows."""
        return (
            Endpoint(
                "GET",
                "/api/rooms",
                "List rooms by name",
                self.list_rooms,
                RoomsAsked,
                (Answer(200, "the rooms", RoomsTold, headers=ORIGIN | NEXT),),
                ("unavailable",),
                "Those that everybody may find, or, with `mine`, one's own and the invitations to others.",
                "anybody",
            ),
            Endpoint(
                "POST",
                "/api/rooms",
                "Make a room, and be its owner",
                self.create,
                CreateRoomAsked,
                (Answer(201, "it is made, and stored", RoomEntry, headers=WHERE),),
                ("reserved_name", "room_exists", "too_many_rooms", *STORES),
                asker="somebody",
            ),
            Endpoint(
                "GET",
                "/api/rooms/{room}",
                "What a room is",
                self.describe,
                RoomAsked,
                (Answer(200, "the room, with what is unread there for oneself", RoomEntry, headers=ORIGIN),),
                ("no_such_room", "unavailable"),
                asker="anybody",
            ),
            Endpoint(
                "PATCH",
                "/api/rooms/{room}",
                "Change a room",
                self.update,
                UpdateRoomAsked,
                (_ROOM,),
                IN_ROOM,
                "For moderators; owners alone say who may enter and how long messages are kept.",
                "somebody",
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}",
                "Delete a room",
                self.delete,
                RoomAsked,
                (DONE,),
                IN_ROOM,
                "For moderators. Everybody is sent out, the name is free, and what was said is served to nobody.",
                "somebody",
            ),
            Endpoint(
                "POST",
                "/api/direct/{user}",
                "Open the room that one shares with somebody",
                self.open_direct,
                UserAsked,
                (_ROOM,),
                ("no_such_user", "too_many_rooms", *STORES),
                "It is made when it is first opened, and stays.",
                "somebody",
            ),
        )

    async def list_rooms(self, request: web.Request, asked: RoomsAsked) -> web.StreamResponse:
        """A page of rooms."""
        wanted = ListRooms(mine=asked.mine, q=asked.q, cursor=asked.cursor, limit=asked.limit)
        page = await list_rooms(self._asking.chat, asker(request), wanted, self._asking.inside(request))
        return told(page, links=next_page(request, page.cursor))

    async def create(self, request: web.Request, asked: CreateRoomAsked) -> web.StreamResponse:
        """A room that is not there yet."""
        new = asked.body
        command = CreateRoom(
            id=new_id(), room=new.name, title=new.title, topic=new.topic, private=new.private, password=new.password
        )
        try:
            made = await self._asking.do(request, command, RoomState)
        except ParleyError as error:
            if error.field == "room":  # what the command calls so
                error.field = "name"
            raise
        # Not read back: that could fail, and whoever asked would not know that the room is theirs.
        entry = RoomEntry(kind=made.info.kind, room=made.room, members=1, role=made.role)
        entry = replace(entry, title=made.info.title, topic=made.info.topic, password=made.info.password)
        return told(entry, status=201, Location=f"rooms/{quote(made.room, safe='')}")

    async def describe(self, request: web.Request, asked: RoomAsked) -> web.StreamResponse:
        """One room."""
        return await self._described(request, asked.room)

    async def update(self, request: web.Request, asked: UpdateRoomAsked) -> web.StreamResponse:
        """What is given of a room is changed."""
        new = asked.body
        command = UpdateRoom(
            id=new_id(),
            room=asked.room,
            title=new.title,
            topic=new.topic,
            private=new.private,
            password=new.password,
            slow_mode=new.slow_mode,
            retention_days=new.retention_days,
        )
        await self._asking.do(request, command, Ack)
        return await self._described(request, asked.room)

    async def delete(self, request: web.Request, asked: RoomAsked) -> web.StreamResponse:
        """A room is there no more."""
        return await self._asking.done(request, DeleteRoom(id=new_id(), room=asked.room))

    async def open_direct(self, request: web.Request, asked: UserAsked) -> web.StreamResponse:
        """The room of two."""
        opened = await self._asking.do(request, OpenDirect(id=new_id(), user=asked.user), RoomState)
        return await self._described(request, opened.room)

    async def _described(self, request: web.Request, room: str) -> web.StreamResponse:
        entry = await describe_room(self._asking.chat, check_name(room, "room"), asker(request))
        if entry is None:
            raise no_such_room()
        return told(entry)
