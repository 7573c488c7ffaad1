"""What people do, and what came of it: operations, a room's log to hold them against, and the counts of the promises.

There are posts; an edit, a delete or a reaction is another class of `Operation` and a line in `STATES`, and every fault
case has it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

Frame = dict[str, Any]
# Events that carry the whole state of a message; the newer `version` of a `seq` wins.
STATES = {"message"}


class Log:
    """A room as `/history` has it: states by seq."""

    def __init__(self, states: Sequence[Frame]) -> None:
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
        return [seq for seq in log.by_author[author, self.id] if log.states[seq]["content"] == self.content]
