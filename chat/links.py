"""Invite links: who may make, list and revoke them, and what using one does.

The secret is in the link alone; storage has its hash.
"""

from typing import NamedTuple

from chat.ports import Actor, Identity
from chat.rooms.access import RoomAccess, access_room
from chat.rooms.pacing import take_invitation, take_link_look, take_link_use
from chat.rooms.parts import Parts
from chat.rooms.storing import ask
from model.account import InviteLink
from model.audit import entry
from model.errors import ParleyError
from model.limits import LINKS_OF_MAKER
from model.permissions import Action
from model.room import User
from utils.ids import hash_secret, new_secret, new_token

_TOKEN_CHARS = 100


class NewLink(NamedTuple):
    """A link, and the secret that it has in its fragment."""

    link: InviteLink
    token: str


async def make_link(
    parts: Parts, actor: Actor, room: str | None, *, uses: int, seconds: float, address: str
) -> NewLink:
    """Make a link to a room, as a user who may invite there; or to register, as an admin.

    Raises:
        ParleyError: ``no_such_room``, ``forbidden``; ``conflict`` for more than `LINKS_OF_MAKER`; ``rate_limited``,
            ``unavailable``.
    """
    room_id = await _room_to_invite(parts, actor.identity, room)
    now = parts.clock.now_us()
    take_invitation(parts, actor)
    if len(await ask(parts, parts.storage.links.of_maker(actor.user.id, now))) >= LINKS_OF_MAKER:
        raise ParleyError("conflict", f"you have {LINKS_OF_MAKER} invite links; revoke one first")
    token = new_secret()
    link = InviteLink(
        new_token("i_", 12),
        hash_secret(token),
        room_id,
        actor.user.id,
        now,
        now + round(seconds * 1_000_000),
        uses,
        uses,
    )
    log = entry(
        parts.clock,
        "link",
        actor.user,
        target=User(link.link_id, ""),
        address=address,
        room=room or "",
        detail=f"{uses} uses, {seconds:g} s",
    )
    if not await ask(parts, parts.storage.links.insert(link, log)):
        raise ParleyError("unauthorized", "this account was deleted", field="token")
    return NewLink(link, token)


class Found(NamedTuple):
    """A link that may be used, the room to which it leads ("" for one to register), and the title of that."""

    link: InviteLink
    room: str
    title: str = ""


async def list_links(parts: Parts, caller: Identity, room: str | None, maker_id: str | None) -> list[Found]:
    """List the links to a room, for a user who may invite there; or without a room those that the caller has made, or
    for an admin another user. Links to rooms that were deleted are not among them.

    Raises:
        ParleyError: ``no_such_room``, ``forbidden``, ``unavailable``.
    """
    now = parts.clock.now_us()
    if room is None:
        if maker_id not in (None, caller.user.id) and caller.role != "admin":
            raise ParleyError("forbidden", "only admins see the links of other users", field="maker")
        return await _with_rooms(parts, await ask(parts, parts.storage.links.of_maker(maker_id or caller.user.id, now)))
    room_id = (await _invite(parts, caller, room)).record.room_id
    return [Found(link, room) for link in await ask(parts, parts.storage.links.of_room(room_id, now))]


async def _with_rooms(parts: Parts, links: list[InviteLink]) -> list[Found]:
    names: dict[int | None, str] = {None: ""}
    for room_id in {link.room_id for link in links if link.room_id is not None}:
        record = await ask(parts, parts.storage.rooms.find_room_by_id(room_id))
        if record is not None:
            names[room_id] = record.name
    return [Found(link, names[link.room_id]) for link in links if link.room_id in names]


async def revoke_link(parts: Parts, caller: Identity, link_id: str, address: str) -> None:
    """Revoke a link, as its maker, as a user who may invite to its room, or as an admin.

    Raises:
        ParleyError: ``no_such_link``, also for one that the caller may not revoke; ``unavailable``.
    """
    link = await ask(parts, parts.storage.links.find_by_id(link_id))
    if link is None or not await _may_revoke(parts, caller, link):
        raise ParleyError("no_such_link")
    log = entry(parts.clock, "link_revoke", caller.user, target=User(link_id, ""), address=address)
    if not await ask(parts, parts.storage.links.revoke(link_id, log)):
        raise ParleyError("no_such_link")


async def find_link(parts: Parts, token: str, network: str) -> Found:
    """Return the link with this secret, for a client whose user may not be known.

    Raises:
        ParleyError: ``no_such_link``, ``rate_limited``, ``unavailable``.
    """
    take_link_look(parts, network)
    return await _find(parts, token)


async def _find(parts: Parts, token: str) -> Found:
    link, room, title = None, "", ""
    if len(token) <= _TOKEN_CHARS:
        link = await ask(parts, parts.storage.links.find(hash_secret(token), parts.clock.now_us()))
    if link is not None and link.room_id is not None:
        record = await ask(parts, parts.storage.rooms.find_room_by_id(link.room_id))
        maker = await ask(parts, parts.storage.rooms.find_member(link.room_id, link.maker_id))
        # A banned moderator could come back with another account.
        banned = maker is not None and maker.banned_until > parts.clock.now_us()
        if record is None or banned:
            link = None
        else:
            room, title = record.name, record.title
    if link is None:
        raise ParleyError("no_such_link", field="token")
    return Found(link, room, title)


class Usable(NamedTuple):
    """A link that may be used, and the room to which it leads; whether the user is a member there already."""

    link: InviteLink
    room: str
    joined: bool


async def usable_link(parts: Parts, actor: Actor, token: str) -> Usable:
    """Return the link to a room with this secret, for a user who wants to use it.

    Raises:
        ParleyError: ``no_such_link``, ``rate_limited``, ``unavailable``.
    """
    take_link_use(parts, actor)
    link, room, _ = await _find(parts, token)
    if not room:
        raise ParleyError("no_such_link", field="token")
    access = await access_room(parts, room, actor.identity, Action.SEE)
    joined = access is not None and access.member is not None and access.member.role is not None
    return Usable(link, room, joined)


async def spend(parts: Parts, link: InviteLink) -> None:
    """Use a link once.

    Raises:
        ParleyError: ``no_such_link`` if it has been used up since it was found; ``unavailable``.
    """
    if await ask(parts, parts.storage.links.use(link.hash, parts.clock.now_us())) is None:
        raise ParleyError("no_such_link", field="token")


async def give_back(parts: Parts, link: InviteLink) -> None:
    """Undo a use that was refused."""
    await ask(parts, parts.storage.links.give_back(link.link_id))


async def _room_to_invite(parts: Parts, caller: Identity, room: str | None) -> int | None:
    if room is not None:
        return (await _invite(parts, caller, room)).record.room_id
    if caller.role != "admin":
        raise ParleyError("forbidden", "only admins invite users to register")
    return None


async def _invite(parts: Parts, caller: Identity, room: str) -> RoomAccess:
    access = await access_room(parts, room, caller, Action.INVITE)
    if access is None:
        raise ParleyError("no_such_room", field="room")
    if access.record.kind in ("direct", "ephemeral"):
        raise ParleyError("forbidden", "this room has no members to invite", field="room")
    return access


async def _may_revoke(parts: Parts, caller: Identity, link: InviteLink) -> bool:
    if caller.role == "admin" or link.maker_id == caller.user.id:
        return True
    record = None
    if link.room_id is not None:
        record = await ask(parts, parts.storage.rooms.find_room_by_id(link.room_id))
    if record is None:
        return False
    try:
        await _invite(parts, caller, record.name)
    except ParleyError as error:
        if error.code == "unavailable":
            raise
        return False
    return True
