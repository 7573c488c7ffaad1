"""Writes as rows of the statements' ``%(rows)s``: a key is the name of a column, and Postgres ignores other keys."""

from typing import Any

from msgspec import Struct, defstruct
from msgspec.structs import asdict

from model.room import RoomRecord
from model.text import fold_name
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import SetMember
from storage.postgres.connection.session import as_json
from storage.postgres.sql.messages import NEW_COLUMNS
from utils.words import cut_words

Values = dict[str, Any]
# Messages are many: a record is made and encoded in half the time that a dict takes, and omits what a message lacks.
_MessageRow = defstruct("_MessageRow", [(name, Any, None) for name in NEW_COLUMNS], omit_defaults=True, gc=False)


def rows(of: list[Any]) -> Values:
    """Return the one parameter that takes all rows of a statement."""
    return {"rows": as_json(of)}


def words_of(content: str) -> str:
    """Return the words of a content, for `storage.postgres.sql.messages` to cut."""
    return " ".join(cut_words(content))


def message_row(write: InsertMessage) -> Struct:
    """Return the row of a new message."""
    message = write.message
    return _MessageRow(
        room_id=write.room_id,
        seq=message.seq,
        created_at=message.timestamp,
        sender_id=message.sender_id,
        sender=message.sender,
        client_id=message.id,
        content=message.content,
        words=words_of(message.content),
        reply_to=message.reply_to and message.reply_to.seq,
        mentions=message.mentions or None,
    )


def change_row(change: ChangeMessage) -> Values:
    """Return the row of a change. Mentions and words count with a content, the pin with ``pins``."""
    pin = change.pin
    return {
        **asdict(change),
        "audit": None,
        "words": None if change.content is None else words_of(change.content),
        "mentions": change.mentions or None,
        "pins": pin is not None,
        "pinned_at": pin and pin.at,
        "pinned_by": pin and pin.by,
    }


def words_row(old: tuple[int, int, int, str]) -> Values:
    """Return the words of a row of `OLD_WORDS`, cut again."""
    room_id, seq, version, content = old
    return {"room_id": room_id, "seq": seq, "version": version, "words": words_of(content)}


def room_row(room: RoomRecord) -> Values:
    """Return the row of a room, with the texts that a search for rooms compares."""
    return {**asdict(room), "folded_name": fold_name(room.name), "folded_title": fold_name(room.title)}


def member_row(place: int, write: SetMember) -> Values:
    """Return the row of a member. ``place`` is its number within the statement."""
    member, invitation = write.member, write.member.invitation
    return {
        **asdict(member),
        "place": place,
        "room_id": write.room_id,
        "user_id": member.user.id,
        "name": member.user.name,
        "invited_at": 0 if invitation is None else invitation.at,
        "inviter_id": "" if invitation is None else invitation.by.id,
        "inviter": "" if invitation is None else invitation.by.name,
    }
