"""The newest messages of a room, kept to serve resumes and to recognise resent messages."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from sys import getsizeof

from msgspec.structs import replace

from model.message import Message, Quote, quote

# A tail is also bounded by its bytes in memory, so that a room of very long messages costs no more than a few others.
TAIL_BYTES = 1 << 20
# Bytes that a state takes besides its content: the record, its times and ids; and those of a user in a reaction.
_STATE_BYTES = 500
_REACTOR_BYTES = 8


def kept_bytes(state: Message) -> int:
    """Return the bytes of memory that a state takes; Python keeps four a character if one character needs them."""
    size = getsizeof(state.content) + _STATE_BYTES
    if state.reactions is not None:
        size += sum(_STATE_BYTES + _REACTOR_BYTES * len(people) for people in state.reactions.values())
    return size


def with_quotes(states: Iterable[Message], newest: Callable[[int], Message | None]) -> list[Message]:
    """Return the states, with the quotes in replies updated to the ``newest`` states of the quoted messages."""
    return [
        replace(state, reply_to=quote(quoted))
        if state.reply_to is not None and (quoted := newest(state.reply_to.seq)) is not None
        else state
        for state in states
    ]


class TailBudget:
    """The memory that all tails of a server use together.

    Args:
        limit: bytes; above it ``exceeded`` is called, which should evict the excess.

    Attributes:
        share: the bytes that one tail may use while all together exceed the limit.
        used: the bytes that they use now.
    """

    __slots__ = ("_mark", "exceeded", "limit", "share", "used")

    def __init__(self, limit: int, exceeded: Callable[[], None] | None = None) -> None:
        self.limit = limit
        self.exceeded = exceeded
        self.share = TAIL_BYTES
        self.used = 0
        self._mark = limit

    def check(self) -> None:
        """Call ``exceeded`` when the limit is exceeded."""
        if self.used > self._mark and self.exceeded is not None:
            self.exceeded()
            # Unconfirmed writes are kept: with many of them, another call right away would find nothing to evict.
            self._mark = max(self.limit, self.used + self.limit // 8)


class Tail:
    """States of messages in order of version; every state with a version above ``floor`` is here.

    A changed message is here in each of its states, of which the last counts. A tail is bounded by ``limit`` states and
    `TAIL_BYTES`, and all tails together by their ``budget``. Unconfirmed writes are never evicted, because they exist
    nowhere else; the queue to storage bounds them.

    Args:
        limit: the states to keep.
        floor: the room's head when the tail begins.
        budget: the budget of all tails.

    Attributes:
        forgotten: the version of the newest evicted change. If it is not above the head at the start of a read from
            storage, that read missed no change except those that are still here.
    """

    __slots__ = ("_budget", "_by_id", "_bytes", "_limit", "_messages", "_readers", "floor", "forgotten")

    def __init__(self, limit: int, floor: int, budget: TailBudget) -> None:
        self._limit = limit
        self.floor = floor
        self.forgotten = 0
        self._messages: deque[Message] = deque()
        self._by_id: dict[tuple[str, str], Message] = {}  # as first sent
        self._bytes = 0
        self._budget = budget
        self._readers: dict[int, dict[int, Message]] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def append(self, message: Message, unconfirmed: int) -> None:
        """Add the newest message; the ``unconfirmed`` states before it must stay."""
        self._messages.append(message)
        self._count(kept_bytes(message))
        if message.id is not None:
            self._by_id[message.sender_id, message.id] = message
        if self._bytes > TAIL_BYTES or len(self._messages) > self._limit:
            self.trim(unconfirmed + 1)
        self._budget.check()

    def change(self, state: Message, unconfirmed: int) -> None:
        """Add the new state of a message; ``unconfirmed`` as in :meth:`append`."""
        (state,) = self.with_quotes([state])
        self._messages.append(state)
        for missed in self._readers.values():
            missed[state.seq] = state
        self._count(kept_bytes(state))
        self.trim(unconfirmed + 1)
        self._budget.check()

    def _count(self, size: int) -> None:
        self._bytes += size
        self._budget.used += size

    def trim(self, keep: int) -> None:
        """Evict the oldest states until the bounds hold, but not the newest ``keep``."""
        messages, budget = self._messages, self._budget
        most = TAIL_BYTES if budget.used <= budget.limit else min(TAIL_BYTES, budget.share)
        while (len(messages) > self._limit or self._bytes > most) and len(messages) > keep:
            self._evict()

    def close(self) -> None:
        """Stop counting this tail in the budget: its room is unloaded or deleted."""
        self._budget.used -= self._bytes
        self._budget = TailBudget(1 << 62)

    def forget(self, before: int, keep: int) -> None:
        """Evict the states older than ``before``, but not the newest ``keep``."""
        messages = self._messages
        while len(messages) > keep and messages[0].version < before:
            self._evict()

    def _evict(self) -> None:
        oldest = self._messages.popleft()
        self.floor = oldest.version
        self._count(-kept_bytes(oldest))
        if oldest.version != oldest.seq:
            self.forgotten = oldest.version
        elif oldest.id is not None:
            del self._by_id[oldest.sender_id, oldest.id]

    def remove(self, message: Message) -> None:
        """Remove all states of a retracted message."""
        self._drop([state for state in self._messages if state.seq == message.seq])
        if message.id is not None:
            del self._by_id[message.sender_id, message.id]
        for place, state in enumerate(self._messages):
            if state.reply_to is not None and state.reply_to.seq == message.seq:
                self._messages[place] = replace(state, reply_to=Quote(message.seq))

    def undo(self, version: int) -> bool:
        """Remove one change of a message. Returns whether it was here; False once the message itself was removed."""
        states = [state for state in self._messages if state.version == version]
        self._drop(states)
        return bool(states)

    def _drop(self, states: list[Message]) -> None:
        for state in states:
            self._messages.remove(state)
            self._count(-kept_bytes(state))

    def posted(self, sender_id: str, id: str) -> Message | None:
        """Return the message that this principal sent with this id, as first sent, if it is still here."""
        return self._by_id.get((sender_id, id))

    def state(self, seq: int) -> Message | None:
        """Return the newest state of the message at ``seq``, if it is still here."""
        return next((state for state in reversed(self._messages) if state.seq == seq), None)

    def newest_states(self) -> Iterable[Message]:
        """Return the newest state of every message that is here."""
        return {state.seq: state for state in self._messages}.values()

    def with_quotes(self, states: Sequence[Message]) -> list[Message]:
        """Return the states, with the quotes in replies updated to the newest states of the quoted messages here.

        A quote dates from when the reply was sent, changed or read. Later changes of the quoted message stay in the
        tail at least as long as that state of the reply.
        """
        return with_quotes(states, self.state)

    @contextmanager
    def reading(self, unconfirmed: int) -> Iterator[dict[int, Message]]:
        """Collect the changes that a read from storage may miss, by seq: those ``unconfirmed``, and all until it ends.

        They may be evicted before the read ends.
        """
        missed: dict[int, Message] = {}
        for state in islice(reversed(self._messages), unconfirmed):
            if state.version != state.seq:
                missed.setdefault(state.seq, state)
        self._readers[id(missed)] = missed
        try:
            yield missed
        finally:
            del self._readers[id(missed)]

    def changes(self) -> dict[int, Message]:
        """Return the newest states of the changed messages, by seq."""
        return {state.seq: state for state in self._messages if state.version != state.seq}

    def few_since(self, version: int, most: int) -> list[Message] | None:
        """Return the same as :meth:`since`; None if some of it was evicted, or it is more than ``most`` states."""
        messages = self._messages
        if version < self.floor or (len(messages) > most and messages[-most - 1].version > version):
            return None
        return self.since(version) if messages and messages[-1].version > version else []

    def since(self, version: int) -> list[Message]:
        """Return the newest states with a version above ``version``, one of each message, in order of version."""
        found: dict[int, Message] = {}
        for state in reversed(self._messages):
            if state.version <= version:
                break
            found.setdefault(state.seq, state)
        return self.with_quotes(list(found.values())[::-1])
