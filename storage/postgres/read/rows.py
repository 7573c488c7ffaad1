"""Rows of the tables as records: columns in the order in which the statements select them."""

from __future__ import annotations

from typing import Any

from model.emoji import qualify
from model.message import Message, Quote
from model.room import Invitation, Member, RoomRecord, User
from storage.postgres.sql.rooms import RECORD_COLUMNS


def message_of(room: str, row: tuple[Any, ...]) -> Message:
    """A message from the columns that every page selects."""
    seq, version, sender, sender_id, at, client_id, edited_at, deleted_at, content = row[:9]
    reply_to, quote, mentions, reactions, pinned_at, pinned_by = row[9:]
    return Message(
        room,
        seq,
        version,
        sender,
        sender_id,
        content,
        at,
        client_id,
        edited_at,
        deleted_at,
        None if reply_to is None else Quote(reply_to, *(quote or ())),
        () if mentions is None else tuple(mentions),
        reactions and _as_they_look(reactions),
        pinned_at,
        pinned_by,
    )


def _as_they_look(reactions: dict[str, list[str]]) -> dict[str, list[str]]:
    """Reactions under the emoji that they would be stored under today: what looks the same is the same."""
    if all(emoji == qualify(emoji) for emoji in reactions):
        return reactions
    found: dict[str, dict[str, None]] = {}
    for emoji, people in reactions.items():
        found.setdefault(qualify(emoji) or emoji, {}).update(dict.fromkeys(people))
    return {emoji: list(people) for emoji, people in found.items()}


def member_of(row: tuple[Any, ...]) -> Member:
    """A member from the columns that every statement about members selects."""
    user_id, name, role, joined_at, seen_at, read_seq, banned_until, muted_until, reason = row[:9]
    invited_at, inviter_id, inviter, account_role = row[9:]
    return Member(
        User(user_id, name),
        role,
        joined_at,
        seen_at,
        read_seq,
        banned_until,
        muted_until,
        reason,
        Invitation(User(inviter_id, inviter), invited_at) if invited_at else None,
        account_role,
    )


def room_and_member_of(row: tuple[Any, ...]) -> tuple[RoomRecord, Member]:
    """A row of `sql_rooms.ROOMS_OF` or `sql_rooms.INVITATIONS`."""
    return RoomRecord(*row[:RECORD_COLUMNS]), member_of(row[RECORD_COLUMNS:])
