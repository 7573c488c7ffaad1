"""Events: what the server says. Each is the native protocol's frame, field for field, and every dialect's source."""

from __future__ import annotations

from msgspec import Struct

from model.limits import Limits
from model.message import Message
from model.permissions import Standing
from model.room import Role, RoomKind, User


class Event(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type"):
    """Any event. Fields that are None are left out of the frame."""


class Answer(Event, frozen=True, gc=False, kw_only=True):
    """An event that may answer a command: ``id`` is the command's own."""

    id: str | None = None


class RoomInfo(Struct, frozen=True, omit_defaults=True, gc=False):
    """What everybody in a room may know of it. ``slow_mode`` in seconds; ``retention_days`` 0 for the server's rule."""

    kind: RoomKind
    title: str = ""
    topic: str = ""
    password: bool = False
    slow_mode: int = 0
    retention_days: int = 0


class RoomEntry(RoomInfo, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """A line of a list of rooms. ``members`` counts all who belong to it, ``online`` those who are in it now.

    Of one's own rooms also ``role``, ``read`` (the seq up to which one has read), ``unread`` and ``mentions`` (exact up
    to 99; 100 stands for more), and in a direct room ``peer``, the other person.
    """

    room: str
    members: int = 0
    online: int = 0
    role: Standing | None = None
    read: int = 0
    unread: int = 0
    mentions: int = 0
    peer: User | None = None


class MemberInfo(Struct, frozen=True, omit_defaults=True, gc=False):
    """A person in a room. ``online`` in it now, with however many devices; ``seen_at`` when they last were.

    ``read`` is the last message they have read, in rooms of at most 50 members. It and ``seen_at`` are told to those
    who belong to the room, ``reason`` to its moderators and the one it is about. A mute or ban without an end
    (``muted_until``, ``banned_until``) has the year 9999. ``invited_at``
    and ``invited_by`` are those of an invitation that is open.
    """

    id: str
    name: str
    role: Role | None = None
    online: bool = False
    seen_at: str | None = None
    read: int = 0
    muted_until: str | None = None
    banned_until: str | None = None
    reason: str = ""
    invited_at: str | None = None
    invited_by: User | None = None


class InvitationInfo(Struct, frozen=True, omit_defaults=True, gc=False):
    """An open invitation of one's own: to which room, by whom, and when it was made."""

    room: str
    info: RoomInfo
    by: User
    at: str


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
    ``members`` holds at most 200 of the people who are here, ``count`` is all of them. ``role`` is what one is here,
    ``read`` the last message that one has read, where that is known.
    """

    room: str
    epoch: str
    head: int
    recovered: bool
    role: Standing
    members: list[User]
    count: int
    info: RoomInfo
    read: int = 0
    peer: User | None = None


class Left(Answer, frozen=True, gc=False, tag="left"):
    """The session is in this room no more: the answer to ``leave``, or for a ``reason``.

    ``kicked``, ``banned``, ``deleted``, ``quit`` (on another device), ``identity`` (it speaks for somebody else now,
    who has to join), ``closed`` (nothing was ever said there and nobody else came, and others needed the space),
    ``name`` (a guest, when somebody came who has a role here and a name like theirs).

    ``by`` is who did it, ``text`` what they said of it.
    """

    room: str
    reason: str = ""
    by: User | None = None
    text: str = ""


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
    mentions: tuple[str, ...] = ()


class Deleted(Event, frozen=True, gc=False, tag="deleted"):
    """A message was deleted: it keeps its place, and nothing that it held. ``sender`` is the author."""

    room: str
    seq: int
    version: int
    sender: str
    deleted_at: str


class Reaction(Event, frozen=True, gc=False, tag="reaction"):
    """Somebody put an emoji to a message (``on``), or took theirs away; ``count`` people have it there now."""

    room: str
    seq: int
    version: int
    user: User
    emoji: str
    on: bool
    count: int


class Pinned(Event, frozen=True, gc=False, tag="pinned"):
    """A message was pinned (``on``), or is not any more. ``pinned_at`` only when it is."""

    room: str
    seq: int
    version: int
    on: bool
    by: User
    pinned_at: str | None = None


class Typing(Event, frozen=True, gc=False, tag="typing"):
    """Somebody is writing; forget it after ``expires`` seconds, or when a message of theirs comes."""

    room: str
    user: User
    expires: float


class Read(Event, frozen=True, gc=False, tag="read"):
    """Somebody has read up to ``seq``: told in rooms of at most 50 members, and to one's own other devices everywhere.

    Those are also told what is left ``unread``, and how many ``mentions`` are among it.
    """

    room: str
    user: User
    seq: int
    unread: int | None = None
    mentions: int | None = None


class RoomState(Answer, frozen=True, gc=False, tag="room"):
    """What a room is now. ``action`` is the command that made it so.

    ``create_room`` and ``direct`` are answered with it; ``update_room`` is told to all who are in the room, ``direct``
    to the other person, and an admin's ``invite``, which needs no consent, to the new member.

    ``role`` is the receiver's, where only they are told; ``by`` who gave the command, where others are told.
    """

    room: str
    action: str
    info: RoomInfo
    role: Standing | None = None
    peer: User | None = None
    by: User | None = None


class InvitationState(Answer, frozen=True, gc=False, tag="invitation"):
    """An invitation of one's own was made (``open``), or is not there any more: told to every session of the user.

    ``info``, ``by`` and ``at`` as in `InvitationInfo`, of an open one. ``decline`` is answered with it.
    """

    room: str
    open: bool
    info: RoomInfo | None = None
    by: User | None = None
    at: str | None = None


class Rooms(Answer, frozen=True, gc=False, tag="rooms"):
    """The answer to ``rooms``; ``cursor`` is what to give for more. Of one's own also the open ``invitations``."""

    rooms: list[RoomEntry]
    cursor: str | None = None
    invitations: list[InvitationInfo] = []


class Members(Answer, frozen=True, gc=False, tag="members"):
    """The answer to ``members``: ``count`` in all; ``cursor`` is what to give for more."""

    room: str
    members: list[MemberInfo]
    count: int
    cursor: str | None = None


class MemberChanged(Answer, frozen=True, gc=False, tag="member"):
    """What somebody is in a room has changed: ``action`` is the command that did it, ``by`` who gave it.

    Told to everybody there without ``reason``; then, where there is one, to moderators and the one it is about with it.
    """

    room: str
    action: str
    member: MemberInfo
    by: User


class SearchPage(Answer, frozen=True, gc=False, tag="search"):
    """The answer to ``search``: messages newest first; ``cursor`` is what to give for older ones."""

    messages: list[Message]
    has_older: bool
    cursor: str | None = None


class Announcement(Answer, frozen=True, gc=False, tag="announcement"):
    """An admin tells everybody something. It is not stored."""

    content: str
    sender: User
    timestamp: str


class AckItem(Struct, frozen=True, gc=False):
    """One stored message, or change, of the receiver: its ``id``, its room, the seq the message has for good.

    For a change of the room or of a member, ``seq`` is where the room's log stood.
    """

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
    """Who came and went since the last one; at most one a second and room, in rooms of more than 200 people the count.

    With ``all`` those in ``joined`` are all who are here: there was too much coming and going to be told.
    """

    room: str
    count: int
    joined: list[User] = []
    left: list[User] = []
    all: bool = False


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
    | Reaction
    | Pinned
    | Typing
    | Read
    | Synced
    | Retracted
    | Ack
    | HistoryPage
    | SearchPage
    | Presence
    | RoomState
    | InvitationState
    | Rooms
    | Members
    | MemberChanged
    | Announcement
    | Pong
    | Error
    | Goodbye
)
AnyEvent = NativeEvent | Entered | Exited
