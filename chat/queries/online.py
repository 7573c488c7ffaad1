"""List the connected users, and the rooms they are in that the caller may see."""

from heapq import nsmallest
from typing import NamedTuple

from chat.ports import Identity
from chat.queries.listing import MINE_LIMIT
from chat.rooms.access import read_as, standing_for
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask
from model.permissions import Action, may
from model.room import Member, User


class Online(NamedTuple):
    """A connected user.

    Attributes:
        rooms: the names of the rooms they are in that the caller may see, sorted.
        devices: number of their connections.
        since: when the oldest connection began, in Unix microseconds.
    """

    user: User
    rooms: list[str]
    devices: int
    since: int


async def list_online(
    parts: Parts, identity: Identity, name: str | None, *, after: str, limit: int
) -> list[Online] | None:
    """List up to ``limit`` connected users by id, from the first above ``after``: those in one room, or with None all.

    Returns None if there is no such room, or ``identity`` may not see it.

    Raises:
        ParleyError: ``unavailable``.
    """

    async def read(_: object) -> dict[int, Member]:
        rows = await ask(parts, parts.storage.rooms.rooms_of(identity.user.id, limit=MINE_LIMIT))
        return {record.room_id: member for record, member in rows}

    with parts.changes.during(identity.user.id) as changes:
        rows = await read(None) if name is None else await read_as(parts, name, identity, read)
    if rows is None:
        return None
    rows |= changes.rows
    seen: dict[Room, bool] = {}

    def may_see(room: Room) -> bool:
        if room not in seen:
            user_id = identity.user.id
            row = room.members.get(user_id, rows.get(room.record.room_id))
            inside = user_id in room.presence.people
            seen[room] = may(standing_for(parts, room.record, row, identity, inside=inside), Action.SEE)
        return seen[room]

    here = parts.directory.people.keys() if name is None else _ids_in(parts.hub.rooms.get(name))
    found: list[Online] = []
    for user_id in nsmallest(limit, (user_id for user_id in here if user_id > after)):
        devices = parts.directory.devices(user_id)
        rooms = {room.name for device in devices for room in device.rooms.values() if may_see(room)}
        since = min(device.since for device in devices)
        found.append(Online(parts.directory.people[user_id], sorted(rooms), len(devices), since))
    return found


def _ids_in(room: Room | None) -> set[str]:
    return set() if room is None else {user.id for user in room.presence.sessions.values()}
