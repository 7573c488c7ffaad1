"""What people do, and what came of it: operations, and a room's log to hold them against.

A new kind of operation is a class of its own here, and something that chooses it: tests/support/load.py, the model.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar

Frame = dict[str, Any]
Register = tuple[int, str, str]
"""The seq of a message, an emoji and a principal: there is a reaction, or there is none."""


class Log:
    """A room as `/history` has it: states by seq. And what people asked for, as each operation notes it.

    Attributes:
        edits: contents by the author and id of the message, in the order in which they were asked for.
        deletions: seqs by the same.
        reactions: by register, what was asked for and not refused; nothing for one that was only refused.
        forgotten: seqs of messages that were known, and were not stored when the server died. After that there was no
            such message; and if the clock was set back, there may be one now.
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
        """How often a reaction is there: once, or not at all."""
        seq, emoji, user = register
        return reactions(self.states[seq]).count((emoji, user))

    def was_gone(self, seq: int) -> bool:
        """Whether there is, or was for a while, no message at a seq that somebody knew of."""
        return seq not in self.states or seq in self.forgotten

    def unasked(self) -> Iterator[Register]:
        """Reactions that nobody ever asked for."""
        for seq, state in self.states.items():
            for emoji, user in reactions(state):
                if (seq, emoji, user) not in self.reactions:
                    yield seq, emoji, user


def reactions(state: Frame) -> list[tuple[str, str]]:
    """The reactions to a message, each an emoji and a principal."""
    return [(emoji, user) for emoji, people in state.get("reactions", {}).items() for user in people]


@dataclass(frozen=True)
class Operation(ABC):
    """Something that a person asks for and that must be answered, once and for good.

    Attributes:
        id: the command's.
        room: where.
        keyed: whether `id` is a key of idempotency. With one it may be sent again whatever was sent behind it: it is
            done once. Without one it is done again, so nothing of its kind may be on its way behind it.
    """

    id: str
    room: str
    keyed: ClassVar[bool] = False

    @property
    def risks(self) -> frozenset[str]:
        """Codes that it may be refused with although all is well, as others have a say in it. They do not count."""
        return frozenset()

    @abstractmethod
    def command(self) -> Frame:
        """The frame to send; `resend` is added where it may have been sent before."""

    def note(self, author: str, log: Log, *, refused: bool) -> None:  # noqa: B027  # not each kind has to
        """Tell the log what was asked for. Everybody's are told, in the order of each one's, before any is looked for.

        Args:
            refused: for good.
        """

    @abstractmethod
    def shown(self, author: str, frame: Frame) -> bool:
        """Whether this event is the operation, as everybody in the room sees it."""

    @abstractmethod
    def stored(self, author: str, log: Log) -> list[int]:
        """The places in the log where its effect is: none, one, or too many. An ack must have named the one."""

    def refusable(self, code: str, log: Log) -> bool:
        """Whether it may have been refused for good with this code, the log being what it is."""
        return False


@dataclass(frozen=True)
class Post(Operation):
    """A message; perhaps a reply to the one at `reply_to`."""

    content: str
    reply_to: int | None = None
    keyed: ClassVar[bool] = True

    @property
    def risks(self) -> frozenset[str]:
        """What it answers may be gone."""
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
        """Storage may refuse a row for itself: each case knows which. What a reply answers must be gone."""
        return code == "not_stored" or (
            code == "no_such_message" and self.reply_to is not None and log.was_gone(self.reply_to)
        )


@dataclass(frozen=True)
class Edit(Operation):
    """Another content for one's own message, the post `target` at `seq`. No two edits have the same content."""

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
        """It is what the message says; or one that was asked for later is, or the message was deleted."""
        if self.seq not in log.states:
            return [self.seq] if (author, self.target) in log.deletions else []
        edits = log.edits[author, self.target]
        return [self.seq] if log.states[self.seq]["content"] in edits[edits.index(self.content) :] else []


@dataclass(frozen=True)
class Delete(Operation):
    """The end of one's own message, the post `target` at `seq`."""

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
    """An emoji to anybody's message at `seq`, or the end of it.

    What one person asks of one register comes one after the other (nobody else can, and `keyed` is not set): so it must
    be as the last acked one says. One that was refused must have done nothing.

    Args:
        old: the server may have to ask storage for the message, and refuses while that is away.
    """

    seq: int
    emoji: str
    on: bool = True
    old: bool = False

    @property
    def risks(self) -> frozenset[str]:
        """The message may have been deleted, or taken back, before or behind it."""
        return frozenset(("no_such_message", "not_stored", *(["unavailable"] * self.old)))

    def command(self) -> Frame:
        off = {} if self.on else {"on": False}
        return {"type": "react", "id": self.id, "room": self.room, "seq": self.seq, "emoji": self.emoji, **off}

    def note(self, author: str, log: Log, *, refused: bool) -> None:
        log.reactions[self.seq, self.emoji, author] += [] if refused else [self]

    def shown(self, author: str, frame: Frame) -> bool:
        """A state of the message would not tell it from an earlier reaction."""
        return (
            frame["type"] == "reaction"
            and (frame["seq"], frame["emoji"], frame["on"]) == (self.seq, self.emoji, self.on)
            and frame["user"]["id"] == author
        )

    def stored(self, author: str, log: Log) -> list[int]:
        """It is as it says, or as one that was asked for later says; or it went with the message, which was deleted."""
        register = (self.seq, self.emoji, author)
        asked = log.reactions[register]
        if self.seq not in log.states:
            return [self.seq] if self in asked and self.seq in log.deletions.values() else []
        times = log.times(register)
        there = times > 0
        if self in asked:
            explained = any(later.on == there for later in asked[asked.index(self) :])
        else:  # refused: is it there all the same, and by nobody else's doing?
            before = asked[-1].on if asked else False
            explained = self.on == there != before
        return [self.seq] * max(times, 1) if explained else []

    def refusable(self, code: str, log: Log) -> bool:
        """The message must be gone."""
        return code in ("no_such_message", "not_stored") and log.was_gone(self.seq)
