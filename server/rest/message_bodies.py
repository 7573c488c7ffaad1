"""What is asked of messages over HTTP."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from model.commands import Cursor, Emoji, Id, Name, Page, Query, Seq
from model.limits import HISTORY_DEFAULT, ID_CHARS

Key = Annotated[str, Meta(min_length=1, max_length=ID_CHARS)]


class MessagesAsked(Struct, frozen=True):
    """A page of a room's messages.

    Attributes:
        room: its name.
        limit: messages in the page, at most.
        before: a `seq`: the page right before it.
        after: a `seq`: the page right after it; with `before`, what is between them.
        around: a `seq`: the page with it in the middle.
        start: a time in RFC 3339: only messages since then.
        end: a time in RFC 3339: only messages before then.
        sender: only messages of this display name.
        q: only messages that hold all these words.
        pinned: only messages that are pinned.
        include_deleted: deleted messages too, with what they held; for moderators.
    """

    room: Name
    limit: Page = HISTORY_DEFAULT
    before: Seq | None = None
    after: Seq | None = None
    around: Seq | None = None
    start: Cursor | None = None
    end: Cursor | None = None
    sender: Name | None = None
    q: Query | None = None
    pinned: bool = False
    include_deleted: bool = False


class NewMessage(Struct, frozen=True):
    """A message to be sent.

    Attributes:
        content: its text.
        id: one's own, for sending it again: the same message is stored once.
        reply_to: the `seq` of the message that it answers.
    """

    content: str
    id: Id | None = None
    reply_to: Seq | None = None


class PostMessageAsked(Struct, frozen=True):
    """A message to be sent.

    Attributes:
        room: the room's name.
        idempotency_key: in place of the message's `id`.
    """

    room: Name
    body: NewMessage
    idempotency_key: Key | None = None


class MessageAsked(Struct, frozen=True):
    """A message.

    Attributes:
        room: the room's name.
        seq: its place in the room, which it keeps.
    """

    room: Name
    seq: Seq


class NewContent(Struct, frozen=True):
    """What a message is to say from now on.

    Attributes:
        content: the text.
    """

    content: str


class EditMessageAsked(Struct, frozen=True):
    """A message to be edited.

    Attributes:
        room: the room's name.
        seq: the message's place in the room.
    """

    room: Name
    seq: Seq
    body: NewContent


class ReactionAsked(Struct, frozen=True):
    """A reaction to a message.

    Attributes:
        room: the room's name.
        seq: the message's place in the room.
        emoji: 1 to 32 visible characters, such as an emoji or `:name:`.
    """

    room: Name
    seq: Seq
    emoji: Emoji


class SearchAsked(Struct, frozen=True):
    """What to look for.

    Attributes:
        q: words, all of which a message must hold.
        limit: messages in the page, at most.
        cursor: of the page before.
    """

    q: Query
    limit: Page = HISTORY_DEFAULT
    cursor: Cursor | None = None
