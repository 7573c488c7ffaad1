"""The messages port: how messages are written and read."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from model.audit import AuditEntry
from model.message import Message
from model.room import RoomRecord, User

# A seq above all others.
ENDLESS = 2**63 - 1

# --- writes --------------------------------------------------------------------------------------------------------


class InsertMessage(Struct, frozen=True, gc=False):
    """Store a message as it was posted (``version == seq``) in the log of ``room_id``. Repeating it changes nothing.

    Of ``reply_to`` only the seq is stored.
    """

    room_id: int
    message: Message


class PinState(Struct, frozen=True, gc=False):
    """When a message was pinned (RFC 3339) and by which principal; None and None when it is not pinned."""

    at: str | None = None
    by: str | None = None


class ChangeMessage(Struct, frozen=True, gc=False):
    """Change a stored message to its state as of ``version``. The newer of two changes wins, whichever arrives first.

    Attributes:
        content: the new content; None leaves it unchanged.
        first_body: `model.message.body_hash` of the message before this change; kept if that was its first body.
        edited_at: RFC 3339; None leaves it unchanged.
        deleted_at: the same. Only a read with ``include_deleted`` returns the content of a deleted message.
        mentions: replaced together with the content.
        reactions: all of them, as in `Message`; None leaves them unchanged, {} removes them.
        pin: None leaves it unchanged.
        sender: another name for its author; None leaves it unchanged.
        forget_id: forget the id that its author gave it.
        alias_of: the account that its author has become; None leaves it unchanged.
        audit: stored with the change, once that is `Stored`.
    """

    room_id: int
    seq: int
    version: int
    content: str | None = None
    first_body: int | None = None
    edited_at: str | None = None
    deleted_at: str | None = None
    mentions: tuple[str, ...] = ()
    reactions: dict[str, list[str]] | None = None
    pin: PinState | None = None
    sender: str | None = None
    forget_id: bool = False
    alias_of: str | None = None
    audit: AuditEntry | None = None


class ExpireMessages(Struct, frozen=True, gc=False):
    """Permanently remove up to ``limit`` messages that are past the retention of their room. Outcome: `Removed`.

    The age of a message is that of its seq. Deleted rooms are included. Messages usually reach a log in the order of
    their seq; one that was stored after a larger one may remain until that one is due.

    Attributes:
        now_us: Unix microseconds; a storage with a clock of its own takes the earlier time of both.
        days: the retention of rooms without ``retention_days``; 0 for no limit.
    """

    now_us: int
    days: int
    limit: int


class EraseDeleted(Struct, frozen=True, gc=False):
    """Permanently erase what was deleted more than ``days`` days ago: the text of messages, and whole rooms.

    A message keeps its place, its author and its times, and loses everything else: content, words, mentions, reactions,
    pin, ``reply_to``, and the id that its author gave it. Its version stays, since nothing that readers are shown
    changes. Of a room, the messages are removed, then the room itself. Outcome: `Removed`, of up to ``limit`` messages.

    Attributes:
        now_us: Unix microseconds; a storage with a clock of its own takes the earlier time of both.
        days: one or more.
    """

    now_us: int
    days: int
    limit: int


# The place before all messages.
FIRST = (-1, -1)


class CutWords(Struct, frozen=True, gc=False):
    """Cut again the words of up to ``limit`` messages that were cut by an older `utils.words.WORDS_VERSION`.

    Takes the first such messages above ``after``, a (room_id, seq), in this order, and skips a message that changes
    concurrently. Outcome: `WordsCut`.
    """

    after: tuple[int, int]
    limit: int


# --- reads ---------------------------------------------------------------------------------------------------------


class Unread(Struct, frozen=True, gc=False):
    """How many messages of a room a user has not read, and how many of those mention the user, each up to a limit."""

    messages: int
    mentions: int


class Posted(Struct, frozen=True, gc=False):
    """Where a message with a given id is: its ``seq``, and `model.message.body_hash` of its first body."""

    seq: int
    body_hash: int


class MessageRepository(Protocol):
    """Reads of messages. Each raises `storage.ports.errors.StorageUnavailable` when storage does not answer.

    An unknown room has no messages. ``reply_to`` of a message quotes the other one as it is stored now, or has only its
    seq if it no longer exists. A deleted message is returned empty (without content, mentions, reactions, pin and
    ``reply_to``), unless the caller requests those.
    """

    async def head(self, room_id: int) -> int:
        """Return the largest seq or version in the log, 0 when it is empty."""

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        """Find the message that this principal stored under this id."""

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        """Find the message at ``seq``."""

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        since: int | None = None,
        until: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
        pinned: bool = False,
        include_deleted: bool = False,
        old_words: Sequence[str] = (),
    ) -> list[Message]:
        """Return up to ``limit`` messages, always oldest first. Deleted messages, with their content, only on request.

        ``before`` alone selects those right before that seq, ``after`` alone those right after it, both together the
        oldest between them (exclusive), and neither the newest. ``since`` (inclusive) and ``until`` (exclusive)
        restrict each of these. ``sender`` is an exact display name. A message must have all of ``words`` (from
        `utils.words.cut_words`) or, if an older version indexed it, all of ``old_words`` (from
        `utils.words.cut_words_v1`). ``pinned`` excludes messages that are not pinned.
        """

    async def find_sender(self, room: RoomRecord, sender_id: str, *, limit: int) -> User | None:
        """Return a principal with the name under which they wrote the last of their messages among the newest ``limit``
        ones of a log, deleted ones included; None if none is theirs.
        """

    async def by_senders(
        self, room: RoomRecord, sender_ids: Sequence[str], *, after: int, limit: int
    ) -> tuple[list[Message], int | None]:
        """Examine up to ``limit`` messages of a log above the seq ``after``, oldest first, and return those by these
        principals, deleted ones with their content; and the seq to go on from, None at the end of the log.
        """

    async def rooms_of_senders(
        self, sender_ids: Sequence[str], *, after: tuple[int, int], limit: int
    ) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
        """Examine up to ``limit`` messages of all logs above the (room_id, seq) ``after``, in this order.

        Return the first one by these principals in each room, as its (room_id, seq); and the place to go on from, None
        at the end of all logs.
        """

    async def search(
        self,
        rooms: Sequence[RoomRecord],
        *,
        words: Sequence[str],
        before: tuple[int, int] | None,
        limit: int,
        old_words: Sequence[str] = (),
    ) -> list[tuple[int, Message]]:
        """Return up to ``limit`` messages of these rooms with all the words, each with its room's id, newest first.

        Sorted by (seq, room_id), descending, from the largest below ``before``. Deleted messages are not found. Without
        words every message matches. ``old_words`` as in `history`.
        """

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        """Return up to ``limit`` messages with ``seq <= until`` and ``version > after``, by version.

        Versions beyond ``until`` are included: otherwise a client that reads page after page would miss a message that
        changes in the meantime.

        Raises:
            Forgotten: a message with ``seq > after`` was evicted.
        """

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        """Count the messages with ``after < version <= until``, up to ``limit``.

        Raises:
            Forgotten: a message with ``seq > after`` was evicted.
        """

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        """Count the messages above each (room_id, seq) that are neither deleted nor by ``user``, up to ``limit``.

        Each room may be given once, and is in the result even if it is unknown. A message mentions the user when
        `model.text.fold_name` of their name is among its ``mentions``, unless they block its sender.
        """


def bounds(before: int | None, after: int | None, since: int | None, until: int | None) -> tuple[int, int]:
    """Return the seqs between which, both exclusive, `MessageRepository.history` reads."""
    return (
        max(-1 if after is None else after, -1 if since is None else since - 1),
        min(ENDLESS if before is None else before, ENDLESS if until is None else until),
    )
