"""One room in memory: its record and its messages, by seq, by their authors' ids, and by whom they mention."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from msgspec.structs import replace

from model.message import Message, Quote, body_hash, quote
from model.room import RoomRecord, User
from model.text import fold_name
from storage.memory.weights import weigh_message, weigh_room
from storage.ports.errors import Forgotten
from storage.ports.messages import ChangeMessage, Unread
from storage.ports.outcomes import STORED, Duplicate, Outcome, Refused


class Log:
    """A room and its messages; what was deleted is kept, and shown by :meth:`told` only to who may see it.

    Attributes:
        bytes: what the messages weigh (`storage.memory.weights`).
        counted: what messages and room weighed when they were last counted (`storage.memory.logs.Logs.weigh`).
        frame: what the room weighs by itself.
        evicted: the largest seq that was forgotten for lack of space, 0 when none was.
    """

    __slots__ = (
        "bytes",
        "changed_seqs",
        "counted",
        "evicted",
        "first_bodies",
        "folded",
        "frame",
        "mentioned",
        "newest_change",
        "posted",
        "record",
        "seqs",
        "states",
    )

    def __init__(self, record: RoomRecord) -> None:
        self.describe(record)
        self.states: dict[int, Message] = {}
        self.seqs: list[int] = []
        self.posted: dict[tuple[str, str], int] = {}
        self.changed_seqs: set[int] = set()
        # Hashes, of those whose content is another one now: hashing costs more than everything else here.
        self.first_bodies: dict[int, int] = {}
        self.newest_change = 0
        self.mentioned: dict[str, list[int]] = {}
        self.bytes = self.counted = 0
        self.evicted = 0

    def describe(self, record: RoomRecord) -> None:
        """Give the room this record, and the texts that a search for rooms looks into."""
        self.record = record
        self.folded = (fold_name(record.name), fold_name(record.title))
        self.frame = weigh_room(record)

    @property
    def head(self) -> int:
        """See `storage.ports.storage.Storage.head`."""
        return max(self.seqs[-1] if self.seqs else 0, self.newest_change)

    # --- writes ----------------------------------------------------------------------------------------------------

    def insert(self, message: Message) -> Outcome:
        """See `storage.ports.messages.InsertMessage`."""
        seq, key = message.seq, (message.sender_id, message.id or "")
        there = self.states.get(seq)
        if there is not None and self._same(there, message):
            return STORED
        if message.id is not None:
            earlier = self.posted.get(key)
            if earlier is not None and earlier != seq:
                return Duplicate(earlier, self._said_first(earlier, message.content))
        if there is not None:
            return Refused(f"another message is at seq {seq} of room {self.record.room_id}")
        if message.id is not None:
            self.posted[key] = seq
        self.states[seq] = message
        self.bytes += weigh_message(message)
        if message.mentions:
            self._index(message)
        seqs = self.seqs
        if not seqs or seq > seqs[-1]:
            seqs.append(seq)
        else:
            insort(seqs, seq)
        return STORED

    def _same(self, there: Message, message: Message) -> bool:
        author = (there.sender_id, there.id) == (message.sender_id, message.id)
        return author and self._said_first(there.seq, message.content)

    def _said_first(self, seq: int, content: str) -> bool:
        kept = self.first_bodies.get(seq)
        return content == self.states[seq].content if kept is None else body_hash(content) == kept

    def change(self, change: ChangeMessage) -> Outcome:
        """See `storage.ports.messages.ChangeMessage`."""
        seq = change.seq
        there = self.states.get(seq)
        if there is None:
            return Refused(f"there is no message at seq {seq} of room {self.record.room_id}")
        if change.version <= there.version:
            return STORED  # an older change, or this one, come once more
        if change.first_body is not None:
            self.first_bodies.setdefault(seq, change.first_body)
        self._unindex(there)
        pin = change.pin
        state = replace(
            there,
            version=change.version,
            content=there.content if change.content is None else change.content,
            mentions=there.mentions if change.content is None else change.mentions,
            edited_at=change.edited_at or there.edited_at,
            deleted_at=change.deleted_at or there.deleted_at,
            reactions=there.reactions if change.reactions is None else change.reactions or None,
            pinned_at=there.pinned_at if pin is None else pin.at,
            pinned_by=there.pinned_by if pin is None else pin.by,
        )
        self.states[seq] = state
        self.bytes += weigh_message(state) - weigh_message(there)
        self._index(state)
        self.changed_seqs.add(seq)
        self.newest_change = max(self.newest_change, change.version)
        return STORED

    def forget_oldest(self, count: int) -> None:
        """Forget the oldest messages, and everything that led to them."""
        gone = self.seqs[:count]
        for seq in gone:
            message = self.states.pop(seq)
            self.bytes -= weigh_message(message)
            if message.id is not None:
                del self.posted[message.sender_id, message.id]
            self._unindex(message)
            self.first_bodies.pop(seq, None)
        del self.seqs[:count]
        if not self.changed_seqs.isdisjoint(gone):
            self.changed_seqs.difference_update(gone)
            self.newest_change = max((self.states[seq].version for seq in self.changed_seqs), default=0)

    def evict(self, count: int) -> None:
        """Forget at least one of the oldest messages for lack of space: somebody may still want them."""
        self.evicted = self.seqs[count - 1]
        self.forget_oldest(count)

    def evict_down_to(self, weight: int) -> None:
        """Forget the oldest messages until the others weigh no more than this."""
        left, count = self.bytes, 0
        while left > weight and count < len(self.seqs):
            left -= weigh_message(self.states[self.seqs[count]])
            count += 1
        if count:
            self.evict(count)

    def _index(self, message: Message) -> None:
        for name in set(message.mentions):
            insort(self.mentioned.setdefault(name, []), message.seq)

    def _unindex(self, message: Message) -> None:
        for name in set(message.mentions):
            seqs = self.mentioned[name]
            del seqs[bisect_left(seqs, message.seq)]
            if not seqs:
                del self.mentioned[name]

    # --- reads -----------------------------------------------------------------------------------------------------

    def first_body(self, seq: int) -> int:
        """The hash of what the message at ``seq`` said first."""
        kept = self.first_bodies.get(seq)
        return body_hash(self.states[seq].content) if kept is None else kept

    def told(self, message: Message, room: str, *, whole: bool = False) -> Message:
        """The message as it is read: under the room's present name, its quote filled in, blank when it was deleted.

        Args:
            message: a state of this log.
            room: messages keep the name that they were written under; the reader knows the room by this one.
            whole: with what a deleted message held.
        """
        if message.deleted_at is not None and not whole:
            return replace(
                message,
                room=room,
                content="",
                reply_to=None,
                mentions=(),
                reactions=None,
                pinned_at=None,
                pinned_by=None,
            )
        if message.reply_to is not None:
            return replace(message, room=room, reply_to=self._quote(message.reply_to.seq))
        return message if message.room == room else replace(message, room=room)

    def _quote(self, seq: int) -> Quote:
        quoted = self.states.get(seq)
        return Quote(seq) if quoted is None else quote(quoted)

    def between(self, after: int | None, before: int | None) -> range:
        """The places in ``seqs`` of those above ``after`` and below ``before``."""
        first = 0 if after is None else bisect_right(self.seqs, after)
        return range(first, len(self.seqs) if before is None else max(first, bisect_left(self.seqs, before)))

    def changed(self, after: int, until: int) -> list[Message]:
        """States with a version above ``after`` of messages up to ``until``, in order of version."""
        new = self.seqs[bisect_right(self.seqs, after) : bisect_right(self.seqs, until)]
        if not self.changed_seqs:
            return [self.states[seq] for seq in new]
        seqs = {*new, *(seq for seq in self.changed_seqs if seq <= until)}
        states = [self.states[seq] for seq in seqs]
        return sorted((state for state in states if state.version > after), key=attrgetter("version"))

    def newest_first(self, before: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
        """The places (seq, room_id) below ``before`` in this order, the largest first.

        Each is looked up when it is asked for: messages may come and go meanwhile.
        """
        seqs, room_id = self.seqs, self.record.room_id
        if before is None:
            place = len(seqs)
        else:
            place = bisect_right(seqs, before[0]) if room_id < before[1] else bisect_left(seqs, before[0])
        while place:
            seq = seqs[place - 1]
            yield seq, room_id
            place = bisect_left(seqs, seq)

    def check_complete(self, after: int) -> None:
        """Make sure that no message above ``after`` was evicted. Raises Forgotten."""
        if self.evicted > after:
            raise Forgotten

    def is_listed(self) -> bool:
        """Whether anybody may find the room in a list."""
        kind = self.record.kind
        return kind == "public" or (kind == "ephemeral" and self.is_alive())

    def is_alive(self) -> bool:
        """Whether there is a message that is not deleted."""
        return any(self.states[seq].deleted_at is None for seq in reversed(self.seqs))

    def unread(self, user: User, seq: int, limit: int) -> Unread:
        """See `storage.ports.storage.Storage.unread`."""
        mine, states = user.id, self.states

        def count(seqs: list[int]) -> int:
            above: Iterator[int] = islice(seqs, bisect_right(seqs, seq), None)
            counting = (None for at in above if states[at].deleted_at is None and states[at].sender_id != mine)
            return sum(1 for _ in islice(counting, limit))

        return Unread(count(self.seqs), count(self.mentioned.get(fold_name(user.name), [])))
