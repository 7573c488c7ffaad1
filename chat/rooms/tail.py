"""A room's last messages, kept for resume and for recognising what is sent twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from sys import getsizeof

from msgspec.structs import replace

from model.message import Message, Quote, quote

# A tail is also bounded in bytes as kept, so that a room of very long messages costs no more than a few ordinary ones.
TAIL_BYTES = 1 << 20
# What a state takes beside its content: the record, its times and ids; and the place of a person in a reaction.
_STATE_BYTES = 500
_REACTOR_BYTES = 8


def kept_bytes(state: Message) -> int:
    """The memory that a state takes: its content as Python keeps it, four bytes a character where one needs them."""
    size = getsizeof(state.content) + _STATE_BYTES
    if state.reactions is not None:
        size += sum(_STATE_BYTES + _REACTOR_BYTES * len(people) for people in state.reactions.values())
    return size


class TailBudget:
    """What all tails of a server take together.

    Args:
        limit: bytes; beyond them ``exceeded`` is called, which should let go of as many.

    Attributes:
        share: what one tail may take while they take too much together.
        used: bytes now.
    """

    __slots__ = ("_mark", "exceeded", "limit", "share", "used")

    def __init__(self, limit: int, exceeded: Callable[[], None] | None = None) -> None:
        self.limit = limit
        self.exceeded = exceeded
        self.share = TAIL_BYTES
        self.used = 0
        self._mark = limit

    def check(self) -> None:
        """See that the limit is kept."""
        if self.used > self._mark and self.exceeded is not None:
            self.exceeded()
            # What storage has not answered for stays: then looking again at once would find nothing more.
            self._mark = max(self.limit, self.used + self.limit // 8)


class Tail:
    """States of messages in order of version; everything with a version above ``floor`` is here.

    A message that was changed is here in each of its states, and the last one counts. Bounded by ``limit`` states and
    `TAIL_BYTES`, and all tails together by their ``budget``, except for what storage has not answered for: that is
    never evicted, as nobody else has it. The queue to storage bounds that part.

    Args:
        limit: states to keep.
        floor: the room's head when the tail begins.
        budget: of all tails.

    Attributes:
        forgotten: the version of the newest change that was let go of. Whoever reads a message in storage has missed
            nothing that is not here, if it is not above what the head was before.
    """

    __slots__ = ("_budget", "_by_id", "_bytes", "_limit", "_messages", "floor", "forgotten")

    def __init__(self, limit: int, floor: int, budget: TailBudget) -> None:
        self._limit = limit
        self.floor = floor
        self.forgotten = 0
        self._messages: deque[Message] = deque()
        self._by_id: dict[tuple[str, str], Message] = {}  # as they were sent
        self._bytes = 0
        self._budget = budget

    def __len__(self) -> int:
        return len(self._messages)

    def append(self, message: Message, unsettled: int) -> None:
        """Add the newest message; ``unsettled`` of the newest ones (this one not counted) must stay."""
        self._messages.append(message)
        self._count(kept_bytes(message))
        if message.id is not None:
            self._by_id[message.sender_id, message.id] = message
        if self._bytes > TAIL_BYTES or len(self._messages) > self._limit:
            self.trim(unsettled + 1)
        self._budget.check()

    def change(self, state: Message, unsettled: int) -> None:
        """Add the new state of a message; the rest as :meth:`append`."""
        (state,) = self.with_quotes([state])
        self._messages.append(state)
        self._count(kept_bytes(state))
        self.trim(unsettled + 1)
        self._budget.check()

    def _count(self, size: int) -> None:
        self._bytes += size
        self._budget.used += size

    def trim(self, keep: int) -> None:
        """Let go of what is beyond the bounds, but for the newest ``keep``."""
        messages, budget = self._messages, self._budget
        most = TAIL_BYTES if budget.used <= budget.limit else min(TAIL_BYTES, budget.share)
        while (len(messages) > self._limit or self._bytes > most) and len(messages) > keep:
            self._evict()

    def close(self) -> None:
        """The room is forgotten, or deleted: what its tail takes counts no more."""
        self._budget.used -= self._bytes
        self._budget = TailBudget(1 << 62)

    def forget(self, before: int, keep: int) -> None:
        """Let go of what is older than ``before``, but for the newest ``keep``."""
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
        """Take a message out that was retracted, in all its states."""
        self._drop([state for state in self._messages if state.seq == message.seq])
        if message.id is not None:
            del self._by_id[message.sender_id, message.id]
        for place, state in enumerate(self._messages):
            if state.reply_to is not None and state.reply_to.seq == message.seq:
                self._messages[place] = replace(state, reply_to=Quote(message.seq))

    def undo(self, version: int) -> bool:
        """Take one change of a message out. Returns whether it was here: not when the message was removed."""
        states = [state for state in self._messages if state.version == version]
        self._drop(states)
        return bool(states)

    def _drop(self, states: list[Message]) -> None:
        for state in states:
            self._messages.remove(state)
            self._count(-kept_bytes(state))

    def posted(self, sender_id: str, id: str) -> Message | None:
        """The message that this principal sent under this id, as it was sent, if that is still here."""
        return self._by_id.get((sender_id, id))

    def state(self, seq: int) -> Message | None:
        """The state of the message at ``seq``, if it is still here."""
        return next((state for state in reversed(self._messages) if state.seq == seq), None)

    def newest_states(self) -> Iterable[Message]:
        """Every message that is here, in its newest state."""
        return {state.seq: state for state in self._messages}.values()

    def with_quotes(self, states: Sequence[Message]) -> list[Message]:
        """The same states, where a reply quotes the message it answers as that is now, if that is here.

        A quote is of the moment when the reply was sent, changed or read; what was changed since is in the tail for at
        least as long as the reply in that state.
        """
        return [state if state.reply_to is None else self._with_quote(state, state.reply_to) for state in states]

    def _with_quote(self, state: Message, quoted: Quote) -> Message:
        newest = self.state(quoted.seq)
        return state if newest is None else replace(state, reply_to=quote(newest))

    def changes(self) -> dict[int, Message]:
        """The states of the messages that were changed, by seq."""
        return {state.seq: state for state in self._messages if state.version != state.seq}

    def since(self, version: int) -> list[Message]:
        """The states of the messages with a version above ``version``, each message once, in order of version."""
        found: dict[int, Message] = {}
        for state in reversed(self._messages):
            if state.version <= version:
                break
            found.setdefault(state.seq, state)
        return self.with_quotes(list(found.values())[::-1])
