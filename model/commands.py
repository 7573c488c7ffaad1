"""Commands: what a client asks for, as typed records. Decoding into them is the validation of their shape."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from model.limits import (
    CURSOR_CHARS,
    DURATION_LIMIT,
    EMOJI_CHARS,
    HISTORY_DEFAULT,
    HISTORY_LIMIT,
    ID_CHARS,
    LIST_DEFAULT,
    LIST_LIMIT,
    PASSWORD_CHARS,
    QUERY_CHARS,
    REASON_CHARS,
    RETENTION_LIMIT,
    SENT_NAME_CHARS,
    SLOW_MODE_LIMIT,
    TITLE_CHARS,
    TOKEN_CHARS,
    TOPIC_CHARS,
)
from model.room import Role, User

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS)]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Page = Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)]
Listed = Annotated[int, Meta(ge=1, le=LIST_LIMIT)]
Password = Annotated[str, Meta(max_length=PASSWORD_CHARS)]
Name = Annotated[str, Meta(max_length=SENT_NAME_CHARS)]
Title = Annotated[str, Meta(max_length=4 * TITLE_CHARS)]
Topic = Annotated[str, Meta(max_length=4 * TOPIC_CHARS)]
Emoji = Annotated[str, Meta(max_length=4 * EMOJI_CHARS)]
UserId = Annotated[str, Meta(max_length=CURSOR_CHARS)]
Cursor = Annotated[str, Meta(max_length=CURSOR_CHARS)]
Token = Annotated[str, Meta(max_length=TOKEN_CHARS)]
Query = Annotated[str, Meta(max_length=QUERY_CHARS)]
Reason = Annotated[str, Meta(max_length=REASON_CHARS)]
Duration = Annotated[float, Meta(gt=0, le=DURATION_LIMIT)]
SlowMode = Annotated[int, Meta(ge=0, le=SLOW_MODE_LIMIT)]
RetentionDays = Annotated[int, Meta(ge=0, le=RETENTION_LIMIT)]


class Command(Struct, frozen=True, gc=False, tag_field="type", kw_only=True):
    """Any command. ``id`` is the client's own, echoed in every reply and error to it."""

    id: Id | None = None


class Hello(Command, frozen=True, gc=False, tag="hello"):
    """Say who you are: a token from an earlier ``welcome``, or an account's."""

    token: Token


class Join(Command, frozen=True, gc=False, tag="join"):
    """Enter a room. With ``since`` and ``epoch`` of an earlier visit, what was missed comes first.

    A room that is not there is made, as an ephemeral one, unless ``create`` is false. ``password`` opens a private one.
    """

    room: Name
    since: Seq | None = None
    epoch: str | None = None
    password: Password | None = None
    create: bool = True


class Leave(Command, frozen=True, gc=False, tag="leave"):
    """Leave a room with this session; with ``quit``, stop being its member too."""

    room: Name
    quit: bool = False


class PostMessage(Command, frozen=True, gc=False, tag="message"):
    """Say something in a room. ``resend`` when it may have been sent before: it is then looked up first."""

    room: Name
    content: str
    reply_to: Seq | None = None
    resend: bool = False


class EditMessage(Command, frozen=True, gc=False, tag="edit"):
    """Change the content of one's own message, for a while after it was sent."""

    room: Name
    seq: Seq
    content: str


class DeleteMessage(Command, frozen=True, gc=False, tag="delete"):
    """Delete a message, one's own or as a moderator: it keeps its place, without its content."""

    room: Name
    seq: Seq


class React(Command, frozen=True, gc=False, tag="react"):
    """Put an emoji to a message, or take one's own away again."""

    room: Name
    seq: Seq
    emoji: Emoji
    on: bool = True


class Pin(Command, frozen=True, gc=False, tag="pin"):
    """Pin a message to the room, or take the pin away."""

    room: Name
    seq: Seq
    on: bool = True


class Typing(Command, frozen=True, gc=False, tag="typing"):
    """Say that something is being written; it is shown for a few seconds."""

    room: Name


class MarkRead(Command, frozen=True, gc=False, tag="read"):
    """Everything up to ``seq`` has been read. It never goes back."""

    room: Name
    seq: Seq


class ReadHistory(Command, frozen=True, gc=False, tag="history"):
    """Read a page of a room's messages, oldest first: the newest ones, or those next to a seq.

    ``around`` is a page with that seq in the middle. ``start`` (inclusive) and ``end`` (exclusive) are times in
    RFC 3339. ``include_deleted`` is for moderators.
    """

    room: Name
    limit: Page = HISTORY_DEFAULT
    before: Seq | None = None
    after: Seq | None = None
    around: Seq | None = None
    start: Cursor | None = None
    end: Cursor | None = None
    sender: Name | None = None
    q: Query | None = None
    pinned: bool = False
    include_deleted: bool = False


