"""People, what they sent, and what all of their devices know together; for tests with many of them."""

from collections import defaultdict
from typing import NamedTuple

from tests.support.copies import Frame


class Principal:
    """Somebody: an account, or a guest (`role` "guest")."""

    def __init__(self, name: str, role: str, suffix: str) -> None:
        self.name = name
        self.role = role
        self.id = "" if role == "guest" else f"u_{name}{suffix}"
        self.token: str | None = None


class Post(NamedTuple):
    """A message that somebody sent."""

    id: str
    room: str
    fields: Frame


class Ledger:
    """What all devices know together.

    Attributes:
        posts: every message that was sent, by principal and id.
        texts: every text that each of them was sent with.
        acked: where each of them was acked to be.
        changed: the versions of acked changes, by the author and id of the message.
        told: how many frames came to anybody, by type.
        refused: errors by code.
        read: up to where everybody was told to have read, by principal and room, since they were last sent out of it.
        came, went: when somebody last came into a room, or was asked in, and when they were last sent out, or quit.
        banned: who was kept out of a room for good, by principal and room.
        pardoned: whom somebody wanted to be let in, by principal and room: nothing is certain of them any more.
        remade: rooms that somebody wanted to open, to delete or to make: nothing is certain there any more.
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
        """Somebody asks for something, and it is not known yet whether they get it."""
        if kind in ("unban", "invite"):
            self.pardoned.add((fields["user"], fields["room"]))
        if kind in ("create_room", "delete_room") or (kind == "update_room" and fields.get("private") is False):
            self.remade.add(fields["room"])

    def forget_reads(self, user_id: str | None, room: str) -> None:
        """Nothing is certain of read cursors in a room any more: of one user, or of all."""
        for key in [key for key in self.read if key[1] == room and user_id in (None, key[0])]:
            del self.read[key]

    def on_out(self, user_id: str, room: str, at: int, reason: str) -> None:
        """Somebody was sent out of a room, or quit, or it was deleted."""
        self.forget_reads(None if reason == "deleted" else user_id, room)
        if reason != "deleted":
            self.went[user_id, room] = at

    def is_out(self, user_id: str, room: str) -> bool:
        """Whether somebody is out of a room for good, or until they come back."""
        key = user_id, room
        return self.went.get(key, 0) > self.came.get(key, 0)

    def is_kept_out(self, user_id: str, room: str) -> bool:
        """Whether somebody must not get in, whatever password they know; admins may."""
        key = user_id, room
        return key in self.banned and key not in self.pardoned and room not in self.remade

    def is_foreign(self, user_id: str, room: str) -> bool:
        """Whether somebody has nothing to do with a room: if it is private, they need its password."""
        key = user_id, room
        known = key in self.came and not self.is_out(*key)
        return not (known or key in self.pardoned or room in self.remade)
