"""One room in memory: its record, and its messages by seq, by their authors' ids, and by mentioned name."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Container, Iterator
from itertools import islice, takewhile
from operator import attrgetter

from msgspec.structs import replace

from model.message import Message, Quote, body_hash, quote, tombstone
from model.room import RoomRecord, User
from model.text import fold_name
from storage.memory.weights import weigh_message, weigh_room
from storage.ports.errors import Forgotten
from storage.ports.messages import ChangeMessage, Unread
from storage.ports.storage import STORED, Duplicate, Outcome, Refused


class Log:
    """A room and its messages. Deleted messages keep their content, which is :meth:`shown` only to permitted readers.

    Attributes:
        record: the room.
        folded: its name and title as a search for rooms compares them.
        states: the messages by seq.
        seqs: their seqs, in order.
        posted: the seqs by (sender_id, id).
        changed_seqs: the seqs of changed messages.
        newest_change: the largest version of those.
        first_bodies: hashes of first bodies, of edited messages only: hashing takes longer than everything else here.
        mentioned: the seqs, in order, by mentioned name.
        to_erase: the seqs of deleted messages with content, in the order in which they were deleted.
        bytes: weight of the messages (`storage.memory.weights`).
        frame: weight of the room itself.
        counted: weight of both when last counted (`storage.memory.logs.Logs.weigh`).
    """

    __slots__ = (
        "_evicted",
        "bytes",
        "changed_seqs",
        "counted",
        "first_bodies",
        "folded",
        "frame",
        "mentioned",
        "newest_change",
        "posted",
        "record",
        "seqs",
        "states",
        "to_erase",
    )

    def __init__(self, record: RoomRecord) -> None:
        self.describe(record)
        self.states: dict[int, Message] = {}
        self.seqs: list[int] = []
        self.posted: dict[tuple[str, str], int] = {}
        self.changed_seqs: set[int] = set()
        self.bytes = self.counted = 0
        self.first_bodies: dict[int, int] = {}
        self.newest_change = 0
        self.mentioned: dict[str, list[int]] = {}
        self.to_erase: dict[int, None] = {}
        self._evicted = 0  # the largest seq that was evicted

    def describe(self, record: RoomRecord) -> None:
        """Replace the room's record."""
        self.record = record
        self.folded = (fold_name(record.name), fold_name(record.title))
        self.frame = weigh_room(record)

    @property
    def head(self) -> int:
        """The largest seq or version, 0 without messages."""
        return max(self.seqs[-1] if self.seqs else 0, self.newest_change)

    # --- writes ----------------------------------------------------------------------------------------------------

    def insert(self, message: Message) -> Outcome:
        """Carry out an `InsertMessage`."""
        seq, key = message.seq, (message.sender_id, message.id or "")
        there = self.states.get(seq)
        if there is not None and (there.sender_id, there.id, self.first_body(seq)) == (
            message.sender_id,
            message.id,
            body_hash(message),
        ):
            return STORED
        if message.id is not None:
            earlier = self.posted.get(key)
            if earlier is not None and earlier != seq:
                return Duplicate(earlier, self.first_body(earlier) == body_hash(message))
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

    def change(self, change: ChangeMessage) -> Outcome:
        """Carry out a `ChangeMessage`."""
        seq = change.seq
        there = self.states.get(seq)
        if there is None:
            return Refused(f"there is no message at seq {seq} of room {self.record.room_id}")
        if change.version <= there.version:
            return STORED  # an older change, or a repeated one
        if change.first_body is not None:
            self.first_bodies.setdefault(seq, change.first_body)
        self._unindex(there)
        if change.forget_id and there.id is not None:
            del self.posted[there.sender_id, there.id]
        pin = change.pin
        state = replace(
            there,
            version=change.version,
            sender=change.sender or there.sender,
            id=None if change.forget_id else there.id,
            content=there.content if change.content is None else change.content,
            mentions=there.mentions if change.content is None else change.mentions,
            edited_at=change.edited_at or there.edited_at,
            deleted_at=change.deleted_at or there.deleted_at,
            reactions=there.reactions if change.reactions is None else change.reactions or None,
            pinned_at=there.pinned_at if pin is None else pin.at,
            pinned_by=there.pinned_by if pin is None else pin.by,
            alias_of=change.alias_of or there.alias_of,
        )
        self.states[seq] = state
        self.bytes += weigh_message(state) - weigh_message(there)
        self._index(state)
        if state.deleted_at is None or not state.content:
            self.to_erase.pop(seq, None)
        else:
            self.to_erase.setdefault(seq)
        self.changed_seqs.add(seq)
        self.newest_change = max(self.newest_change, change.version)
        return STORED

    def forget_oldest(self, count: int) -> None:
        """Forget the ``count`` oldest messages, with all their index entries."""
        gone = self.seqs[:count]
        for seq in gone:
            message = self.states.pop(seq)
            self.bytes -= weigh_message(message)
            if message.id is not None:
                del self.posted[message.sender_id, message.id]
            self._unindex(message)
            self.first_bodies.pop(seq, None)
            self.to_erase.pop(seq, None)
        del self.seqs[:count]
        if not self.changed_seqs.isdisjoint(gone):
            self.changed_seqs.difference_update(gone)
            self.newest_change = max((self.states[seq].version for seq in self.changed_seqs), default=0)

    def erase_deleted(self, until: str, limit: int) -> int:
        """Erase up to ``limit`` messages that were deleted before ``until``. Returns how many were erased."""
        due = list(islice(takewhile(lambda seq: self._deleted_before(seq, until), self.to_erase), max(limit, 0)))
        for seq in due:
            there = self.states[seq]
            assert there.deleted_at is not None
            self._unindex(there)
            if there.id is not None:
                del self.posted[there.sender_id, there.id]
            state = self.states[seq] = replace(tombstone(there, there.version, there.deleted_at), id=None)
            self.bytes += weigh_message(state) - weigh_message(there)
            self.first_bodies.pop(seq, None)
            del self.to_erase[seq]
        return len(due)

    def _deleted_before(self, seq: int, until: str) -> bool:
        deleted_at = self.states[seq].deleted_at
        return deleted_at is not None and deleted_at < until

    def evict(self, count: int) -> None:
        """Forget ``count`` (one or more) of the oldest messages for lack of space, although a reader may need them."""
        self._evicted = self.seqs[count - 1]
        self.forget_oldest(count)

    def evict_down_to(self, weight: int) -> None:
        """Evict the oldest messages until the rest weigh no more than this."""
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
        """Return the hash of the first body of the message at ``seq``."""
        kept = self.first_bodies.get(seq)
        return body_hash(self.states[seq]) if kept is None else kept

    def shown(self, message: Message, room: str, *, whole: bool = False) -> Message:
        """Return a state of this log for a reader: with its quote, and empty if it was deleted.

        Args:
            message: the state.
            room: the room's current name; a stored message has the name as of its write.
            whole: include the content of a deleted message.
        """
        if message.deleted_at is not None and not whole:
            return replace(tombstone(message, message.version, message.deleted_at), room=room)
        if message.reply_to is not None:
            quoted = self.states.get(message.reply_to.seq)
            return replace(
                message, room=room, reply_to=Quote(message.reply_to.seq) if quoted is None else quote(quoted)
            )
        return message if message.room == room else replace(message, room=room)

    def between(self, above: int, below: int) -> range:
        """Return the places in ``seqs`` of the seqs between two others."""
        first = bisect_right(self.seqs, above)
        return range(first, max(first, bisect_left(self.seqs, below)))

    def changed(self, after: int, until: int) -> list[Message]:
        """Return states with a version above ``after`` of messages up to ``until``, by version.

        Raises:
            Forgotten: a message above ``after`` was evicted.
        """
        if self._evicted > after:
            raise Forgotten
        new = self.seqs[bisect_right(self.seqs, after) : bisect_right(self.seqs, until)]
        if not self.changed_seqs:
            return [self.states[seq] for seq in new]
        states = [self.states[seq] for seq in {*new, *(seq for seq in self.changed_seqs if seq <= until)}]
        return sorted((state for state in states if state.version > after), key=attrgetter("version"))

    def newest_first(self, before: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
        """Iterate over the (seq, room_id) below ``before``, the largest first.

        Each position is looked up when it is requested: messages may be added and removed in between.
        """
        seqs, room_id = self.seqs, self.record.room_id
        place = len(seqs) if before is None else bisect_left(seqs, before, key=lambda seq: (seq, room_id))
        while place:
            seq = seqs[place - 1]
            yield seq, room_id
            place = bisect_left(seqs, seq)

    def is_listed(self) -> bool:
        """Whether the room is in the list of rooms: public, or ephemeral with a message that is not deleted."""
        if self.record.kind == "ephemeral":
            return any(self.states[seq].deleted_at is None for seq in reversed(self.seqs))
        return self.record.kind == "public"

    def unread(self, user: User, seq: int, limit: int, blocked: Container[str] = ()) -> Unread:
        """Count the unread messages of the user above ``seq``, and the mentions by users who are not ``blocked``."""

        def count(seqs: list[int], but: Container[str]) -> int:
            above = map(self.states.__getitem__, islice(seqs, bisect_right(seqs, seq), None))
            unread = (
                None
                for state in above
                if state.deleted_at is None and state.sender_id != user.id and state.sender_id not in but
            )
            return sum(1 for _ in islice(unread, limit))

        return Unread(count(self.seqs, ()), count(self.mentioned.get(fold_name(user.name), []), blocked))
