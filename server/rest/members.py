"""``/api/rooms/{room}/members``, ``bans`` and ``mutes``: the people of a room; invitations; and announcements."""

from chat.queries.listing import find_members
from model.commands import (
    Announce,
    Ban,
    Decline,
    Invite,
    Kick,
    Leave,
    ListMembers,
    Mute,
    SetRole,
    Unban,
    Unmute,
    UserId,
)
from model.errors import ParleyError
from model.events import Ack, Announcement, Left, Members
from model.room import Role
from model.text import check_name
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint
from server.rest.context import (
    DONE,
    IN_ROOM,
    NEXT,
    ORIGIN,
    STORES,
    RestContext,
    Routes,
    json_answer,
    next_page,
    run,
    visible,
)
from server.rest.rooms import RoomParams

ROUTES = Routes()

_MEMBER = "/api/rooms/{room}/members/{user}"
_BAN = "/api/rooms/{room}/bans/{user}"
_MUTE = "/api/rooms/{room}/mutes/{user}"
_ABOUT = ("no_such_user", *IN_ROOM)
_ABOVE = "For moderators with a higher role than the user's."


class NewMember(RoomParams, frozen=True):
    """A user to add or invite, or a member whose role to change.

    Attributes:
        role: the new role of a member; if omitted, the user is added as a member or invited.
    """

    user: UserId
    role: Role | None = None


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/rooms/{room}/members",
        "List the people of a room",
        params=ListMembers,
        answers=(Answer(200, "its members and everyone else present, ordered by id", Members, headers=ORIGIN | NEXT),),
        refusals=("no_such_room", "forbidden", "unavailable"),
        auth="optional",
    )
)
async def list_members(rest: RestContext, command: ListMembers) -> Answered:
    """Answer with a page of people."""
    page = visible(await find_members(rest.parts, check_name(command.room, "room"), command, rest.asked.identity))
    return json_answer(page, links=next_page(rest.asked, page.cursor))


@ROUTES.add(
    Endpoint(
        "PUT",
        _MEMBER,
        "Add or invite a member, or change a member's role",
        params=NewMember,
        answers=(
            DONE,
            Answer(202, "the user is invited (unless already a member) and becomes a member with `join`"),
        ),
        refusals=("last_owner", "too_many_invitations", *_ABOUT),
        text="Without a role, an admin adds the user as a member (204), and a moderator invites them (202). Owners "
        "give members a role, up to their own; an admin also adds the user with the role.",
        auth="token",
    )
)
async def put_member(rest: RestContext, params: NewMember) -> Answered:
    """Add or invite a member, or change a member's role."""
    if params.role is not None:
        command = SetRole(room=params.room, user=params.user, role=params.role)
        try:
            return await run(rest, command)
        except ParleyError as error:
            if error.code != "no_such_user" or rest.caller.role != "admin":
                raise
        await rest.run(Invite(room=params.room, user=params.user), Ack)
        return await run(rest, command)
    await rest.run(Invite(room=params.room, user=params.user), Ack)
    return Answered(204 if rest.caller.role == "admin" else 202)


@ROUTES.add(
    Endpoint(
        "DELETE",
        _MEMBER,
        "Remove a member, withdraw an invitation, or leave the room permanently",
        params=Kick,
        answers=(DONE,),
        refusals=("last_owner", *_ABOUT),
        text="Removing others is for moderators with a higher role than theirs.",
        auth="token",
    )
)
async def drop_member(rest: RestContext, command: Kick) -> Answered:
    """Remove a member; the caller leaves."""
    if command.user != rest.caller.user.id:
        return await run(rest, command)
    await rest.run(Leave(room=command.room, quit=True), Left)
    return Answered(204)


ROUTES.run(
    Endpoint(
        "DELETE",
        "/api/invitations/{room}",
        "Decline an invitation",
        params=Decline,
        refusals=("no_such_invitation", "too_many_rooms", *STORES),
        text="`GET /api/rooms?mine=true` lists your invitations. `join` over WebSocket accepts one.",
    )
)
ROUTES.run(Endpoint("PUT", _BAN, "Ban a user", params=Ban, refusals=("last_owner", *_ABOUT), text=_ABOVE))
ROUTES.run(Endpoint("DELETE", _BAN, "Lift a ban", params=Unban, refusals=_ABOUT))
ROUTES.run(Endpoint("PUT", _MUTE, "Mute a user", params=Mute, refusals=_ABOUT, text=_ABOVE))
ROUTES.run(Endpoint("DELETE", _MUTE, "Unmute a user", params=Unmute, refusals=_ABOUT))


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/announcements",
        "Send an announcement to every connected client",
        params=Announce,
        answers=(Answer(200, "sent; announcements are not stored", Announcement),),
        refusals=("empty", "unavailable"),
        text="For admins.",
        auth="token",
    )
)
async def announce(rest: RestContext, command: Announce) -> Answered:
    """Send an announcement."""
    return json_answer(await rest.run(command, Announcement))
