"""Rows of the tables as records of model/."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from model.emoji import qualify
from model.message import Message, Quote
from model.room import Invitation, Member, RoomRecord, User
from storage.postgres.sql.messages import COLUMNS
from storage.postgres.sql.rooms import MEMBER_COLUMNS, ROOM_COLUMNS

Row = tuple[Any, ...]


Fetch = Callable[..., Awaitable[list[Row]]]
"""`storage.postgres.read.pool.ReadPool.fetch`."""


def message_of(room: str, row: Row) -> Message:
    """Make a message of `storage.postgres.sql.messages.COLUMNS`."""
    fields = dict(zip(COLUMNS, row, strict=True))
    quote, reply_to = fields.pop("quote"), fields["reply_to"]
    if reply_to is not None:
        fields["reply_to"] = Quote(reply_to, *(quote or ()))
    fields["mentions"] = tuple(fields["mentions"] or ())
    if fields["reactions"]:
        fields["reactions"] = _qualified(fields["reactions"])
    return Message(room=room, **fields)


def _qualified(reactions: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return reactions under the emoji they would be stored under today: emoji that look the same are the same."""
    if all(emoji == qualify(emoji) for emoji in reactions):
        return reactions
    found: dict[str, dict[str, None]] = {}
    for emoji, people in reactions.items():
        found.setdefault(qualify(emoji) or emoji, {}).update(dict.fromkeys(people))
    return {emoji: list(people) for emoji, people in found.items()}


def room_of(row: Row) -> RoomRecord:
    """Make a room of `storage.postgres.sql.rooms.ROOM_COLUMNS`."""
    return RoomRecord(**dict(zip(ROOM_COLUMNS, row, strict=True)))


def member_of(row: Row) -> Member:
    """Make a member of `storage.postgres.sql.rooms.MEMBER_COLUMNS`."""
    fields = dict(zip(MEMBER_COLUMNS, row, strict=True))
    user = User(id=fields.pop("user_id"), name=fields.pop("name"))
    at, by = fields.pop("invited_at"), User(id=fields.pop("inviter_id"), name=fields.pop("inviter"))
    return Member(user=user, invitation=Invitation(by=by, at=at) if at else None, **fields)


def room_and_member_of(row: Row) -> tuple[RoomRecord, Member]:
    """Make a room and a member of the columns of both."""
    return room_of(row[: len(ROOM_COLUMNS)]), member_of(row[len(ROOM_COLUMNS) :])
