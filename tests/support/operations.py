"""The operations of simulated clients, and the room's log with which to compare them.

A new kind of operation needs a class here, and code that chooses it (tests/support/load.py, the model).
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar

Frame = dict[str, Any]
Register = tuple[int, str, str]
"""The seq of a message, an emoji and a principal: the key of a reaction that is there or not."""


class Log:
    """A room as in `/history`: states by seq. And what clients requested, as each operation records it.

    Attributes:
        edits: contents by the author and id of the message, in the order of the requests.
        deletions: seqs by the same key.
        reactions: by register, the requests that were not refused; nothing for one whose requests were all refused.
        forgotten: seqs of messages that were broadcast, but not stored when the server died. After that they did not
            exist; if the clock was set back, a new message may have the same seq.
    """

    def __init__(self, states: Sequence[Frame], forgotten: Set[int] = frozenset()) -> None:
        self.forgotten = forgotten
        self.edits: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.deletions: dict[tuple[str, str], int] = {}
        self.reactions: defaultdict[Register, list[Reaction]] = defaultdict(list)
        self.states = {state["seq"]: state for state in states}
        self.by_author: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for state in states:
            if "id" in state:
                self.by_author[state["sender_id"], state["id"]].append(state["seq"])

    def times(self, register: Register) -> int:
        """Count a reaction in the log: 1 or 0."""
        seq, emoji, user = register
        return reactions(self.states[seq]).count((emoji, user))

    def was_gone(self, seq: int) -> bool:
        """Whether a message at a known seq does not exist now, or did not for a while."""
        return seq not in self.states or seq in self.forgotten

    def unasked(self) -> Iterator[Register]:
        """Reactions that no client requested."""
        for seq, state in self.states.items():
            for emoji, user in reactions(state):
                if (seq, emoji, user) not in self.reactions:
                    yield seq, emoji, user


def reactions(state: Frame) -> list[tuple[str, str]]:
    """The reactions to a message, each an emoji and a principal."""
    return [(emoji, user) for emoji, people in state.get("reactions", {}).items() for user in people]


@dataclass(frozen=True)
class Operation(ABC):
    """A request of a client that must get a final answer.

    Attributes:
        id: the command's id.
        room: the room's name.
        keyed: whether `id` is an idempotency key. If so, the operation may be resent after later ones: it takes effect
            once. If not, it takes effect again, so no later operation of its kind may be pending.
    """

    id: str
    room: str
    keyed: ClassVar[bool] = False

    @property
    def risks(self) -> frozenset[str]:
        """Codes of refusals that are not counted, because other clients may cause them."""
        return frozenset()

    @abstractmethod
    def command(self) -> Frame:
        """The frame to send; `resend` is added where it may have been sent before."""

    def note(self, author: str, log: Log, *, refused: bool) -> None:  # noqa: B027  # not each kind has to
        """Record the request in the log. All requests are recorded, each client's in order, before any is looked up.

        Args:
            refused: whether it was refused permanently.
        """

    @abstractmethod
    def shown(self, author: str, frame: Frame) -> bool:
        """Whether this event is the broadcast of the operation."""

    @abstractmethod
    def stored(self, author: str, log: Log) -> list[int]:
        """The seqs at which the log has its effect: none, one, or too many. An ack must have named that one."""

    def refusable(self, code: str, log: Log) -> bool:
        """Whether this log justifies a permanent refusal with this code."""
        return False


@dataclass(frozen=True)
class Post(Operation):
    """A message, possibly a reply to the one at `reply_to`."""

    content: str
    reply_to: int | None = None
    keyed: ClassVar[bool] = True

    @property
    def risks(self) -> frozenset[str]:
        """The message that it replies to may be gone."""
        return frozenset() if self.reply_to is None else frozenset(("no_such_message",))

    def command(self) -> Frame:
        answers = {} if self.reply_to is None else {"reply_to": self.reply_to}
        return {"type": "message", "id": self.id, "room": self.room, "content": self.content, **answers}

    def shown(self, author: str, frame: Frame) -> bool:
        return frame["type"] == "message" and (frame["sender_id"], frame.get("id")) == (author, self.id)

    def stored(self, author: str, log: Log) -> list[int]:
        contents = [self.content, *log.edits[author, self.id]]
        places = [
            seq
            for seq in log.by_author[author, self.id]
            if log.states[seq]["content"] in contents
            and log.states[seq].get("reply_to", {}).get("seq") == self.reply_to
        ]
        deleted = log.deletions.get((author, self.id))
        return [deleted] if deleted is not None and not places else places

    def refusable(self, code: str, log: Log) -> bool:
        """Storage may refuse a row: each case knows which. For a reply, the message that it replies to must be gone."""
        return code == "not_stored" or (
            code == "no_such_message" and self.reply_to is not None and log.was_gone(self.reply_to)
        )


@dataclass(frozen=True)
class Edit(Operation):
    """An edit of the client's own message, the post `target` at `seq`. No two edits have the same content."""

    content: str
    target: str
    seq: int

    def command(self) -> Frame:
        return {"type": "edit", "id": self.id, "room": self.room, "seq": self.seq, "content": self.content}

    def note(self, author: str, log: Log, *, refused: bool) -> None:
        log.edits[author, self.target].append(self.content)

    def shown(self, author: str, frame: Frame) -> bool:
        return (frame["seq"], frame.get("content")) == (self.seq, self.content)

    def stored(self, author: str, log: Log) -> list[int]:
        """The message has its content, or that of a later request, or was deleted."""
        if self.seq not in log.states:
            return [self.seq] if (author, self.target) in log.deletions else []
        edits = log.edits[author, self.target]
        return [self.seq] if log.states[self.seq]["content"] in edits[edits.index(self.content) :] else []