class Search(Command, frozen=True, gc=False, tag="search"):
    """Look for words in all rooms of one's own, newest first; ``cursor`` goes on where a page ended."""

    q: Query
    limit: Page = HISTORY_DEFAULT
    cursor: Cursor | None = None


class CreateRoom(Command, frozen=True, gc=False, tag="create_room"):
    """Make a room that stays, and enter it as its owner. With a password it is private."""

    room: Name
    title: Title = ""
    topic: Topic = ""
    private: bool = False
    password: Password | None = None


class UpdateRoom(Command, frozen=True, gc=False, tag="update_room"):
    """Change what is given of a room; an empty ``password`` takes it away, 0 switches the numbers off."""

    room: Name
    title: Title | None = None
    topic: Topic | None = None
    private: bool | None = None
    password: Password | None = None
    slow_mode: SlowMode | None = None
    retention_days: RetentionDays | None = None


class DeleteRoom(Command, frozen=True, gc=False, tag="delete_room"):
    """Delete a room: its name is free again, its messages are served to nobody."""

    room: Name


class Invite(Command, frozen=True, gc=False, tag="invite"):
    """Offer somebody to become a member of a room, which they do with ``join``. An admin makes them one at once."""

    room: Name
    user: UserId


class Decline(Command, frozen=True, gc=False, tag="decline"):
    """Refuse an invitation of one's own."""

    room: Name


class ListRooms(Command, frozen=True, gc=False, tag="rooms"):
    """List rooms: the public ones by name, or with ``mine`` one's own with what is unread there, and invitations."""

    mine: bool = False
    q: Query | None = None
    cursor: Cursor | None = None
    limit: Listed = LIST_DEFAULT


class ListMembers(Command, frozen=True, gc=False, tag="members"):
    """List the people of a room by id, page after page.

    For moderators also those who are ``banned``, or those who are ``invited``.
    """

    room: Name
    banned: bool = False
    invited: bool = False
    cursor: Cursor | None = None
    limit: Listed = LIST_DEFAULT


class OpenDirect(Command, frozen=True, gc=False, tag="direct"):
    """Enter the one room that one shares with another person."""

    user: UserId


class Kick(Command, frozen=True, gc=False, tag="kick"):
    """Send somebody out of a room."""

    room: Name
    user: UserId
    reason: Reason = ""


class Ban(Command, frozen=True, gc=False, tag="ban"):
    """Send somebody out of a room and keep them out, for ``seconds`` or for good."""

    room: Name
    user: UserId
    seconds: Duration | None = None
    reason: Reason = ""


class Unban(Command, frozen=True, gc=False, tag="unban"):
    """Let somebody in again."""

    room: Name
    user: UserId


class Mute(Command, frozen=True, gc=False, tag="mute"):
    """Let somebody read but not talk, for ``seconds`` or for good."""

    room: Name
    user: UserId
    seconds: Duration | None = None
    reason: Reason = ""


class Unmute(Command, frozen=True, gc=False, tag="unmute"):
    """Let somebody talk again."""

    room: Name
    user: UserId


class SetRole(Command, frozen=True, gc=False, tag="set_role"):
    """Give somebody another role in a room."""

    room: Name
    user: UserId
    role: Role


class Announce(Command, frozen=True, gc=False, tag="announce"):
    """Tell every session of the server something; for admins."""

    content: str


class Claim(Command, frozen=True, gc=False):
    """Carry a command out for somebody who says who they are and cannot prove it.

    Never decoded from a frame as it is: the dialect of clients that name themselves in ``join`` and ``create_room``
    makes it. The first one binds the connection.
    """

    user: User
    then: Join | CreateRoom


class Ping(Command, frozen=True, gc=False, tag="ping"):
    """Ask for a ``pong``."""


AnyCommand = (
    Hello
    | Join
    | Leave
    | PostMessage
    | EditMessage
    | DeleteMessage
    | React
    | Pin
    | Typing
    | MarkRead
    | ReadHistory
    | Search
    | CreateRoom
    | UpdateRoom
    | DeleteRoom
    | Invite
    | Decline
    | ListRooms
    | ListMembers
    | OpenDirect
    | Kick
    | Ban
    | Unban
    | Mute
    | Unmute
    | SetRole
    | Announce
    | Ping
)
