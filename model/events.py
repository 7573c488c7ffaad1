"""Events: what the server sends. Each is a native frame, field for field; the other dialects are derived from it."""

from collections.abc import Sequence

from msgspec import Struct

from model.limits import Limits
from model.message import Message
from model.permissions import Standing
from model.principals import Mark
from model.room import GuestAccess, Role, RoomKind, User


class Event(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type"):
    """Any event. Fields that are None are omitted from the frame."""


class Answer(Event, frozen=True, gc=False, kw_only=True):
    """An event that may answer a command; ``id`` is the id of that command."""

    id: str | None = None


class RoomEvent(Event, frozen=True, gc=False):
    """Any event about a room."""

    room: str


class MessageEvent(RoomEvent, frozen=True, gc=False):
    """Any change of a message. Ignore it if you have the same or a newer version."""

    seq: int
    version: int


class RoomAnswer(Answer, frozen=True, gc=False):
    """Any event about a room that may answer a command."""

    room: str


class RoomInfo(Struct, frozen=True, omit_defaults=True, gc=False):
    """The public description of a room. ``slow_mode`` in seconds; ``retention_days`` 0 for the server's default.

    ``guests`` is ``read`` if guests may only read here, and ``no`` if they are kept out.
    """

    kind: RoomKind
    title: str = ""
    topic: str = ""
    password: bool = False
    slow_mode: int = 0
    retention_days: int = 0
    guests: GuestAccess | None = None


class RoomEntry(RoomInfo, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """An entry of a list of rooms. ``members`` counts its members, ``online`` the users who are in it now.

    For the caller's own rooms also ``role``, ``read`` (the seq up to which they have read), ``unread`` and ``mentions``
    (exact up to 99; 100 means more), and in a direct room ``peer``, the other user.
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
    """A user in a room. ``kind`` marks guests, users with an id that anyone may claim (``claimed``) and bots; accounts
    have none. ``online`` is whether they are in it now, on any device; ``seen_at`` when they last were.

    ``read`` is the last message they have read, in rooms of at most 50 members. ``read`` and ``seen_at`` are shown to
    members of the room, ``reason`` to moderators and to the user concerned. A mute or ban without an end
    (``muted_until``, ``banned_until``) has the year 9999. ``invited_at`` and ``invited_by`` describe an open
    invitation.
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
    kind: Mark = ""


class InvitationInfo(Struct, frozen=True, omit_defaults=True, gc=False):
    """An open invitation of the caller: the room, the inviting user, and the time."""

    room: str
    info: RoomInfo
    by: User
    at: str


class Welcome(Answer, frozen=True, gc=False, tag="welcome"):
    """The first frame on every connection, and the answer to ``hello``.

    ``token``, sent in ``hello`` on a later connection, restores the same principal. If a guest's is empty, the server
    cannot sign it yet, and sends ``welcome`` again once it can. ``epoch`` changes when broadcast messages may have been
    lost. ``heartbeat`` is the number of seconds between the server's pings.
    """

    session: str
    user: User
    guest: bool
    token: str
    epoch: str
    limits: Limits
    heartbeat: float
    server: str = ""


class Joined(RoomAnswer, frozen=True, gc=False, tag="joined"):
    """The answer to ``join``: a full snapshot. ``head`` is the largest seq or version of the room, 0 in an empty one.

    ``recovered`` says whether everything since ``since`` follows (then ``synced``); if not, load ``history``.
    ``members`` lists at most 200 of the users present, ``count`` counts all of them. ``role`` is your role here,
    ``read`` the last message that you have read, if known.
    """

    epoch: str
    head: int
    recovered: bool
    role: Standing
    members: Sequence[User]
    count: int
    info: RoomInfo
    read: int = 0
    peer: User | None = None


class Left(RoomAnswer, frozen=True, gc=False, tag="left"):
    """The session is no longer in this room: the answer to ``leave``, or for a ``reason``.

    ``kicked``, ``banned``, ``deleted``, ``quit`` (on another device), ``identity`` (the session now acts for another
    principal, who has to join), ``closed`` (a room without messages, closed to make space), ``name`` (a guest
    whose name looks like that of a user who has a role here and has just entered).

    ``by`` is the user who did it, ``text`` the reason they gave.
    """

    reason: str = ""
    by: User | None = None
    text: str = ""


class Synced(RoomEvent, frozen=True, gc=False, tag="synced"):
    """The end of a resume: every missed message has been sent, and live events follow. ``head`` as in ``joined``."""

    head: int


class Retracted(RoomEvent, frozen=True, gc=False, tag="retracted"):
    """A broadcast message could not be stored, or was a duplicate: remove it. ``sender`` is its author."""

    seq: int
    sender: str


class Edited(MessageEvent, frozen=True, gc=False, tag="edited"):
    """A message was edited. Ignore the event if you have the same or a newer version. ``sender`` is the author,
    ``kind`` a mark: ``guest``, ``claimed`` (an id that anyone may claim) or ``bot``; accounts have none.
    """

    sender: str
    content: str
    edited_at: str
    mentions: tuple[str, ...] = ()
    kind: Mark = ""


class Deleted(MessageEvent, frozen=True, gc=False, tag="deleted"):
    """A message was deleted: it keeps its place, without its content. ``sender`` is the author."""

    sender: str
    deleted_at: str


class Reaction(MessageEvent, frozen=True, gc=False, tag="reaction"):
    """A user added an emoji to a message (``on``) or removed it; ``count`` users now have it there."""

    user: User
    emoji: str
    on: bool
    count: int


class Pinned(MessageEvent, frozen=True, gc=False, tag="pinned"):
    """A message was pinned (``on``) or unpinned. ``pinned_at`` only if it is pinned."""

    on: bool
    by: User
    pinned_at: str | None = None


class Adopted(RoomEvent, frozen=True, gc=False, tag="adopted"):
    """A guest has become an account: the messages with the ``sender_id`` ``guest`` in this room, which keep it, get the
    account's name, and its id as ``alias_of``.
    """

    guest: str
    account: User


class Typing(RoomEvent, frozen=True, gc=False, tag="typing"):
    """A user is typing; forget it after ``expires`` seconds, or when a message of theirs arrives."""

    user: User
    expires: float


class Read(RoomEvent, frozen=True, gc=False, tag="read"):
    """A user has read up to ``seq``. Sent in rooms of at most 50 members, and to the user's own devices everywhere.

    The user's own devices also receive the remaining ``unread`` count and the ``mentions`` in it.
    """

    user: User
    seq: int
    unread: int | None = None
    mentions: int | None = None


class RoomState(RoomAnswer, frozen=True, gc=False, tag="room"):
    """The current description of a room. ``action`` is the command that changed it.

    It answers ``create_room`` and ``direct``. For ``update_room`` it is sent to everyone in the room, for ``direct`` to
    the other user, and for an admin's ``invite``, which needs no consent, to the new member.

    ``role`` is the receiver's role, if only they receive it; ``by`` is the user who sent the command, if others do.
    """

    action: str
    info: RoomInfo
    role: Standing | None = None
    peer: User | None = None
    by: User | None = None


class InvitationState(RoomAnswer, frozen=True, gc=False, tag="invitation"):
    """You were invited to a room (``open``), or an invitation has ended; sent to every session of the user.

    ``info``, ``by`` and ``at`` as in `InvitationInfo`, if it is open. Also the answer to ``decline``.
    """

    open: bool
    info: RoomInfo | None = None
    by: User | None = None
    at: str | None = None


class Rooms(Answer, frozen=True, gc=False, tag="rooms"):
    """The answer to ``rooms``; ``cursor`` asks for the next page. With ``mine`` also your open ``invitations``."""

    rooms: list[RoomEntry]
    cursor: str | None = None
    invitations: list[InvitationInfo] = []


class Members(RoomAnswer, frozen=True, gc=False, tag="members"):
    """The answer to ``members``; ``count`` is the total; ``cursor`` asks for the next page."""

    members: list[MemberInfo]
    count: int
    cursor: str | None = None


class MemberChanged(RoomAnswer, frozen=True, gc=False, tag="member"):
    """A user's role or status in a room has changed: ``action`` is the command that did it, ``by`` who sent it.

    Sent to everyone in the room without ``reason``; if there is one, then also with it to moderators and that user.
    """

    action: str
    member: MemberInfo
    by: User


class SearchPage(Answer, frozen=True, gc=False, tag="search"):
    """The answer to ``search``: messages newest first; ``cursor`` asks for older ones."""

    messages: list[Message]
    has_older: bool
    cursor: str | None = None


class Announcement(Answer, frozen=True, gc=False, tag="announcement"):
    """An admin's announcement to every session. It is not stored."""

    content: str
    sender: User
    timestamp: str


class AckItem(Struct, frozen=True, gc=False):
    """A stored message or change by the receiver: its ``id``, its room, and the permanent ``seq`` of the message.

    For a change to the room or to a member, ``seq`` is the head of the room's log.
    """

    id: str
    room: str
    seq: int


class Ack(Event, frozen=True, gc=False, tag="ack"):
    """The receiver's messages and changes that are now stored durably."""

    ids: list[AckItem]


class HistoryPage(RoomAnswer, frozen=True, gc=False, tag="history"):
    """The answer to ``history``: messages oldest first, and whether more exist on either side."""

    messages: list[Message]
    has_older: bool
    has_newer: bool


class Presence(RoomEvent, frozen=True, gc=False, tag="presence"):
    """Users who joined and left since the last one; at most one per second and room. Above 200 users only the count.

    With ``all``, ``joined`` lists everyone present, after too many joins and leaves to list each.
    """

    count: int
    joined: list[User] = []
    left: list[User] = []
    all: bool = False


class Pong(Answer, frozen=True, gc=False, tag="pong"):
    """The answer to ``ping``."""

    timestamp: str


class Error(Answer, frozen=True, gc=False, tag="error"):
    """A refusal: ``code`` and ``retryable`` from the table of errors, ``retry_after`` in seconds."""

    code: str
    message: str
    retryable: bool
    field: str | None = None
    room: str | None = None
    retry_after: float | None = None


class Goodbye(Event, frozen=True, gc=False, tag="goodbye"):
    """Reconnect after ``reconnect_after`` seconds (a different value for each client).

    ``reason`` is ``shutting_down``; or ``unreachable``: this server cannot reach the one that has the rooms.
    """

    reason: str
    reconnect_after: float


class Entered(Struct, frozen=True, gc=False):
    """A principal's first session entered a room. Not a native frame (that is ``presence``); dialects render it."""

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
    | Adopted
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
