"""A room's last messages, kept for resume and for recognising what is sent twice."""

from __future__ import annotations

from collections import deque

from model.message import Message

# A tail is also bounded in size, so that a room of very long messages costs no more than a few ordinary ones.
TAIL_CHARS = 1 << 20


class Tail:
    """Messages in order of version; everything with a version above ``floor`` is here.

    Bounded by ``limit`` messages and `TAIL_CHARS` characters, except for what storage has not answered for: that is
    never evicted, as nobody else has it. The queue to storage bounds that part.

    Args:
        limit: messages to keep.
        floor: the room's head when the tail begins.
    """

    __slots__ = ("_by_id", "_chars", "_limit", "_messages", "floor")

    def __init__(self, limit: int, floor: int) -> None:
        self._limit = limit
        self.floor = floor
        self._messages: deque[Message] = deque()
        self._by_id: dict[tuple[str, str], Message] = {}
        self._chars = 0

    def __len__(self) -> int:
        return len(self._messages)

    def append(self, message: Message, unsettled: int) -> None:
        """Add the newest message; ``unsettled`` of the newest ones (this one not counted) must stay."""
        self._messages.append(message)
        self._chars = chars = self._chars + len(message.content)
        if message.id is not None:
            self._by_id[message.sender_id, message.id] = message
        if chars > TAIL_CHARS or len(self._messages) > self._limit:
            self.trim(unsettled + 1)

    def trim(self, keep: int) -> None:
        """Let go of what is beyond the bounds, but for the newest ``keep``."""
        messages = self._messages
        while (len(messages) > self._limit or self._chars > TAIL_CHARS) and len(messages) > keep:
            oldest = messages.popleft()
            self.floor = oldest.version
            self._chars -= len(oldest.content)
            if oldest.id is not None:
                del self._by_id[oldest.sender_id, oldest.id]

    def remove(self, message: Message) -> None:
        """Take a message out that was retracted."""
        self._messages.remove(message)
        self._chars -= len(message.content)
        if message.id is not None:
            del self._by_id[message.sender_id, message.id]

    def posted(self, sender_id: str, id: str) -> Message | None:
        """The message that this principal sent under this id, if it is still here."""
        return self._by_id.get((sender_id, id))

    def since(self, version: int) -> list[Message]:
        """The messages with a version above ``version``, oldest first."""
        found: list[Message] = []
        for message in reversed(self._messages):
            if message.version <= version:
                break
            found.append(message)
        found.reverse()
        return found
