"""``/api/links``: invite links to rooms, and to register."""

from typing import Annotated

from msgspec import Meta, Struct

from chat import links
from chat.rooms.parts import Parts
from model.account import InviteLink
from model.commands import RoomName, UseLink, UserId
from model.errors import ParleyError
from model.events import RoomState
from model.limits import LINK_SECONDS, LINK_USES
from model.text import check_name
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint
from server.rest.context import DONE, IN_ROOM, RestContext, Routes, json_answer
from utils.clock import rfc3339

ROUTES = Routes()

Uses = Annotated[int, Meta(ge=1, le=LINK_USES, description="how often it can be used")]
Seconds = Annotated[float, Meta(gt=0, le=LINK_SECONDS, description="for how long it can be used")]


class NewLink(Struct, frozen=True):
    """An invite link to make.

    Attributes:
        room: the room to which it leads; if omitted, it is one to register.
    """

    uses: Uses
    seconds: Seconds
    room: RoomName | None = None


class LinksParams(Struct, frozen=True):
    """Which links to list.

    Attributes:
        room: those to this room; if omitted, those that one user has made.
        maker: the id of that user, for admins; you, if it is omitted.
    """

    room: RoomName | None = None
    maker: UserId | None = None


class LinkParams(Struct, frozen=True):
    """A link.

    Attributes:
        link: its id.
    """

    link: str


class LinkToken(Struct, frozen=True):
    """The secret of a link.

    Attributes:
        token: what follows `invite=` in its fragment.
    """

    token: str


class LinkInfo(Struct, frozen=True, omit_defaults=True):
    """An invite link.

    Attributes:
        registers: whether it is one to register, and not to a room.
        room: the room to which it leads.
        uses: how often it could be used at first.
        token: the secret; only in the answer to the request that makes it.
        url: the link; only there, and only if the operator has set `PUBLIC_URL`.
    """

    id: str
    registers: bool
    maker: str
    created_at: str
    until: str
    uses: int
    uses_left: int
    room: str = ""
    token: str = ""
    url: str = ""


class LinkList(Struct, frozen=True):
    """The links that can still be used, the newest first, without their secrets."""

    links: list[LinkInfo]


class LinkTarget(Struct, frozen=True, omit_defaults=True):
    """Where an invite link leads.

    Attributes:
        registers: whether it is one to register, and not to a room.
        room: the room.
        title: its title, if it has one.
    """

    registers: bool
    room: str = ""
    title: str = ""


class LinkedRoom(Struct, frozen=True):
    """The room of which the caller is a member now."""

    room: str


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/links",
        "Make an invite link",
        params=NewLink,
        answers=(Answer(201, "the link, with its secret, which is not stored", LinkInfo),),
        refusals=("no_such_room", "forbidden", "conflict", "unavailable"),
        text="To a room for its moderators, to register for admins. The secret belongs in the fragment of the URL, "
        "which browsers do not send, and a page asks for a click before it uses it.",
        auth="token",
    )
)
async def make(rest: RestContext, params: NewLink) -> Answered:
    """Make a link."""
    rest.begin_change()
    room = _room(params.room)
    made = await links.make_link(
        rest.parts,
        rest.actor,
        room,
        uses=params.uses,
        seconds=params.seconds,
        address=rest.asked.address,
    )
    return json_answer(_described(rest.parts, made.link, room or "", made.token), status=201)


@ROUTES.add(
    Endpoint(
        "GET",
        "/api/links",
        "List invite links, the newest first",
        params=LinksParams,
        answers=(Answer(200, "those that can still be used", LinkList),),
        refusals=("no_such_room", "forbidden", "unavailable"),
        text="Those to a room, for its moderators; those that you have made; or, for admins, that any user has made.",
        auth="token",
    )
)
async def list_links(rest: RestContext, params: LinksParams) -> Answered:
    """Answer with links."""
    found = await links.list_links(rest.parts, rest.caller, _room(params.room), params.maker)
    return json_answer(LinkList([_described(rest.parts, one.link, one.room) for one in found]))


@ROUTES.add(
    Endpoint(
        "DELETE",
        "/api/links/{link}",
        "Revoke an invite link",
        params=LinkParams,
        answers=(DONE,),
        refusals=("no_such_link", "unavailable"),
        text="For the user who made it, for moderators of its room, and for admins.",
        auth="token",
    )
)
async def revoke(rest: RestContext, params: LinkParams) -> Answered:
    """Revoke a link."""
    rest.begin_change()
    await links.revoke_link(rest.parts, rest.caller, params.link, rest.asked.address)
    return Answered(204)


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/links/find",
        "Find out where an invite link leads",
        params=LinkToken,
        answers=(Answer(200, "it can be used", LinkTarget),),
        refusals=("no_such_link", "rate_limited", "unavailable"),
        text="Also without a token. No use of the link is spent.",
    )
)
async def find(rest: RestContext, params: LinkToken) -> Answered:
    """Answer with where a link leads."""
    found = await links.find_link(rest.parts, params.token, rest.asked.network)
    return json_answer(LinkTarget(not found.room, found.room, found.title))


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/links/accept",
        "Become a member of the room of an invite link",
        params=LinkToken,
        answers=(Answer(200, "the caller is a member", LinkedRoom),),
        refusals=("no_such_link", *IN_ROOM),
        text="One use of the link is spent, unless the caller was a member already or is refused.",
        auth="token",
    )
)
async def accept(rest: RestContext, params: LinkToken) -> Answered:
    """Use a link."""
    usable = await links.usable_link(rest.parts, rest.actor, params.token)
    if usable.joined:
        return json_answer(LinkedRoom(usable.room))
    await links.spend(rest.parts, usable.link)
    try:
        state = await rest.run(UseLink(room=usable.room, link=usable.link.link_id), RoomState)
        if state.by is None:  # another request has made the user a member since
            await links.give_back(rest.parts, usable.link)
    except ParleyError as error:
        if error.code != "unavailable":  # then it may still take effect
            await links.give_back(rest.parts, usable.link)
        raise
    return json_answer(LinkedRoom(usable.room))


def _room(name: str | None) -> str | None:
    return None if name is None else check_name(name, "room")


def _described(parts: Parts, link: InviteLink, room: str, token: str = "") -> LinkInfo:
    base = parts.options.public_url
    return LinkInfo(
        link.link_id,
        link.room_id is None,
        link.maker_id,
        rfc3339(link.created_at),
        rfc3339(link.until),
        link.uses,
        link.uses_left,
        room,
        token,
        f"{base}/client.html#invite={token}" if base and token else "",
    )
