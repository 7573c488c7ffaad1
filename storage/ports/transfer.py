"""Everything that a storage holds, as a stream of records: what an export writes and an import reads.

Any change of these records, or of those of `model` in them, raises `server.transfer.archive.VERSION`: a test holds them
to docs/export.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from model.account import Account, AddedUser, ApiKey, InviteLink, Login, NoticeKind, WorkKind
from model.audit import AuditEntry
from model.message import Message
from model.room import Member, NetworkSanction, RoomRecord
from model.safety import Report


class Record(
    Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag=str.lower
):
    """One of the records below. ``kind`` names its type."""


class Secret(Record, frozen=True):
    """The secret of the servers, from which the keys of all tokens are derived.

    ``replaced_at``: as in `storage.ports.storage.LeaseEvents.on_secret`, in Unix microseconds.
    """

    secret: bytes
    replaced_at: int | None = None


class StoredAccount(Record, frozen=True, tag="account"):
    """An account made here. ``codes``: the SHA-256 of each recovery code."""

    account: Account
    codes: tuple[bytes, ...] = ()


class StoredLogin(Record, frozen=True, tag="login"):
    """A device on which an account is signed in."""

    login: Login


class Alias(Record, frozen=True):
    """A guest that became an account."""

    guest_id: str
    account_id: str
    at: int


class Key(Record, frozen=True):
    """An API key; of the key itself, only the hash."""

    key: ApiKey


class Added(Record, frozen=True, tag="user"):
    """A user whom the application has added."""

    user: AddedUser


class Room(Record, frozen=True):
    """A room, also one that was deleted."""

    room: RoomRecord


class StoredMember(Record, frozen=True, tag="member"):
    """A row of a user in a room. Of several rows of one user, the one that was stored last comes last."""

    room_id: int
    member: Member


class Sanction(Record, frozen=True):
    """A ban or mute of the guests of a network."""

    room_id: int
    sanction: NetworkSanction


class StoredMessage(Record, frozen=True, tag="message"):
    """A message with its content, even if it was deleted. The fields are those of `model.message.Message`, except:

    Attributes:
        at: its ``timestamp``.
        reply_to: only the seq.
        first_body: `model.message.body_hash` of its first body, once ``content`` is no longer that.
    """

    room_id: int
    seq: int
    version: int
    sender: str
    sender_id: str
    content: str
    at: str
    id: str | None = None
    edited_at: str | None = None
    deleted_at: str | None = None
    reply_to: int | None = None
    mentions: tuple[str, ...] = ()
    reactions: dict[str, list[str]] | None = None
    pinned_at: str | None = None
    pinned_by: str | None = None
    alias_of: str | None = None
    first_body: int | None = None


class Link(Record, frozen=True):
    """An invite link; of its secret, only the hash."""

    link: InviteLink


class Block(Record, frozen=True):
    """A user whom another user blocks."""

    user_id: str
    blocked_id: str
    at: int


class StoredReport(Record, frozen=True, tag="report"):
    """A report of a message."""

    report: Report


class StoredNotice(Record, frozen=True, tag="notice"):
    """A `model.account.Notice`, in the order of their numbers: suspensions, blocked networks, ended tokens."""

    of: NoticeKind
    subject: str
    at: int
    until: int
    version: int = 0
    deny_until: int = 0
    reason: str = ""


class Work(Record, frozen=True):
    """A `model.account.RoomWork` that is not done, in the order of their numbers."""

    of: WorkKind
    account_id: str
    ids: tuple[str, ...]
    name: str
    messages: bool = False
    room_id: int = 0


class Audit(Record, frozen=True):
    """An entry of the audit log, the oldest first."""

    entry: AuditEntry


# In the order in which they are exported, and must be imported: what a record names comes before it.
KINDS: tuple[type[Record], ...] = (
    Secret,
    StoredAccount,
    StoredLogin,
    Alias,
    Key,
    Added,
    Room,
    Sanction,
    StoredMember,
    StoredMessage,
    Link,
    Block,
    StoredReport,
    StoredNotice,
    Work,
    Audit,
)
# Those that an export without sessions leaves out.
SESSIONS: tuple[type[Record], ...] = (Secret, StoredLogin)

AnyRecord = (
    Secret
    | StoredAccount
    | StoredLogin
    | Alias
    | Key
    | Added
    | Room
    | Sanction
    | StoredMember
    | StoredMessage
    | Link
    | Block
    | StoredReport
    | StoredNotice
    | Work
    | Audit
)

# The bounds of a batch of records: how many, and the weight of all of them.
BATCH_RECORDS = 500
BATCH_BYTES = 4 << 20


def kind_of(record: Record | type[Record]) -> str:
    """Return the kind of a record, as an export has it."""
    return str(record.__struct_config__.tag)


def stored_message(room_id: int, message: Message, first_body: int | None) -> StoredMessage:
    """Return the record of a message that has its content."""
    return StoredMessage(
        room_id=room_id,
        seq=message.seq,
        version=message.version,
        sender=message.sender,
        sender_id=message.sender_id,
        content=message.content,
        at=message.timestamp,
        id=message.id,
        edited_at=message.edited_at,
        deleted_at=message.deleted_at,
        reply_to=None if message.reply_to is None else message.reply_to.seq,
        mentions=message.mentions,
        reactions=message.reactions or None,
        pinned_at=message.pinned_at,
        pinned_by=message.pinned_by,
        alias_of=message.alias_of,
        first_body=first_body,
    )


def in_batches(weighed: Iterable[tuple[Record, int]]) -> Iterator[Sequence[Record]]:
    """Yield batches of records of one kind, bounded by their number and weight, in order."""
    batch: list[Record] = []
    weight = 0
    for record, each in weighed:
        if batch and (type(record) is not type(batch[0]) or len(batch) >= BATCH_RECORDS or weight > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(record)
        weight += each
    if batch:
        yield batch
