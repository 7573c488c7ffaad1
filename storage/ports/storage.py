"""What Parley asks of a storage: the port. Adapters: `storage.memory`, `storage.postgres`.

One process writes; many tasks read at the same time. Ids and times come from the caller, so that
every backend stores the same. One contract suite runs over every adapter, and a differential test holds them against
each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from model.message import Message
from model.room import Member, RoomRecord, User
from storage.ports.messages import ChangeMessage, CutWords, ExpireMessages, InsertMessage, Posted, Unread
from storage.ports.outcomes import Outcome
from storage.ports.rooms import ExpireGuests, ExpireInvitations, InsertRoom, RemoveMember, SetMember, UpdateRoom
from utils.fairness import Party

READER: ContextVar[Party] = ContextVar("reader", default=Party(""))  # noqa: B039  # a NamedTuple
"""For whom this task reads: an account, or a guest among those of an address. Those who read at the same time share
storage fairly (`utils.fairness`), however many reads each of them asks for.
"""


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


class Storage(Protocol):
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
