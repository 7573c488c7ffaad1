"""The storage port: each backend implements it with one object, which opens, writes, closes and has the repositories.

One process writes rooms and messages, and every process writes accounts; many tasks read concurrently. Ids and times
come from the caller, so that every backend stores the same. One contract suite runs over every backend, and a
differential test compares them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Protocol

from msgspec import Struct

from model.audit import AuditEntry
from storage.ports.access import AccessRepository
from storage.ports.accounts import AccountRepository
from storage.ports.audit import AuditRepository
from storage.ports.links import LinkRepository
from storage.ports.logins import LoginRepository
from storage.ports.messages import (
    ChangeMessage,
    CutWords,
    EraseDeleted,
    ExpireMessages,
    InsertMessage,
    MessageRepository,
)
from storage.ports.rooms import (
    ExpireGuests,
    ExpireInvitations,
    ExpireSanctions,
    InsertRoom,
    RemoveMember,
    RoomRepository,
    SetMember,
    SetSanction,
    UpdateRoom,
)
from storage.ports.safety import SafetyRepository
from storage.ports.secrets import SecretRepository
from storage.ports.servers import Gained, Servers
from storage.ports.transfer import Record
from storage.ports.users import UserRepository
from utils.fairness import Party

# The reader that this task acts for: an account, or a guest within its address. Concurrent readers share storage fairly
# (`utils.fairness`), however many reads each of them starts.
READER: ContextVar[Party] = ContextVar("reader", default=Party(""))  # noqa: B039  # a NamedTuple

# Of the secret that storage makes for the servers.
SECRET_BYTES = 32

Write = (
    InsertRoom
    | UpdateRoom
    | SetMember
    | RemoveMember
    | InsertMessage
    | ChangeMessage
    | ExpireMessages
    | EraseDeleted
    | ExpireInvitations
    | ExpireGuests
    | SetSanction
    | ExpireSanctions
    | CutWords
)


# --- the outcome of each write of a batch ---------------------------------------------------------------------------


class Stored(Struct, frozen=True, gc=False):
    """The write is durable; also the outcome of repeating a write that had succeeded."""


class Duplicate(Struct, frozen=True, gc=False):
    """Not stored: (room_id, sender_id, id) is already at ``seq``. ``same_body`` tells a resend from a conflict."""

    seq: int
    same_body: bool


class Refused(Struct, frozen=True, gc=False):
    """Not stored, and a retry would not help: another message has this seq, another room has this name, or the message
    to change does not exist. ``reason`` says which.
    """

    reason: str


class NoRoom(Struct, frozen=True, gc=False):
    """Not stored: the room does not exist, or no longer (memory evicted it, a database crash lost it).

    A caller that still has the room stores it again and repeats the batch. Never the outcome of a `ChangeMessage`: the
    message is lost with its room.
    """


class Removed(Struct, frozen=True, gc=False):
    """The number of removed rows, or erased messages. Fewer than the limit means that no more are due, or that storage
    has examined enough rooms for one write and continues in the next one.
    """

    count: int


class WordsCut(Struct, frozen=True, gc=False):
    """The outcome of a `CutWords`.

    Attributes:
        after: where the next one continues; None when nothing is left.
        left: how many messages have words of an older version; counted only by the first `CutWords` of a pass.
    """

    after: tuple[int, int] | None
    left: int | None = None


Outcome = Stored | Duplicate | Refused | NoRoom | Removed | WordsCut
STORED = Stored()
NO_ROOM = NoRoom()


def entries_of(batch: Sequence[Write], outcomes: Sequence[Outcome]) -> list[AuditEntry]:
    """Return the audit entries of the writes of a batch that were stored."""
    return [
        write.audit
        for write, outcome in zip(batch, outcomes, strict=True)
        if not isinstance(write, InsertMessage)  # most are: one type is checked four times as fast as four
        and isinstance(write, (UpdateRoom, SetMember, RemoveMember, ChangeMessage))
        and write.audit is not None
        and isinstance(outcome, Stored)
    ]


# --- the port -------------------------------------------------------------------------------------------------------


class Writer(Protocol):
    """A writer with its own connection. Two tasks must not use it at the same time."""

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        """Store the batch in one transaction, in order: when this returns, it is durable.

        Returns one outcome for each write, in the same order. Of two messages of one batch with the same
        (room_id, sender_id, id) the first is `Stored` and the second its `Duplicate`. If another message has the seq of
        the first, so that only the second can be `Stored`, the first may be `Refused` or a `Duplicate` of it.

        Raises:
            StorageUnavailable: whether the batch was stored is unknown: repeat it.
            BatchRefused: nothing in the batch was stored, and repeating it would not help.

        Cancelling it leaves the outcome unknown; the writer may be used again.
        """

    async def close(self) -> None:
        """Close the connection. Idempotent; never waits for the network."""


def _ignore(*_: object) -> None:
    pass


class LeaseEvents(Struct):
    """Callbacks for changes of the writing server; each does nothing by default.

    Attributes:
        on_gained: called before the first write of a tenure of this server, unless the tenure continues its previous
            one: then only the connection was lost, and no other server has had the right to write.
        on_superseded: this server had the right to write, and now another one has it.
        on_installation: called before `on_gained`, on a node also while another server writes, with what tells this
            storage from all others whose servers use the same bus: 16 bytes, made by the first writing server. A copy
            and a restored backup get others. Called again when they change.
        on_secret: called before this server may write, and while another one writes, with what storage keeps for the
            keys of the servers, and again if that changes. The secret is None if storage has none and was told to make
            none. The second argument is when it replaced ``JWT_SECRET`` as the secret of guest tokens, in Unix
            microseconds; None if storage never had such guests.
    """

    on_gained: Callable[[Gained], None] = _ignore
    on_superseded: Callable[[], None] = _ignore
    on_installation: Callable[[bytes], None] = _ignore
    on_secret: Callable[[bytes | None, int | None], None] = _ignore


class PoolUse(Struct, frozen=True, gc=False):
    """The connections of one pool.

    Attributes:
        name: what they are for: ``reads`` or ``accounts``.
        most: how many may be open.
        busy, idle: how many are.
        lost: how many broke, or could not be opened, since the start.
    """

    name: str
    most: int
    busy: int
    idle: int
    lost: int


class AccountStorage(Protocol):
    """Accounts alone.

    Attributes:
        place: where they are kept, for an operator.
    """

    place: str

    async def start(self) -> None:
        """Begin to connect."""

    async def close(self) -> None:
        """Close every connection within a deadline. Idempotent. Later calls raise `StorageUnavailable`."""

    @property
    def accounts(self) -> AccountRepository:
        """Accounts made here."""

    @property
    def logins(self) -> LoginRepository:
        """The devices on which they are signed in."""

    @property
    def secrets(self) -> SecretRepository:
        """Their tickets, recovery codes and failed guesses."""

    @property
    def access(self) -> AccessRepository:
        """Who may not act, and which keys may."""

    @property
    def links(self) -> LinkRepository:
        """Invite links."""

    @property
    def safety(self) -> SafetyRepository:
        """Blocks of users by users, and reports of messages."""

    @property
    def users(self) -> UserRepository:
        """Users of the application whom it has added."""

    @property
    def audit(self) -> AuditRepository:
        """The audit log."""


class Storage(AccountStorage, Protocol):
    """Rooms, their members and their messages, and accounts.

    Attributes:
        lease_events: callbacks, see `LeaseEvents`.
    """

    lease_events: LeaseEvents

    @property
    def rooms(self) -> RoomRepository:
        """The reads of rooms and members."""

    @property
    def messages(self) -> MessageRepository:
        """The reads of messages."""

    async def start(self) -> None:
        """Begin to connect in the background. Returns at once, even when storage is unreachable."""

    async def keep_epoch(self, epoch: str) -> None:
        """Save ``epoch``, any text, for the next server: everything broadcast under it is stored. The last write of a
        server.

        Does nothing, without an error, in memory and when storage is unreachable or belongs to another server.
        """

    async def resign(self, epoch: str | None) -> bool:
        """Give the right to write to another node: end all connections of writers, save ``epoch`` as `keep_epoch` does
        unless it is None, and release the right. Call it once every write has been answered: a running batch ends as
        `StorageUnavailable`.

        Returns whether all of it was done. The tenure has ended in any case, without `LeaseEvents.on_superseded`. This
        server tries to get the right again a few seconds later, in case no other one did. False, and nothing else, for
        a server that is no node.
        """

    def say_on_bus(self, up: bool) -> None:
        """Tell the other nodes whether this one reaches the bus; at first it does not.

        As long as one node does, none begins to write that does not.
        """

    def servers(self) -> Servers | None:
        """Return the nodes as this one saw them last, several times a second; None while it cannot see them."""

    async def reached(self) -> None:
        """Wait until storage has been reached once: this server can write, another server writes, or the database does
        not fit this version. Waits without a bound: use a time-out.
        """

    def problem(self) -> str | None:
        """Return why this server cannot write now, for an operator; None if it can, as far as it knows."""

    def was_ready(self) -> bool:
        """Whether this server has been able to write since `start`; or a node, to see that another one can."""

    def another_writes(self) -> bool:
        """Whether another server writes to the same storage, so that nothing from this one would be stored."""

    def is_full(self) -> bool:
        """Whether one more permanent room would evict an older one. Only memory is ever full."""

    def waiting_reads(self) -> int:
        """Return the number of queued reads."""

    def pools(self) -> Sequence[PoolUse]:
        """Return the connections to the database that this server shares among tasks; none in memory."""

    def snapshot(self, *, sessions: bool) -> Iterator[Record] | None:
        """Return all records of `storage.ports.transfer` as they are now, for an export; None if another process can
        read them by itself, as from a database.

        ``sessions`` includes the secret of the servers and the logins.
        """

    def writer(self) -> Writer:
        """Return a new writer, for the caller to close. It connects when first used, and again after a failure."""
