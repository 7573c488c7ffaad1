"""What people do, and what came of it: operations, a room's log to hold them against, and the counts of the promises.

There are posts, edits and deletions; a reaction is another class of `Operation`, and every fault case has it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

Frame = dict[str, Any]


class Log:
    """A room as `/history` has it: states by seq. And what its authors asked to be done to their messages, by id."""

    def __init__(self, states: Sequence[Frame]) -> None:
        self.edits: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.deletions: dict[tuple[str, str], int] = {}
        self.states = {state["seq"]: state for state in states}
        self.by_author: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for state in states:
            if "id" in state:
                self.by_author[state["sender_id"], state["id"]].append(state["seq"])


class Operation(Protocol):
    """Something that a person asks for and that must be answered, once and for good."""

    @property
    def id(self) -> str:
        """The command's id."""

    @property
    def room(self) -> str:
        """Where."""

    def command(self) -> Frame:
        """The frame to send; `resend` is added where it may have been sent before."""

    def shown(self, author: str, frame: Frame) -> bool:
        """Whether this event is the operation, as everybody in the room sees it."""

    def stored(self, author: str, log: Log) -> list[int]:
        """The places in the log where its effect is: none, one, or too many. An ack must have named the one."""


class Post(NamedTuple):
    """A message."""

    id: str
    room: str
    content: str

    def command(self) -> Frame:
        return {"type": "message", "id": self.id, "room": self.room, "content": self.content}

    def shown(self, author: str, frame: Frame) -> bool:
        return frame["type"] == "message" and (frame["sender_id"], frame.get("id")) == (author, self.id)

    def stored(self, author: str, log: Log) -> list[int]:
        contents = [self.content, *log.edits[author, self.id]]
        places = [seq for seq in log.by_author[author, self.id] if log.states[seq]["content"] in contents]
        deleted = log.deletions.get((author, self.id))
        return [deleted] if deleted is not None and not places else places


class Edit(NamedTuple):
    """Another content for one's own message, the post `target` at `seq`. No two edits have the same content."""

    id: str
    room: str
    content: str
    target: str
    seq: int

    def command(self) -> Frame:
        return {"type": "edit", "id": self.id, "room": self.room, "seq": self.seq, "content": self.content}

    def shown(self, author: str, frame: Frame) -> bool:
        return (frame["seq"], frame.get("content")) == (self.seq, self.content)

    def stored(self, author: str, log: Log) -> list[int]:
        """It is what the message says; or one that was asked for later is, or the message was deleted."""
        if self.seq not in log.states:
            return [self.seq] if (author, self.target) in log.deletions else []
        edits = log.edits[author, self.target]
        return [self.seq] if log.states[self.seq]["content"] in edits[edits.index(self.content) :] else []


class Delete(NamedTuple):
    """The end of one's own message, the post `target` at `seq`."""

    id: str
    room: str
    target: str
    seq: int

    def command(self) -> Frame:
        return {"type": "delete", "id": self.id, "room": self.room, "seq": self.seq}

    def shown(self, author: str, frame: Frame) -> bool:
        return frame["seq"] == self.seq and "deleted_at" in frame

    def stored(self, author: str, log: Log) -> list[int]:
        return [] if self.seq in log.states else [self.seq]
