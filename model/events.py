"""Events: what the server says. Each is the native protocol's frame, field for field, and every dialect's source."""

from __future__ import annotations

from msgspec import Struct

from model.limits import Limits
from model.message import Message
from model.room import User


class Event(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type"):
    """Any event. Fields that are None are left out of the frame."""


class Answer(Event, frozen=True, gc=False, kw_only=True):
    """An event that may answer a command: ``id`` is the command's own."""

    id: str | None = None


class Welcome(Answer, frozen=True, gc=False, tag="welcome"):
    """First on every connection, and the answer to ``hello``.

    ``token`` makes the same principal again when presented in ``hello`` (on any later connection); ``epoch`` changes
    when what was broadcast may have been lost; ``heartbeat`` is the seconds between the server's pings.
    """

    session: str
    user: User
    guest: bool
    token: str
    epoch: str
    limits: Limits
    heartbeat: float
    server: str = ""


class Joined(Answer, frozen=True, gc=False, tag="joined"):
    """The answer to ``join``: a full snapshot. ``head`` is the largest seq or version of the room, 0 in an empty one.

    ``recovered`` says whether everything since ``since`` follows (then ``synced``); if not, load ``history``.
    ``members`` holds at most 200 people, ``count`` all of them.
    """

    room: str
    epoch: str
    head: int
    recovered: bool
    role: str
    members: list[User]
    count: int


class Left(Answer, frozen=True, gc=False, tag="left"):
    """The answer to ``leave``."""

    room: str


class Synced(Event, frozen=True, gc=False, tag="synced"):
    """After a resume: every message state missed has been sent, what follows is live. ``head`` as in ``joined``."""

    room: str
    head: int


class Retracted(Event, frozen=True, gc=False, tag="retracted"):
    """A message that was shown could not be stored (or was a duplicate): take it away. ``sender`` is its author."""

    room: str
    seq: int
    sender: str


class Edited(Event, frozen=True, gc=False, tag="edited"):
    """A message has other content now. Ignore it if a version at least as new is known. ``sender`` is the author."""

    room: str
    seq: int
    version: int
    sender: str
    content: str
    edited_at: str


class Deleted(Event, frozen=True, gc=False, tag="deleted"):
    """A message was deleted: it keeps its place, without its content. ``sender`` is the author."""

    room: str
    seq: int
    version: int
    sender: str
    deleted_at: str


class AckItem(Struct, frozen=True, gc=False):
    """One stored message, or change of one, of the receiver: its ``id``, its room, the seq the message has for good."""

    id: str
    room: str
    seq: int


class Ack(Event, frozen=True, gc=False, tag="ack"):
    """The author's messages and changes that are now durable in the configured storage."""

    ids: list[AckItem]


class HistoryPage(Answer, frozen=True, gc=False, tag="history"):
    """The answer to ``history``: messages oldest first, and whether there are more on either side."""

    room: str
    messages: list[Message]
    has_older: bool
    has_newer: bool


class Presence(Event, frozen=True, gc=False, tag="presence"):
    """Who came and went since the last one; at most one a second and room, none in rooms of more than 200 people."""

    room: str
    count: int
    joined: list[User] = []
    left: list[User] = []


class Pong(Answer, frozen=True, gc=False, tag="pong"):
    """The answer to ``ping``."""

    timestamp: str


class Error(Answer, frozen=True, gc=False, tag="error"):
    """A refusal: ``code`` and whether it is ``retryable`` from the table of errors, ``retry_after`` in seconds."""

    code: str
    message: str
    retryable: bool
    field: str | None = None
    room: str | None = None
    retry_after: float | None = None


class Goodbye(Event, frozen=True, gc=False, tag="goodbye"):
    """The server is about to close: reconnect after ``reconnect_after`` seconds (each client is told another value)."""

    reason: str
    reconnect_after: float


class Entered(Struct, frozen=True, gc=False):
    """A principal's first session came into a room. Not a native frame (that is ``presence``); dialects render it."""

    room: str
    user: User


class Exited(Struct, frozen=True, gc=False):
    """A principal's last session left a room. Not a native frame (that is ``presence``); dialects render it."""

    room: str
    user: User


NativeEvent = (
    Welcome
    | Joined
    | Left
    | Message
    | Edited
    | Deleted
    | Synced
    | Retracted
    | Ack
    | HistoryPage
    | Presence
    | Pong
    | Error
    | Goodbye
)
AnyEvent = NativeEvent | Entered | Exited
