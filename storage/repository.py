"""What Parley asks of a storage: the port. Adapters: `storage.memory`, `storage.postgres`.

One process writes; many tasks read at the same time. Ids and times come from the caller, so that
every backend stores the same. One contract suite runs over every adapter, and a differential test holds them against
each other.

    StorageError
    |-- StorageUnavailable   nothing was decided: keep the work and try again later
    |   |-- TooManyReads     so many reads wait already that one more may not
    |-- Forgotten            storage let go, for lack of space, of what is asked for
    |-- BatchRefused         storage refuses a row of the batch for itself: halve the batch to find it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from msgspec import Struct

from model.message import Message
from model.room import Member, RoomRecord, User
from utils.fairness import Party

READER: ContextVar[Party] = ContextVar("reader", default=Party(""))  # noqa: B039  # a NamedTuple
"""For whom this task reads: an account, or a guest among those of an address. Those who read at the same time share
storage fairly (`utils.fairness`), however many reads each of them asks for.
"""
DAY_US = 86_400_000_000
"""A day in microseconds, the unit of seqs and times."""


class StorageError(Exception):
    """Anything storage raises."""


class StorageUnavailable(StorageError):
    """Storage cannot answer now (away, starting, out of space, read-only, not this server's turn to write).

    The text says why, in words for an operator. Whether a write took place is not known: retry it as it is, writes are
    idempotent.
    """


class Forgotten(StorageError):
    """Messages that the answer should have were evicted for lack of space; only memory ever does that."""


class TooManyReads(StorageUnavailable):
    """A read that was not even queued; ``own`` when its `READER` has too many of them waiting."""

    def __init__(self, *, own: bool) -> None:
        self.own = own
        super().__init__("too many reads are waiting")


class BatchRefused(StorageError):
    """A row of the batch can never be stored as it is (SQLSTATE classes 22 and 23). Nothing of the batch was stored."""


class InsertRoom(Struct, frozen=True, gc=False):
    """Store a room that is not deleted: before its first message, through the same writer.

    Repeating it changes nothing, whatever became of the room meanwhile.
    """

    room: RoomRecord


class UpdateRoom(Struct, frozen=True, gc=False):
    """Give a stored room the state it has in this record; its id, name and ``created_at`` stay what they are.

    With ``deleted_at`` its name is free, its members are gone, and no read finds it any more by name, in a list or by
    a member; its log stays readable under its id. What is deleted stays deleted, since the first time. `NoRoom` for a
    room that is not stored.
    """

    room: RoomRecord


class SetMember(Struct, frozen=True, gc=False):
    """Store what somebody is in a room, in place of what was there.

    `NoRoom` for a room that is not stored. A deleted room has no members: that is `Stored`, and nothing is kept.
    """

    room_id: int
    member: Member


class RemoveMember(Struct, frozen=True, gc=False):
    """Forget what somebody is in a room. It is `Stored` when there was nothing, too."""

    room_id: int
    user_id: str


class ExpireMessages(Struct, frozen=True, gc=False):
    """Remove at most ``limit`` messages for good whose room keeps none that old, the room's own rule before ``days``.

    A message is as old as its seq; its room may be deleted. The outcome is `Removed`. Messages come to a log in the
    order of their seq: one that came behind a larger one may stay until that one is due.

    Attributes:
        now_us: Unix microseconds.
        days: how long rooms without a rule of their own keep messages; 0 for ever.
    """

    now_us: int
    days: int
    limit: int


class ExpireInvitations(Struct, frozen=True, gc=False):
    """Remove at most ``limit`` rows that say nothing but an invitation not made after ``until``; `Removed`."""

    until: int
    limit: int


class ExpireGuests(Struct, frozen=True, gc=False):
    """Remove at most ``limit`` rows of guests in public and ephemeral rooms, not there since ``until``; `Removed`.

    A row stays as long as it says more: a role above or below member, a ban or mute that is not over at ``now_us``, an
    invitation. So do those of the ids in ``present``.
    """

    until: int
    now_us: int
    present: tuple[str, ...]
    limit: int


class InsertMessage(Struct, frozen=True, gc=False):
    """Store a message as it was posted (``version == seq``) in the log of ``room_id``. Repeating it changes nothing.

    Of ``reply_to`` only the seq is stored. A room that storage has lost or forgotten comes back with it, under the name
    that the message knows; of what the room was besides, nothing is known, so it is an ephemeral one.
    """

    room_id: int
    message: Message


class PinState(Struct, frozen=True, gc=False):
    """Since when a message is pinned (RFC 3339) and by which principal; None and None when it is not."""

    at: str | None = None
    by: str | None = None


class ChangeMessage(Struct, frozen=True, gc=False):
    """Give a stored message the state it has as of ``version``. Of two changes the newer one stays, whatever the order.

    Attributes:
        content: the new content; None leaves it as it is.
        first_body: `body_hash` of the content that the message had before; kept if it was the first one.
        edited_at: RFC 3339; None leaves it as it is.
        deleted_at: the same. What a deleted message held is told to nobody but who asks with ``include_deleted``.
        mentions: come with a new content.
        reactions: all of them, as in `model.message.Message`, None leaves them as they are, {} takes all away.
        pin: None leaves it as it is.
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


FIRST = (-1, -1)
"""In front of the first message of all."""


class CutWords(Struct, frozen=True, gc=False):
    """Cut the words of at most ``limit`` messages again whose stored ones are of an older `utils.words.WORDS_VERSION`.

    Those behind the (room_id, seq) of ``after``, in that order. One that is changed meanwhile is left out. The outcome
    is `WordsCut`.
    """

    after: tuple[int, int]
    limit: int


Write = (
    InsertRoom
    | UpdateRoom
    | SetMember
    | RemoveMember
    | InsertMessage
    | ChangeMessage
    | ExpireMessages
    | ExpireInvitations
    | ExpireGuests
    | CutWords
)


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


class WordsCut(Struct, frozen=True, gc=False):
    """What became of a `CutWords`.

    Attributes:
        after: behind which message it goes on; None when there was none left.
        left: how many messages of an older cut there were; counted only when it began with the first of all.
    """

    after: tuple[int, int] | None
    left: int | None = None


class NoRoom(Struct, frozen=True, gc=False):
    """Not stored: its room is not, or not any more (memory forgot it, the database lost it with a crash).

    Whoever still has the room stores it again, and repeats the batch. Not said of a `ChangeMessage`, whose message is
    gone with the room.
    """


class Removed(Struct, frozen=True, gc=False):
    """How many messages are gone; fewer than the limit when no more of them are due.

    Also when storage has looked into many rooms that nobody had looked into before: it goes on the next time.
    """

    count: int


Outcome = Stored | Duplicate | Refused | NoRoom | Removed | WordsCut
STORED = Stored()
NO_ROOM = NoRoom()


class Unread(Struct, frozen=True, gc=False):
    """What somebody has not read in a room, and how many of those mention them: each counted up to a limit."""

    messages: int
    mentions: int


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
        on_clean_start: called with the epoch that the server before left with :meth:`keep_epoch`, if that one wrote
            last, before this server may write: from then on it is not left to anybody any more, whatever happens.
    """

    on_takeover: Callable[[], None] | None
    on_superseded: Callable[[], None] | None
    on_clean_start: Callable[[str], None] | None

    async def start(self) -> None:
        """Begin to connect, in the background; returns at once even when storage is away."""

    async def close(self) -> None:
        """Close every connection, with a deadline of its own. Idempotent. Later calls raise `StorageUnavailable`."""

    async def keep_epoch(self, epoch: str) -> None:
        """Leave ``epoch`` to the next server: all that was broadcast under it is stored. The last write of a server.

        Memory, and storage that cannot be reached or belongs to another server, keeps nothing: no error.
        """

    async def reached(self) -> None:
        """Wait until storage was reached for the first time: it can be written, another server writes to it, or it is
        no storage for this version. Unbounded: give it a time-out.
        """

    def trouble(self) -> str | None:
        """Why this server cannot write now, in words for an operator; None when, as far as is known, it can."""

    def was_ready(self) -> bool:
        """This server could write at some time since `start`."""

    def another_writes(self) -> bool:
        """Another server writes to the same storage, so nothing that is said here would be stored."""

    def is_full(self) -> bool:
        """One more room that stays would cost an older one: only memory is ever full."""

    def waiting_reads(self) -> int:
        """How many reads wait for their turn."""

    def writer(self) -> Writer:
        """A new writer; the caller closes it. It connects by itself when first used, and again after a failure."""

    async def find_room(self, name: str) -> RoomRecord | None:
        """The room of this name, None when there is none. Names are compared letter by letter."""

    async def kept_like(self, name: str) -> bool:
        """Whether a public or private room has another name that is the same as this one but for case and width
        (`model.text.fold_name`).
        """

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        """At most ``limit`` rooms that anybody may find, by name, with a name above ``after``.

        Those are the public ones, and ephemeral ones with a message that is not deleted. ``contains`` must be in the
        name or the title, in any case (`model.text.fold_name` on both sides); "" for all.
        """

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        """At most ``limit`` rooms in which somebody has a role or a read cursor, with that row.

        Those come first that they used last, as far as the row says: `Member.used`. Of equal ones by name.
        """

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        """At most ``limit`` rooms into which somebody was invited after that time, with their row; the newest first.

        Of equal times by name. ``after`` is in Unix microseconds.
        """

    async def standings(self, room_id: int) -> list[Member]:
        """Those whose row says more than "member", in the order of their user's id.

        Owners, moderators, readonly, and who is or was banned, muted or invited.
        """

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        """Somebody's row in a room."""

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        """At most ``limit`` rows that have a role, in the order of their user's id, above ``after``."""

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        """How many rows with a role each room has; rooms without one may be missing."""

    async def find_user(self, user_id: str) -> User | None:
        """Somebody who has a row in any room, under the name that was stored last."""

    async def account_role(self, user_id: str) -> str:
        """`model.room.Member.account_role` of the row of somebody that was stored last; "" for who has none."""

    async def share_a_room(self, one: str, other: str) -> bool:
        """Whether there is a room in which each of two users has a role or a read cursor."""

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        """Who else has a row in each of these direct rooms."""

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        """What is above each (room_id, seq), neither deleted nor by ``user``; counted no further than ``limit``.

        Each room comes once, and each is in the answer, unknown ones too. A message mentions somebody when
        `model.text.fold_name` of their name is among its ``mentions``.
        """

    async def head(self, room_id: int) -> int:
        """The largest seq or version in the log, 0 when it is empty or unknown."""

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        """The message that this principal stored under this id, None when there is none."""

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        """The state of the message at ``seq``, None when there is none. A deleted one comes without what it held.

        That is its content, mentions, reactions, pin and what it answers. In every read a message's ``reply_to`` has
        the head of the message it answers as it is stored now; only the seq when that one is not there any more.
        """

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
        """At most ``limit`` messages, always oldest first; deleted ones, with what they held, only when asked for.

        With ``before``: those right before that seq. With ``after`` (and no ``before``): those right after it. With
        both: the oldest ones strictly between. With neither: the newest ones. ``since`` and
        ``until`` leave out what is below the one, and what is not below the other. ``sender`` is an exact display name;
        ``words`` (from `utils.words.cut_words`) must all be in the message; of one whose words are stored as
        `utils.words.cut_words_v1` gives them, ``old_words`` must be. ``pinned`` leaves the others out. An unknown room
        is an empty page.
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
        """At most ``limit`` messages of these rooms that hold all the words, with their room's id, newest first.

        In the order of (seq, room_id), from the largest below ``before`` on. Deleted ones are not found. Without words
        it is every message. ``old_words`` are as in `history`.
        """

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        """At most ``limit`` states of messages with ``seq <= until`` and ``version > after``, in order of version.

        Also those whose version is beyond ``until``: who reads page after page would never see a message again that
        is changed meanwhile.

        Raises:
            Forgotten: a message with ``seq > after`` was evicted.
        """

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        """How many states there are with ``after < version <= until``, counting no further than ``limit``.

        Raises:
            Forgotten: a message with ``seq > after`` was evicted.
        """
