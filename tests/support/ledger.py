"""Users, what they sent, and what all of their devices know together; for tests with many users."""

from collections import defaultdict
from typing import NamedTuple

from tests.support.copies import Frame


class Principal:
    """An account, or a guest (`role` "guest")."""

    def __init__(self, name: str, role: str, suffix: str) -> None:
        self.name = name
        self.role = role
        self.id = "" if role == "guest" else f"u_{name}{suffix}"
        self.token: str | None = None


class Post(NamedTuple):
    """A sent message."""

    id: str
    room: str
    fields: Frame


class Ledger:
    """What all devices know together.

    Attributes:
        posts: every message that was sent, by principal and id.
        texts: every text with which each message was sent.
        acked: the acked seq of each message.
        changed: the versions of acked changes, by the author and id of the message.
        told: how many frames all devices received, by type.
        refused: errors by code.
        read: the read cursors that were broadcast, by principal and room, since the user was last removed from it.
        came, went: when a user last entered a room, or was invited, and when they were last removed, or quit.
        banned: permanent bans, by principal and room.
        pardoned: users for whom access was requested, by principal and room: their state is no longer certain.
        remade: rooms whose opening, deletion or creation was requested: their state is no longer certain.
    """

    def __init__(self) -> None:
        self.posts: dict[tuple[str, str], Post] = {}
        self.texts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.acked: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        self.changed: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.told: defaultdict[str, int] = defaultdict(int)
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.read: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.came: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.went: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.banned: set[tuple[str, str]] = set()
        self.pardoned: set[tuple[str, str]] = set()
        self.remade: set[str] = set()

    def on_ask(self, kind: str, fields: Frame) -> None:
        """Note a command whose outcome is not known yet."""
        if kind in ("unban", "invite") or (kind == "ban" and "seconds" in fields):  # it replaces a ban without an end
            self.pardoned.add((fields["user"], fields["room"]))
        if kind in ("create_room", "delete_room") or (kind == "update_room" and fields.get("private") is False):
            self.remade.add(fields["room"])

    def forget_reads(self, user_id: str | None, room: str) -> None:
        """Forget the read cursors in a room, of one user or of all: they are no longer certain."""
        for key in [key for key in self.read if key[1] == room and user_id in (None, key[0])]:
            del self.read[key]

    def on_out(self, user_id: str, room: str, at: int, reason: str) -> None:
        """Note that a user was removed from a room, or quit, or that it was deleted."""
        self.forget_reads(None if reason == "deleted" else user_id, room)
        if reason != "deleted":
            self.went[user_id, room] = at

    def is_out(self, user_id: str, room: str) -> bool:
        """Whether a user is out of a room, permanently or until they join again."""
        key = user_id, room
        return self.went.get(key, 0) > self.came.get(key, 0)

    def is_kept_out(self, user_id: str, room: str) -> bool:
        """Whether a user must not enter a room, even with its password; admins may."""
        key = user_id, room
        return key in self.banned and key not in self.pardoned and room not in self.remade

    def is_foreign(self, user_id: str, room: str) -> bool:
        """Whether a user does not belong to a room: if it is private, they need its password."""
        key = user_id, room
        known = key in self.came and not self.is_out(*key)
        return not (known or key in self.pardoned or room in self.remade)
