"""What is asked of rooms over HTTP."""

from __future__ import annotations

from msgspec import Struct

from model.commands import Cursor, Listed, Name, Password, Query, RetentionDays, SlowMode, Title, Topic, UserId
from model.limits import LIST_DEFAULT


class RoomsAsked(Struct, frozen=True):
    """Which rooms to list.

    Attributes:
        mine: one's own rooms with what is unread there, instead of the public ones; with a token.
        q: only rooms that have this in their name or title.
        limit: rooms in the page, at most.
        cursor: of the page before.
    """

    mine: bool = False
    q: Query | None = None
    limit: Listed = LIST_DEFAULT
    cursor: Cursor | None = None


class NewRoom(Struct, frozen=True):
    """A room to be made.

    Attributes:
        name: 1 to 64 characters.
        title: for people, at most `model.limits.TITLE_CHARS` characters.
        topic: at most `model.limits.TOPIC_CHARS` characters.
        private: only for members.
        password: who knows it becomes a member of the room, which is private then.
    """

    name: Name
    title: Title = ""
    topic: Topic = ""
    private: bool = False
    password: Password | None = None


class CreateRoomAsked(Struct, frozen=True):
    """A room to be made."""

    body: NewRoom


class RoomAsked(Struct, frozen=True):
    """A room.

    Attributes:
        room: its name.
    """

    room: Name


class RoomChanges(Struct, frozen=True):
    """What to change of a room; what is left out stays as it is.

    Attributes:
        title: for people, at most `model.limits.TITLE_CHARS` characters.
        topic: at most `model.limits.TOPIC_CHARS` characters.
        private: only for members; for owners to say.
        password: an empty one takes it away, another one makes the room private; for owners to say.
        slow_mode: seconds between two messages of one person, 0 for none.
        retention_days: days that messages are kept, 0 for the server's own rule; for owners to say.
    """

    title: Title | None = None
    topic: Topic | None = None
    private: bool | None = None
    password: Password | None = None
    slow_mode: SlowMode | None = None
    retention_days: RetentionDays | None = None


class UpdateRoomAsked(Struct, frozen=True):
    """A room to be changed.

    Attributes:
        room: its name.
    """

    room: Name
    body: RoomChanges


class UserAsked(Struct, frozen=True):
    """Somebody.

    Attributes:
        user: their id, as in `sender_id`.
    """

    user: UserId
