"""What is asked of people over HTTP, and what is told of them that is no record of model/."""

from __future__ import annotations

from msgspec import Struct

from model.commands import Cursor, Duration, Listed, Name, Reason, UserId
from model.limits import LIST_DEFAULT
from model.room import Role


class MembersAsked(Struct, frozen=True):
    """The people of a room.

    Attributes:
        room: its name.
        banned: those who are kept out instead; for moderators.
        invited: those who have an open invitation instead; for moderators.
        limit: people in the page, at most.
        cursor: of the page before.
    """

    room: Name
    banned: bool = False
    invited: bool = False
    limit: Listed = LIST_DEFAULT
    cursor: Cursor | None = None


class NewRole(Struct, frozen=True):
    """What somebody is to be.

    Attributes:
        role: of a member; without it they are made one, or invited.
    """

    role: Role | None = None


class PutMemberAsked(Struct, frozen=True):
    """Somebody who is to be a member.

    Attributes:
        room: the room's name.
        user: their id, as in `sender_id`.
    """

    room: Name
    user: UserId
    body: NewRole = NewRole()


class DropMemberAsked(Struct, frozen=True):
    """Somebody who is to be a member no more.

    Attributes:
        room: the room's name.
        user: their id, as in `sender_id`.
        reason: what they are told.
    """

    room: Name
    user: UserId
    reason: Reason = ""


class Sentence(Struct, frozen=True):
    """How long, and why.

    Attributes:
        seconds: until it ends; without it, never.
        reason: what they are told.
    """

    seconds: Duration | None = None
    reason: Reason = ""


class SentenceAsked(Struct, frozen=True):
    """Somebody who is to be banned or muted.

    Attributes:
        room: the room's name.
        user: their id, as in `sender_id`.
    """

    room: Name
    user: UserId
    body: Sentence = Sentence()


class PersonAsked(Struct, frozen=True):
    """Somebody in a room.

    Attributes:
        room: the room's name.
        user: their id, as in `sender_id`.
    """

    room: Name
    user: UserId


class NewAnnouncement(Struct, frozen=True):
    """What everybody is to be told.

    Attributes:
        content: the text.
    """

    content: str


class AnnounceAsked(Struct, frozen=True):
    """An announcement to be made."""

    body: NewAnnouncement
