"""``/api/rooms/{room}/members``, ``bans`` and ``mutes``: who somebody is in a room; and announcements to everybody."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from chat.queries.listing import find_members
from model.commands import Announce, Ban, Decline, Invite, Kick, Leave, ListMembers, Mute, SetRole, Unban, Unmute
from model.events import Ack, Announcement, Left
from model.events import Members as MembersTold
from model.text import check_name
from server.http.endpoints import IDENTITY, Answer, Endpoint
from server.rest.asking import DONE, IN_ROOM, NEXT, ORIGIN, STORES, Asking, asker, new_id, next_page, no_such_room, told
from server.rest.people_bodies import (
    AnnounceAsked,
    DropMemberAsked,
    MembersAsked,
    PersonAsked,
    PutMemberAsked,
    SentenceAsked,
)
from server.rest.room_bodies import RoomAsked

_ABOUT = ("no_such_user", *IN_ROOM)


class Members:
    """People of a room."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows."""
        row: dict[str, Any] = {"asker": "somebody"}
        return (
            Endpoint(
                "GET",
                "/api/rooms/{room}/members",
                "The people of a room",
                self.list_members,
                MembersAsked,
                (Answer(200, "its members, and whoever else is in it, by id", MembersTold, headers=ORIGIN | NEXT),),
                ("no_such_room", "forbidden", "unavailable"),
                asker="anybody",
            ),
            Endpoint(
                "PUT",
                "/api/rooms/{room}/members/{user}",
                "Make or invite a member, or give a member a role",
                self.put_member,
                PutMemberAsked,
                (
                    DONE,
                    Answer(202, "the user is invited, unless they are a member already, and becomes one with `join`"),
                ),
                ("last_owner", "too_many_invitations", *_ABOUT),
                "Without a role: admins make somebody a member (204), moderators invite them (202). Roles are for "
                "owners to give to those who are members, at most their own.",
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/members/{user}",
                "Send somebody out, withdraw their invitation, or leave for good oneself",
                self.drop_member,
                DropMemberAsked,
                (DONE,),
                ("last_owner", *_ABOUT),
                "Others: for moderators who stand above them.",
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/invitations/{room}",
                "Decline an invitation",
                self.decline,
                RoomAsked,
                (DONE,),
                ("no_such_invitation", "too_many_rooms", *STORES),
                "`GET /api/rooms?mine=true` lists one's own invitations. `join` over WebSocket accepts one.",
                **row,
            ),
            Endpoint(
                "PUT",
                "/api/rooms/{room}/bans/{user}",
                "Send somebody out and keep them out",
                self.ban,
                SentenceAsked,
                (DONE,),
                ("last_owner", *_ABOUT),
                "For moderators who stand above them.",
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/bans/{user}",
                "Let somebody in again",
                self.unban,
                PersonAsked,
                (DONE,),
                _ABOUT,
                **row,
            ),
            Endpoint(
                "PUT",
                "/api/rooms/{room}/mutes/{user}",
                "Keep somebody from talking",
                self.mute,
                SentenceAsked,
                (DONE,),
                _ABOUT,
                "For moderators who stand above them.",
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/mutes/{user}",
                "Let somebody talk again",
                self.unmute,
                PersonAsked,
                (DONE,),
                _ABOUT,
                **row,
            ),
            Endpoint(
                "POST",
                "/api/announcements",
                "Tell everybody who is connected something",
                self.announce,
                AnnounceAsked,
                (Answer(200, "it is told; it is not stored", Announcement),),
                ("empty", "unavailable"),
                "For admins.",
                **row,
            ),
        )

    async def list_members(self, request: web.Request, asked: MembersAsked) -> web.StreamResponse:
        """A page of people."""
        chat, room = self._asking.chat, check_name(asked.room, "room")
        wanted = ListMembers(
            room=room, banned=asked.banned, invited=asked.invited, cursor=asked.cursor, limit=asked.limit
        )
        page = await find_members(chat, room, wanted, asker(request))
        if page is None:
            raise no_such_room()
        return told(page, links=next_page(request, page.cursor))

    async def put_member(self, request: web.Request, asked: PutMemberAsked) -> web.StreamResponse:
        """A member, or another role."""
        role = asked.body.role
        if role is None:
            await self._asking.do(request, Invite(id=new_id(), room=asked.room, user=asked.user), Ack)
            return web.Response(status=204 if request[IDENTITY].role == "admin" else 202)
        return await self._asking.done(request, SetRole(id=new_id(), room=asked.room, user=asked.user, role=role))

    async def drop_member(self, request: web.Request, asked: DropMemberAsked) -> web.StreamResponse:
        """A member no more."""
        if asked.user == request[IDENTITY].user.id:
            await self._asking.do(request, Leave(id=new_id(), room=asked.room, quit=True), Left)
            return web.Response(status=204)
        command = Kick(id=new_id(), room=asked.room, user=asked.user, reason=asked.reason)
        return await self._asking.done(request, command)

    async def decline(self, request: web.Request, asked: RoomAsked) -> web.StreamResponse:
        """An invitation that is open no more."""
        return await self._asking.done(request, Decline(id=new_id(), room=asked.room))

    async def ban(self, request: web.Request, asked: SentenceAsked) -> web.StreamResponse:
        """Out, for a while or for good."""
        body = asked.body
        command = Ban(id=new_id(), room=asked.room, user=asked.user, seconds=body.seconds, reason=body.reason)
        return await self._asking.done(request, command)

    async def unban(self, request: web.Request, asked: PersonAsked) -> web.StreamResponse:
        """May come again."""
        return await self._asking.done(request, Unban(id=new_id(), room=asked.room, user=asked.user))

    async def mute(self, request: web.Request, asked: SentenceAsked) -> web.StreamResponse:
        """Silent, for a while or for good."""
        body = asked.body
        command = Mute(id=new_id(), room=asked.room, user=asked.user, seconds=body.seconds, reason=body.reason)
        return await self._asking.done(request, command)

    async def unmute(self, request: web.Request, asked: PersonAsked) -> web.StreamResponse:
        """May talk again."""
        return await self._asking.done(request, Unmute(id=new_id(), room=asked.room, user=asked.user))

    async def announce(self, request: web.Request, asked: AnnounceAsked) -> web.StreamResponse:
        """To everybody."""
        return told(await self._asking.do(request, Announce(id=new_id(), content=asked.body.content), Announcement))