@dataclass(frozen=True)
class Delete(Operation):
    """A deletion of the client's own message, the post `target` at `seq`."""

    target: str
    seq: int

    def command(self) -> Frame:
        return {"type": "delete", "id": self.id, "room": self.room, "seq": self.seq}

    def note(self, author: str, log: Log, *, refused: bool) -> None:
        log.deletions[author, self.target] = self.seq

    def shown(self, author: str, frame: Frame) -> bool:
        return frame["seq"] == self.seq and "deleted_at" in frame

    def stored(self, author: str, log: Log) -> list[int]:
        return [] if self.seq in log.states else [self.seq]


@dataclass(frozen=True)
class Reaction(Operation):
    """A reaction to any message at `seq`, or its removal.

    Only one client requests changes of a register, one after another (`keyed` is not set): so its state must be that of
    the last acked request. A refused request must have had no effect.

    Args:
        old: the server may have to read the message from storage, and refuses while that is unavailable.
    """

    seq: int
    emoji: str
    on: bool = True
    old: bool = False

    @property
    def risks(self) -> frozenset[str]:
        """The message may have been deleted or retracted, before or after it."""
        return frozenset(("no_such_message", "not_stored", *(["unavailable"] * self.old)))

    def command(self) -> Frame:
        off = {} if self.on else {"on": False}
        return {"type": "react", "id": self.id, "room": self.room, "seq": self.seq, "emoji": self.emoji, **off}

    def note(self, author: str, log: Log, *, refused: bool) -> None:
        log.reactions[self.seq, self.emoji, author] += [] if refused else [self]

    def shown(self, author: str, frame: Frame) -> bool:
        """A state of the message would not distinguish it from an earlier reaction."""
        return (
            frame["type"] == "reaction"
            and (frame["seq"], frame["emoji"], frame["on"]) == (self.seq, self.emoji, self.on)
            and frame["user"]["id"] == author
        )

    def stored(self, author: str, log: Log) -> list[int]:
        """The reaction is as requested, or as a later request wants it; or the message was deleted."""
        register = (self.seq, self.emoji, author)
        asked = log.reactions[register]
        if self.seq not in log.states:
            return [self.seq] if self in asked and self.seq in log.deletions.values() else []
        times = log.times(register)
        there = times > 0
        if self in asked:
            explained = any(later.on == there for later in asked[asked.index(self) :])
        else:  # refused: is it there nevertheless, and not because of another request?
            before = asked[-1].on if asked else False
            explained = self.on == there != before
        return [self.seq] * max(times, 1) if explained else []

    def refusable(self, code: str, log: Log) -> bool:
        """The message must be gone."""
        return code in ("no_such_message", "not_stored") and log.was_gone(self.seq)
