"""Permissions in a room: one table, and the pure functions that read it. Used only by chat/."""

from enum import Enum
from typing import Literal

from model.account import Scope
from model.principals import CLAIMED_ROLE
from model.room import Member, Role, RoomRecord

# A user's access level in a room. A stranger must not learn that the room exists; an outsider may read a public room
# without joining; an admin is one everywhere except in direct rooms of others.
Standing = Literal["stranger", "outsider", "readonly", "member", "moderator", "owner", "admin"]

RANK: dict[Standing, int] = {
    "stranger": 0,
    "outsider": 1,
    "readonly": 2,
    "member": 3,
    "moderator": 4,
    "owner": 5,
    "admin": 6,
}


class Action(Enum):
    """An action on a room. The values are the rows of the table in docs/protocol.md."""

    __hash__ = object.__hash__  # not that of Enum, which is Python code: an action is looked up for every message

    SEE = "read messages, list members, enter the room"
    MARK_READ = "keep a read cursor"
    POST = "post messages"
    EDIT = "edit own messages"
    DELETE_OWN = "delete own messages"
    REACT = "react to messages"
    TYPE = "send typing notices"
    DELETE_ANY = "delete messages of others"
    SEE_DELETED = "read deleted messages"
    PIN = "pin messages"
    INVITE = "invite users, list invitations and withdraw them"
    KICK = "kick members"
    BAN = "ban and unban users"
    MUTE = "mute and unmute users"
    DESCRIBE = "change the title, topic and slow mode"
    DELETE_ROOM = "delete the room"
    EXPORT = "export all messages"
    SET_ROLE = "change roles"
    SECURE = "make the room private or public, set its password and retention"


# The lowest standing that may perform each action. Higher ones may too.
LEAST: dict[Action, Standing] = {
    Action.SEE: "outsider",
    Action.MARK_READ: "readonly",
    Action.POST: "member",
    Action.EDIT: "member",
    Action.DELETE_OWN: "member",
    Action.REACT: "member",
    Action.TYPE: "member",
    Action.DELETE_ANY: "moderator",
    Action.SEE_DELETED: "moderator",
    Action.PIN: "moderator",
    Action.INVITE: "moderator",
    Action.KICK: "moderator",
    Action.BAN: "moderator",
    Action.MUTE: "moderator",
    Action.DESCRIBE: "moderator",
    Action.DELETE_ROOM: "moderator",
    Action.EXPORT: "moderator",
    Action.SET_ROLE: "owner",
    Action.SECURE: "owner",
}

# The highest standing that a bot has with a key of each scope.
MOST: dict[Scope, Standing] = {"read": "readonly", "write": "member", "moderate": "moderator"}

# Actions that other users notice; forbidden by a mute.
TALK = frozenset({Action.POST, Action.EDIT, Action.REACT, Action.TYPE})


def may(standing: Standing, action: Action) -> bool:
    """Return whether this standing permits an action."""
    return RANK[standing] >= RANK[LEAST[action]]


def within(standing: Standing, scope: Scope) -> Standing:
    """Return the lower of a bot's standing and the highest one that the scope of its key allows."""
    return min(standing, MOST[scope], key=RANK.__getitem__)


def outranks(actor: Standing, target: Standing) -> bool:
    """Return whether the actor may moderate the target: with a higher standing, or if both are owners."""
    return RANK[actor] > RANK[target] or actor == target == "owner"


def standing_in(
    room: RoomRecord, member: Member | None, *, account_role: str, inside: Role | None, now_us: int, guest: bool = False
) -> Standing:
    """Return a user's standing in a room.

    Args:
        room: the room.
        member: the user's row, or None.
        account_role: the role of the account: an ``admin`` is one in every room, and an ``organizer`` is at least a
            moderator in every room that they may see, except in direct rooms of others. An id that anyone may claim
            (``claimed``) is a stranger to every private and direct room, whatever its row says.
        inside: the role of a user who is in the room without being a member; None if they are not in it.
        now_us: Unix microseconds, for bans that end.
        guest: whether it is a guest, a user with a claimed id, or an anonymous reader. What the room lets guests do
            (`RoomRecord.guests`) applies to all of them but its owners and moderators.
    """
    if room.deleted_at is not None:
        return "stranger"
    if account_role == CLAIMED_ROLE and room.kind in ("private", "direct"):
        return "stranger"
    if room.kind == "direct":
        return "stranger" if member is None else "member"
    if account_role == "admin":
        return "admin"
    if member is not None and member.banned_until > now_us:
        return "stranger"
    standing: Standing
    if member is not None and member.role is not None:
        standing = member.role
    elif room.kind == "private":
        return "stranger"
    else:
        standing = inside or "outsider"
    if account_role == "organizer" and RANK[standing] < RANK["moderator"]:
        return "moderator"
    if guest and room.guests != "talk" and RANK[standing] < RANK["moderator"]:
        return "stranger" if room.guests == "no" else min(standing, "readonly", key=RANK.__getitem__)
    return standing
