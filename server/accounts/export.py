"""Everything that is kept about an account, as JSON Lines in a zip file, which is made while it is sent."""

import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import IO, Any

from msgspec import to_builtins

from model.account import Account
from model.audit import AuditFilter
from model.message import Message
from model.room import Member, RoomRecord
from server.accounts.lines import own_line_of, time_of
from storage.ports.messages import ENDLESS
from storage.ports.storage import Storage
from utils.clock import Clock, rfc3339
from utils.encoding import to_json

# A user must not learn who blocks them or has reported their messages, nor that anyone did.
_OF_OTHERS = frozenset({"user_block", "report"})
# Records in one read.
PAGE = 1000
# Messages that are looked at in one read, in all rooms together: most are of others.
WINDOW = 5000
# Bytes that are handed on together, at least.
_CHUNK_BYTES = 16 << 10

# A page of records, and the file that they belong to.
Page = tuple[str, Sequence[object]]


async def export_zip(storage: Storage, clock: Clock, account: Account) -> AsyncGenerator[bytes, None]:
    """Yield the zip file in parts of about 16 KB.

    Raises:
        StorageUnavailable: it cannot be completed.
    """
    buffer = _Buffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        name: str = ""
        file: IO[bytes] = io.BytesIO()
        try:
            async for of, records in _pages(storage, clock, account):
                if of != name:
                    file.close()  # which writes its end
                    name, file = of, archive.open(of, "w")
                for record in records:
                    file.write(to_json(record) + b"\n")
                    if len(buffer) >= _CHUNK_BYTES:
                        yield buffer.take()
        finally:
            file.close()
    yield buffer.take()


class _Buffer(io.RawIOBase):
    """A file that is only written to; what it holds is taken from time to time."""

    def __init__(self) -> None:
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._held = bytes(self._held), bytearray()
        return taken


async def _pages(storage: Storage, clock: Clock, account: Account) -> AsyncIterator[Page]:
    now, account_id = clock.now_us(), account.account_id
    aliases = await storage.accounts.aliases(account_id)
    ids = [account_id, *aliases]
    yield "account.jsonl", [await _account(storage, account, aliases, now)]
    yield "sessions.jsonl", [_times(login) for login in await storage.logins.of_account(account_id, now)]
    for user_id in ids:
        async for page in _rooms(storage, user_id):
            yield "rooms.jsonl", page
    keys = [key for key in await storage.access.keys(now) if key.maker_id == account_id]
    yield "keys.jsonl", [_without_hash(key) for key in keys]
    for user_id in ids:
        yield "links.jsonl", [_without_hash(link) for link in await storage.links.of_maker(user_id, now)]
    yield "blocks.jsonl", [{"user": blocked_id} for blocked_id in await storage.safety.blocked_by(account_id)]
    async for page in _reports(storage, ids):
        yield "reports.jsonl", page
    yield "messages.jsonl", []  # the file is there also without any
    async for page in _messages(storage, ids):
        yield "messages.jsonl", page
    for user_id in ids:
        async for page in _audit(storage, ids, AuditFilter(actor=user_id)):
            yield "audit.jsonl", page
        async for page in _audit(storage, ids, AuditFilter(target=user_id)):
            yield "audit.jsonl", page


async def _account(storage: Storage, account: Account, aliases: list[str], now: int) -> dict[str, object]:
    suspensions = await storage.access.suspensions(now)
    suspended = next((notice for notice in suspensions if notice.subject == account.account_id), None)
    return {
        "id": account.account_id,
        "username": account.username,
        "name": account.name,
        "role": account.role,
        "email": account.email,
        "email_pending": await storage.secrets.find_pending_email(account.account_id, now),
        "created_at": rfc3339(account.created_at),
        "password_at": rfc3339(account.password_at),
        "second_factor": account.totp_on,
        "recovery_codes": await storage.secrets.count_codes(account.account_id),
        "guests": aliases,
        "suspended": None if suspended is None else suspended.reason,
    }


async def _rooms(storage: Storage, user_id: str) -> AsyncIterator[list[object]]:
    after: int | None = -1
    while after is not None:
        rows = await storage.rooms.rows_of(user_id, after=after, limit=PAGE)
        yield [_row(record, row) for record, row in rows]
        after = rows[-1][0].room_id if len(rows) == PAGE else None


def _row(record: RoomRecord, row: Member) -> dict[str, object]:
    fields = _times(row)
    del fields["user"], fields["account_role"]
    return {"room": record.name, "title": record.title, "kind": record.kind, **fields}


async def _reports(storage: Storage, ids: Sequence[str]) -> AsyncIterator[list[object]]:
    """Yield the reports that the account has made, without the reported messages, which others wrote."""
    shown = ("report_id", "room", "seq", "reason", "created_at", "state")
    for reporter_id in ids:
        before: int | None = ENDLESS
        while before is not None:
            found = await storage.safety.reports_by(reporter_id, before=before, limit=PAGE)
            yield [{name: _times(one)[name] for name in shown} for one in found]
            before = found[-1].created_at if len(found) == PAGE else None


async def _messages(storage: Storage, ids: Sequence[str]) -> AsyncIterator[list[object]]:
    place: tuple[int, int] | None = (-1, ENDLESS)
    while place is not None:
        found, place = await storage.messages.rooms_of_senders(ids, after=place, limit=WINDOW)
        for room_id, seq in found:
            async for page in _messages_of(storage, room_id, ids, seq - 1):
                yield page
            if place is not None and place[0] == room_id:
                place = (room_id, ENDLESS)  # the rest of it was read, too


async def _messages_of(
    storage: Storage, room_id: int, ids: Sequence[str], after: int | None
) -> AsyncIterator[list[object]]:
    """Yield the messages in one room, also a deleted one, above a seq."""
    for record in await storage.rooms.all_rooms(after=room_id - 1, limit=1):
        while after is not None and record.room_id == room_id:
            found, after = await storage.messages.by_senders(record, ids, after=after, limit=PAGE)
            if found:
                yield [_message(message) for message in found]


def _message(message: Message) -> dict[str, object]:
    """Return what its author wrote, without what others wrote and who they are."""
    fields: dict[str, object] = to_builtins(message)
    if message.reply_to is not None:
        fields["reply_to"] = message.reply_to.seq
    if message.reactions:
        fields["reactions"] = {emoji: len(people) for emoji, people in message.reactions.items()}
    fields.pop("pinned_by", None)
    return fields


async def _audit(storage: Storage, ids: Sequence[str], wanted: AuditFilter) -> AsyncIterator[list[object]]:
    """Yield what the account did; with a target, what others did about it, except what protects them from it."""
    before: int | None = ENDLESS
    while before is not None:
        entries = await storage.audit.page(wanted, before=before, limit=PAGE)
        yield [
            own_line_of(number, entry, ids)
            for number, entry in entries
            if wanted.target is None or (entry.actor.id not in ids and entry.action not in _OF_OTHERS)
        ]
        before = entries[-1][0] if len(entries) == PAGE else None


def _without_hash(record: Any) -> dict[str, Any]:
    return {name: value for name, value in _times(record).items() if name != "hash"}


def _times(record: Any) -> dict[str, Any]:
    """Return a record with its times in RFC 3339; None for never and for no end."""
    return dict(_with_times(record))


def _with_times(record: Any) -> Iterator[tuple[str, Any]]:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, int) and (name.endswith(("_at", "_until")) or name == "until"):
            yield name, time_of(value)
        else:
            yield name, to_builtins(value)
