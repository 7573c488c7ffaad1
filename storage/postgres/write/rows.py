"""Records of the port as rows of the tables: elements of ``%(rows)s``, named as the statements name them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from model.room import Role, RoomRecord
from model.text import fold_name
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import SetMember
from storage.postgres.connection.session import as_json
from utils.words import cut_words


def rows(of: list[Any]) -> dict[str, Any]:
    """The one parameter that takes all rows of a statement."""
    return {"rows": as_json(of)}


class MessageRow(Struct, omit_defaults=True, gc=False):
    """For `sql.INSERT_MESSAGES`. What most messages do not have is not sent at all."""

    room_id: int
    seq: int
    created_at: str
    sender_id: str
    sender: str
    client_id: str | None
    content: str
    words: str
    reply_to: int | None = None
    mentions: tuple[str, ...] = ()


class ChangeRow(Struct, omit_defaults=True, gc=False):
    """For `sql.CHANGE_MESSAGES`. Mentions count with a content, the pin with ``pins``."""

    room_id: int
    seq: int
    version: int
    content: str | None = None
    words: str | None = None
    first_body: int | None = None
    edited_at: str | None = None
    deleted_at: str | None = None
    mentions: tuple[str, ...] = ()
    reactions: dict[str, list[str]] | None = None
    pins: bool = False
    pinned_at: str | None = None
    pinned_by: str | None = None


class WordsRow(Struct, gc=False):
    """For `sql.CUT_WORDS`."""

    room_id: int
    seq: int
    version: int
    words: str


class Key(Struct, gc=False):
    """For the look-ups of messages, `sql.FIND_BY_SEQ` and `sql.FIND_BY_ID`."""

    room_id: int
    seq: int
    sender_id: str
    client_id: str | None


class RoomRow(Struct, gc=False):
    """For `sql_rooms.INSERT_ROOMS` and `sql_rooms.UPDATE_ROOMS`."""

    room_id: int
    name: str
    created_at: str
    kind: str
    title: str
    topic: str
    password: str | None
    slow_mode: int
    retention_days: int
    deleted_at: str | None
    folded_name: str
    folded_title: str


class MemberRow(Struct, gc=False):
    """For `sql_rooms.SET_MEMBERS`."""

    place: int
    room_id: int
    user_id: str
    name: str
    role: Role | None
    joined_at: int
    seen_at: int
    read_seq: int
    banned_until: int
    muted_until: int
    reason: str
    account_role: str
    invited_at: int = 0
    inviter_id: str = ""
    inviter: str = ""


def message_row(write: InsertMessage) -> MessageRow:
    """A new message."""
    message = write.message
    return MessageRow(
        write.room_id,
        message.seq,
        message.timestamp,
        message.sender_id,
        message.sender,
        message.id,
        message.content,
        " ".join(cut_words(message.content)),
        None if message.reply_to is None else message.reply_to.seq,
        message.mentions,
    )


def change_row(change: ChangeMessage) -> ChangeRow:
    """A change of a message."""
    pin = change.pin
    return ChangeRow(
        change.room_id,
        change.seq,
        change.version,
        change.content,
        None if change.content is None else " ".join(cut_words(change.content)),
        change.first_body,
        change.edited_at,
        change.deleted_at,
        change.mentions,
        change.reactions,
        pin is not None,
        None if pin is None else pin.at,
        None if pin is None else pin.by,
    )


def words_row(old: tuple[int, int, int, str]) -> WordsRow:
    """The words of a row of `sql.OLD_WORDS`, cut again."""
    room_id, seq, version, content = old
    return WordsRow(room_id, seq, version, " ".join(cut_words(content)))


def room_row(room: RoomRecord) -> RoomRow:
    """A room, with the texts that a search for rooms looks into."""
    return RoomRow(
        room.room_id,
        room.name,
        room.created_at,
        room.kind,
        room.title,
        room.topic,
        room.password,
        room.slow_mode,
        room.retention_days,
        room.deleted_at,
        fold_name(room.name),
        fold_name(room.title),
    )


def member_row(place: int, write: SetMember) -> MemberRow:
    """A member; ``place`` is that of the write among the others of its statement."""
    member, invitation = write.member, write.member.invitation
    return MemberRow(
        place,
        write.room_id,
        member.user.id,
        member.user.name,
        member.role,
        member.joined_at,
        member.seen_at,
        member.read_seq,
        member.banned_until,
        member.muted_until,
        member.reason,
        member.account_role,
        *(() if invitation is None else (invitation.at, invitation.by.id, invitation.by.name)),
    )
