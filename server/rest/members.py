"""``/api/rooms/{room}/members``, ``bans`` and ``mutes``: who somebody is in a room; and announcements to everybody."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from chat.gate import read_as
from chat.listing import list_banned, list_members
from model.commands import Announce, Ban, Invite, Kick, Leave, ListMembers, Mute, SetRole, Unban, Unmute
from model.events import Announcement, Left
from model.events import Members as MembersTold
from model.permissions import Action
from model.text import check_name
from server.endpoints import IDENTITY, Answer, Endpoint
from server.rest.asking import DONE, IN_ROOM, NEXT, ORIGIN, Asking, asker, new_id, next_page, no_such_room, told
from server.rest.people_bodies import (
    AnnounceAsked,
    DropMemberAsked,
    MembersAsked,
    PersonAsked,
    PutMemberAsked,
    SentenceAsked,
)

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
                "Make somebody a member, or give a member a role",
                self.put_member,
                PutMemberAsked,
                (DONE,),
                ("last_owner", *_ABOUT),
                "For moderators; roles for owners, at most their own.",
                **row,
            ),
            Endpoint(
                "DELETE",
                "/api/rooms/{room}/members/{user}",
                "Send somebody out, or leave for good oneself",
                self.drop_member,
                DropMemberAsked,
                (DONE,),
                ("last_owner", *_ABOUT),
                "Others: for moderators who stand above them.",
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
        action, find = (Action.BAN, list_banned) if asked.banned else (Action.SEE, list_members)
        wanted = ListMembers(room=room, cursor=asked.cursor, limit=asked.limit)
        page = await read_as(chat, room, asker(request), lambda seen: find(chat, seen.record, wanted), action)
        if page is None:
            raise no_such_room()
        return told(page, links=next_page(request, page.cursor))

    async def put_member(self, request: web.Request, asked: PutMemberAsked) -> web.StreamResponse:
        """A member, or another role."""
        role = asked.body.role
        if role is None:
            return await self._asking.done(request, Invite(id=new_id(), room=asked.room, user=asked.user))
        return await self._asking.done(request, SetRole(id=new_id(), room=asked.room, user=asked.user, role=role))

    async def drop_member(self, request: web.Request, asked: DropMemberAsked) -> web.StreamResponse:
        """A member no more."""
        if asked.user == request[IDENTITY].user.id:
            await self._asking.do(request, Leave(id=new_id(), room=asked.room, quit=True), Left)
            return web.Response(status=204)
        command = Kick(id=new_id(), room=asked.room, user=asked.user, reason=asked.reason)
        return await self._asking.done(request, command)

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
