"""What Parley asks of a storage: the port. Adapters: `storage.memory`, `storage.postgres`.

One process writes; many tasks read at the same time. Ids and times come from the caller, so that
every backend stores the same. One contract suite runs over every adapter, and a differential test holds them against
each other.

    StorageError
    |-- StorageUnavailable   nothing was decided: keep the work and try again later
    |-- BatchRefused         storage refuses a row of the batch for itself: halve the batch to find it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from model.message import Message
from model.room import RoomRecord


class StorageError(Exception):
    """Anything storage raises."""


class StorageUnavailable(StorageError):
    """Storage cannot answer now (away, starting, out of space, read-only, not this server's turn to write).

    The text says why, in words for an operator. Whether a write took place is not known: retry it as it is, writes are
    idempotent.
    """


class BatchRefused(StorageError):
    """A row of the batch can never be stored as it is (SQLSTATE classes 22 and 23). Nothing of the batch was stored."""


class InsertRoom(Struct, frozen=True, gc=False):
    """Store a room: before its first message, through the same writer. Repeating it changes nothing."""

    room: RoomRecord


class InsertMessage(Struct, frozen=True, gc=False):
    """Store a message (``version == seq``) in the log of ``room_id``. Repeating it changes nothing."""

    room_id: int
    message: Message


class ChangeMessage(Struct, frozen=True, gc=False):
    """Give a stored message the state it has as of ``version``. Of two changes the newer one stays, whatever the order.

    Attributes:
        content: the new content; None leaves it as it is.
        first_body: `body_hash` of the content that the message had before; kept if it was the first one.
        edited_at: RFC 3339; None leaves it as it is.
        deleted_at: the same. The content of a deleted message is told to nobody.
    """

    room_id: int
    seq: int
    version: int
    content: str | None = None
    first_body: int | None = None
    edited_at: str | None = None
    deleted_at: str | None = None


Write = InsertRoom | InsertMessage | ChangeMessage


class Stored(Struct, frozen=True, gc=False):
    """Durable at its own seq; also the outcome of repeating a write that had succeeded."""


class Duplicate(Struct, frozen=True, gc=False):
    """Not stored: (room_id, sender_id, id) is at ``seq`` already. ``same_body`` tells a re-send from a conflict."""

    seq: int
    same_body: bool


class Refused(Struct, frozen=True, gc=False):
    """Not stored, and never will be (see ``reason``): another message holds this seq, another room this name, or there
    is no message to change.
    """

    reason: str


Outcome = Stored | Duplicate | Refused
STORED = Stored()


class Posted(Struct, frozen=True, gc=False):
    """Where a message with a certain id is: its ``seq``, and :func:`model.message.body_hash` of its first body."""

    seq: int
    body_hash: int


class Writer(Protocol):
    """One writer, with a connection of its own. Never used by two tasks at once."""

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        """Store the batch in one transaction, in order: when this returns, it is durable.

        Returns one outcome for each write, in the same order. Of two messages of one batch with the same
        (room_id, sender_id, id) the first is `Stored`, the second its `Duplicate`. If another message holds the seq
        of the first, so that only the second can be `Stored`, the first may be `Refused` or a `Duplicate` of it.

        Raises:
            StorageUnavailable: nothing is known of the batch: repeat it.
            BatchRefused: nothing of the batch was stored, and repeating it would not help.

        Cancelling it leaves the batch undecided; the writer may be used again.
        """

    async def close(self) -> None:
        """Give the connection back. Idempotent; waits for nothing on the network."""


class Repository(Protocol):
    """Rooms and their messages. Every read raises `StorageUnavailable` when storage cannot answer in time.

    Attributes:
        on_takeover: called when this server may write again and somebody else wrote in between.
        on_superseded: called when this server could write, and now another one does.
    """

    on_takeover: Callable[[], None] | None
    on_superseded: Callable[[], None] | None

    async def start(self) -> None:
        """Begin to connect, in the background; returns at once even when storage is away."""

    async def close(self) -> None:
        """Close every connection, with a deadline of its own. Idempotent. Later calls raise `StorageUnavailable`."""

    def trouble(self) -> str | None:
        """Why this server cannot write now, in words for an operator; None when, as far as is known, it can."""

    def another_writes(self) -> bool:
        """Another server writes to the same storage, so nothing that is said here would be stored."""

    def writer(self) -> Writer:
        """A new writer; the caller closes it. It connects by itself when first used, and again after a failure."""

    async def find_room(self, name: str) -> RoomRecord | None:
        """The room of this name, None when there is none. Names are compared letter by letter."""

    async def head(self, room_id: int) -> int:
        """The largest seq or version in the log, 0 when it is empty or unknown."""

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        """The message that this principal stored under this id, None when there is none."""

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        """The state of the message at ``seq``, None when there is none."""

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
    ) -> list[Message]:
        """At most ``limit`` messages that are not deleted, always oldest first.

        With ``before``: those right before that seq. With ``after`` (and no ``before``): those right after it. With
        both: the oldest ones strictly between. With neither: the newest ones. ``sender`` is an exact display name;
        ``words`` (from `utils.words.cut_words`) must all be in the message. An unknown room is an empty page.
        """

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        """At most ``limit`` states of messages with ``seq <= until`` and ``version > after``, in order of version.

        Also those whose version is beyond ``until``: who reads page after page would never see a message again that
        is changed meanwhile.
        """

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        """How many states there are with ``after < version <= until``, counting no further than ``limit``."""
