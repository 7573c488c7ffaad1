"""Bans and mutes of guests by address: those of one guest also apply, for a limited time, to others of its network.

A guest can get a new id at any time, so a ban of the id alone would keep no guest out. Accounts are never affected, and
neither are guests who are owners or moderators of the room. Moderators never see addresses.
"""

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from chat.ports import Actor
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import store
from model.principals import kind_of
from model.room import FOREVER, STAFF, Member, NetworkSanction
from storage.ports.rooms import SetSanction

# Networks of one guest that are sanctioned at once.
_NETWORKS = 10
# Sanctions of one network, and of all, in a room: each post of a guest looks at the former, each mute at the latter.
OF_NETWORK = 20
OF_ROOM = 2000


def is_guest(user_id: str) -> bool:
    """Whether an id is that of a guest, or one that anyone may claim."""
    return kind_of(user_id) in ("guest", "claimed")


def networks_of(parts: Parts, user_id: str) -> list[str]:
    """Return the networks of a guest: of their connections, else the last one; none for an account."""
    if not is_guest(user_id):
        return []
    networks = dict.fromkeys(device.network for device in parts.directory.devices(user_id) if device.network)
    if not networks and (last := parts.guest_networks.last(user_id, parts.clock.monotonic())):
        networks[last] = None
    return list(networks)[-_NETWORKS:]


def banned_until(parts: Parts, room: Room, member: Member | None, actor: Actor) -> int:
    """Return until when a user may not enter as the guests of their network are banned; 0 if they may."""
    if not room.sanctions:
        return 0
    until = max([one.banned_until for one in _that_apply(room, member, actor)], default=0)
    return until if until and until > parts.clock.now_us() else 0


def muted_until(parts: Parts, room: Room, member: Member | None, actor: Actor) -> int:
    """Return until when a user may not talk as the guests of their network are muted; 0 if they may."""
    if not room.sanctions:
        return 0
    until = max([one.muted_until for one in _that_apply(room, member, actor)], default=0)
    return until if until and until > parts.clock.now_us() else 0


def _that_apply(room: Room, member: Member | None, actor: Actor) -> Iterable[NetworkSanction]:
    if not actor.identity.guest or (member is not None and member.role in STAFF):
        return ()
    return room.sanctions.get(actor.network, {}).values()


def rows_of_guests(room: Room, member: Member | None, actor: Actor) -> list[Member]:
    """Return the rows of the guests that a user was, whose bans and mutes are the user's. They are moved in the
    background (`chat.work`); all rows of a loaded room with a ban or mute are in memory.
    """
    if not actor.identity.aliases or (member is not None and member.role in STAFF):
        return []
    return [row for guest_id in actor.identity.aliases if (row := room.members.get(guest_id)) is not None]


def impose(
    parts: Parts, room: Room, guest_id: str, networks: Iterable[str], *, banned: int = 0, muted: int = 0
) -> None:
    """Sanction networks because of one guest; a ban leaves an earlier mute as it is, and the other way round."""
    room.forget_sanctions(parts.clock.now_us())
    for network in networks:
        before = room.sanctions.get(network, {}).get(guest_id, NetworkSanction(network, guest_id))
        after = replace(before, banned_until=banned or before.banned_until, muted_until=muted or before.muted_until)
        _save(parts, room, after)
        _shorten(parts, room, list(room.sanctions[network].values()), OF_NETWORK)
    _shorten(parts, room, [one for of in room.sanctions.values() for one in of.values()], OF_ROOM)


def _shorten(parts: Parts, room: Room, found: list[NetworkSanction], most: int) -> None:
    """Lift those that end first of too many; the guests whom they follow stay banned or muted themselves."""
    if len(found) > most:
        for one in sorted(found, key=lambda one: one.until)[: len(found) - most]:
            _save(parts, room, NetworkSanction(one.network, one.guest_id))


def limit(parts: Parts, room: Room, guest_id: str, *, banned: int = FOREVER, muted: int = FOREVER) -> bool:
    """Let the sanctions that follow the ban or mute of one guest end with it; 0 lifts them.

    None may outlast it: a room that is loaded reads sanctions only if one of its rows has a ban or a mute. Returns
    whether any has changed.
    """
    changed = False
    for of in tuple(room.sanctions.values()):
        if (one := of.get(guest_id)) is not None:
            until = min(one.banned_until, banned), min(one.muted_until, muted)
            if until != (one.banned_until, one.muted_until):
                _save(parts, room, NetworkSanction(one.network, guest_id, *until))
                changed = True
    return changed


def following(room: Room, user_ids: Collection[str]) -> list[NetworkSanction]:
    """Return the sanctions of a loaded room that follow the ban or mute of these users."""
    return [one for of in room.sanctions.values() for one in of.values() if one.guest_id in user_ids]


def lift(parts: Parts, room: Room, lifted: Iterable[NetworkSanction]) -> None:
    """Lift sanctions."""
    for one in lifted:
        _save(parts, room, NetworkSanction(one.network, one.guest_id))


def move(parts: Parts, room: Room, guest_id: str, account_id: str) -> None:
    """Let the sanctions that follow the ban or mute of a guest follow that of the account that the guest became."""
    for of in tuple(room.sanctions.values()):
        if (one := of.get(guest_id)) is not None:
            own = of.get(account_id, one)
            banned, muted = max(one.banned_until, own.banned_until), max(one.muted_until, own.muted_until)
            _save(parts, room, NetworkSanction(one.network, account_id, banned, muted))
            _save(parts, room, NetworkSanction(one.network, guest_id))


def _save(parts: Parts, room: Room, sanction: NetworkSanction) -> None:
    room.sanction(sanction)
    store(parts, room, SetSanction(room.record.room_id, sanction), last=False)


def kept_out(parts: Parts, room: Room) -> list[Session]:
    """Return the sessions in a room that may no longer be there, as the guests of their network are banned."""
    return [
        session
        for session in room.presence.sessions
        if banned_until(parts, room, room.members.get(session.user.id), session.actor)
    ]
