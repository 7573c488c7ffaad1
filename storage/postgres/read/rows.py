"""Rows of the tables as records of model/."""

from collections.abc import Awaitable, Callable
from typing import Any

from model.emoji import qualify
from model.message import Message, Quote
from model.room import Invitation, Member, RoomRecord, User
from storage.postgres.sql.rooms import ROOM_COLUMNS

Row = tuple[Any, ...]
# `storage.postgres.read.pool.ReadPool.fetch`.
Fetch = Callable[..., Awaitable[list[Row]]]


def message_of(room: str, row: Row) -> Message:
    """Make a message of `storage.postgres.sql.messages.WHOLE`: the record's fields in their order, and a quote."""
    *head, reply_to, mentions, reactions, pinned_at, pinned_by, quote = row
    if reply_to is not None:
        reply_to = Quote(reply_to, *(quote or ()))
    if reactions:
        reactions = _qualified(reactions)
    return Message(*(room, *head, reply_to, tuple(mentions or ()), reactions, pinned_at, pinned_by))


def _qualified(reactions: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return reactions under the emoji they would be stored under today: emoji that look the same are the same."""
    if all(emoji == qualify(emoji) for emoji in reactions):
        return reactions
    found: dict[str, dict[str, None]] = {}
    for emoji, people in reactions.items():
        found.setdefault(qualify(emoji) or emoji, {}).update(dict.fromkeys(people))
    return {emoji: list(people) for emoji, people in found.items()}


def member_of(row: Row) -> Member:
    """Make a member of the columns of `storage.postgres.sql.rooms`."""
    user_id, name, *state, invited_at, inviter_id, inviter, account_role = row
    invitation = Invitation(by=User(id=inviter_id, name=inviter), at=invited_at) if invited_at else None
    return Member(*(User(id=user_id, name=name), *state, invitation, account_role))


def room_and_member_of(row: Row) -> tuple[RoomRecord, Member]:
    """Make a room and a member of the columns of both."""
    return RoomRecord(*row[: len(ROOM_COLUMNS)]), member_of(row[len(ROOM_COLUMNS) :])
