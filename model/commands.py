"""Commands: what clients ask for, as typed records. Decoding a frame into one validates its shape."""

from typing import Annotated

from msgspec import Meta, Struct

from model.limits import (
    CURSOR_CHARS,
    DURATION_LIMIT,
    EMOJI_CHARS,
    GUESTS_LIMIT,
    GUESTS_SECONDS,
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
from model.room import GuestAccess, Role, User

# The descriptions are those of fields of these types in the published documents; a docstring's own comes first.
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS)]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]
MessageSeq = Annotated[Seq, Meta(description="the message's place in the room, which never changes")]
Page = Annotated[int, Meta(ge=1, le=HISTORY_LIMIT, description="maximum number of messages in the page")]
Listed = Annotated[int, Meta(ge=1, le=LIST_LIMIT, description="maximum number of entries in the page")]
Password = Annotated[str, Meta(max_length=PASSWORD_CHARS)]
Name = Annotated[str, Meta(max_length=SENT_NAME_CHARS)]
RoomName = Annotated[str, Meta(max_length=SENT_NAME_CHARS, description="the room's name")]
Title = Annotated[str, Meta(max_length=4 * TITLE_CHARS, description=f"display title, at most {TITLE_CHARS} characters")]
Topic = Annotated[str, Meta(max_length=4 * TOPIC_CHARS, description=f"at most {TOPIC_CHARS} characters")]
Content = Annotated[str, Meta(description="the text")]
Emoji = Annotated[
    str,
    Meta(
        max_length=4 * EMOJI_CHARS,
        description=f"1 to {EMOJI_CHARS} visible characters, such as an emoji or `:name:`",
    ),
]
UserId = Annotated[str, Meta(max_length=CURSOR_CHARS, description="the user's id, as in `sender_id`")]
Cursor = Annotated[str, Meta(max_length=CURSOR_CHARS, description="the `cursor` of the previous page")]
Token = Annotated[str, Meta(max_length=TOKEN_CHARS)]
Query = Annotated[str, Meta(max_length=QUERY_CHARS)]
Reason = Annotated[str, Meta(max_length=REASON_CHARS, description="shown to the user")]
Duration = Annotated[float, Meta(gt=0, le=DURATION_LIMIT, description="duration; if omitted, there is no end")]
GuestsSeconds = Annotated[
    float,
    Meta(ge=0, le=GUESTS_LIMIT, description="for how long it applies to other guests from the same address, too"),
]
SlowMode = Annotated[
    int, Meta(ge=0, le=SLOW_MODE_LIMIT, description="seconds between two messages of one user, 0 for none")
]
RetentionDays = Annotated[
    int,
    Meta(
        ge=0,
        le=RETENTION_LIMIT,
        description="days that messages are kept, 0 for the server's default; for owners",
    ),
]


class Command(Struct, frozen=True, gc=False, tag_field="type", kw_only=True):
    """Any command. ``id`` is chosen by the client and echoed in every reply and error."""

    id: Id | None = None


class RoomCommand(Command, frozen=True, gc=False):
    """Any command about a room."""

    room: RoomName


class MessageCommand(RoomCommand, frozen=True, gc=False):
    """Any command about one message of a room."""

    seq: MessageSeq


class UserCommand(RoomCommand, frozen=True, gc=False):
    """Any command about a user in a room."""

    user: UserId


class Sanction(UserCommand, frozen=True, gc=False):
    """A ban or a mute.

    Attributes:
        guests: seconds; if the user is a guest, and never for accounts. 0 for not at all.
    """

    seconds: Duration | None = None
    reason: Reason = ""
    guests: GuestsSeconds = GUESTS_SECONDS


class Hello(Command, frozen=True, gc=False, tag="hello"):
    """Identify yourself with a token: a guest's from an earlier ``welcome``, or an account's."""

    token: Token


class Join(RoomCommand, frozen=True, gc=False, tag="join"):
    """Enter a room. With ``since`` and ``epoch`` of an earlier visit, missed messages are replayed first.

    A room that does not exist is created as an ephemeral one, unless ``create`` is false. ``password`` admits the user
    to a private room.
    """

    since: Seq | None = None
    epoch: str | None = None
    password: Password | None = None
    create: bool = True


class Leave(RoomCommand, frozen=True, gc=False, tag="leave"):
    """Leave a room with this session; with ``quit``, also give up the membership."""

    quit: bool = False


class PostMessage(RoomCommand, frozen=True, gc=False, tag="message"):
    """Post a message to a room. ``resend`` marks one that may have been sent before, to be looked up first.

    Attributes:
        reply_to: the `seq` of the message it replies to.
    """

    content: Content
    reply_to: Seq | None = None
    resend: bool = False


class EditMessage(MessageCommand, frozen=True, gc=False, tag="edit"):
    """Change the content of your own message, within the edit window."""

    content: Content


class DeleteMessage(MessageCommand, frozen=True, gc=False, tag="delete"):
    """Delete your own message, or any as a moderator. It keeps its place, without its content."""


class React(MessageCommand, frozen=True, gc=False, tag="react"):
    """React to a message with an emoji, or remove your reaction."""

    emoji: Emoji
    on: bool = True


class Pin(MessageCommand, frozen=True, gc=False, tag="pin"):
    """Pin a message to the room, or unpin it."""

    on: bool = True


class Typing(RoomCommand, frozen=True, gc=False, tag="typing"):
    """Notify the room that you are typing; the notice is shown for a few seconds."""


class MarkRead(MessageCommand, frozen=True, gc=False, tag="read"):
    """Mark everything up to ``seq`` as read. The cursor never moves back."""


class ReadHistory(RoomCommand, frozen=True, gc=False, tag="history"):
    """Read a page of a room's messages, oldest first: the newest ones, or those next to a seq.

    Attributes:
        before: a `seq`; the page just before it.
        after: a `seq`; the page just after it; with `before`, the messages between them.
        around: a `seq`; the page centred on it.
        start: a time in RFC 3339; only messages from then on.
        end: a time in RFC 3339; only messages before it.
        sender: only messages with this display name.
        q: only messages that contain all these words.
        pinned: only pinned messages.
        include_deleted: also deleted messages, with their content; for moderators.
    """

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
    """Search the messages of all your rooms, newest first.

    Attributes:
        q: words that a message must all contain.
    """

    q: Query
    limit: Page = HISTORY_DEFAULT
    cursor: Cursor | None = None


class CreateRoom(RoomCommand, frozen=True, gc=False, tag="create_room"):
    """Create a persistent room and enter it as its owner. With a password it is private.

    Attributes:
        room: 1 to 64 characters.
        private: whether only members may enter.
        password: makes the room private; a user who gives it becomes a member.
    """

    title: Title = ""
    topic: Topic = ""
    private: bool = False
    password: Password | None = None


class UpdateRoom(RoomCommand, frozen=True, gc=False, tag="update_room"):
    """Change the given fields of a room; the others stay as they are.

    Attributes:
        private: whether only members may enter; for owners.
        password: an empty password removes it, any other makes the room private; for owners.
        guests: whether guests may `talk`, only `read`, or `no`: not even enter. Owners and moderators always may.
    """

    title: Title | None = None
    topic: Topic | None = None
    private: bool | None = None
    password: Password | None = None
    slow_mode: SlowMode | None = None
    retention_days: RetentionDays | None = None
    guests: GuestAccess | None = None


class DeleteRoom(RoomCommand, frozen=True, gc=False, tag="delete_room"):
    """Delete a room: its name becomes free, and its messages are no longer served."""


class Invite(UserCommand, frozen=True, gc=False, tag="invite"):
    """Invite a user to become a member of a room, which they do with ``join``. An admin adds them directly."""


class Decline(RoomCommand, frozen=True, gc=False, tag="decline"):
    """Decline an invitation."""


class ListRooms(Command, frozen=True, gc=False, tag="rooms"):
    """List the rooms that everyone can find, ordered by name, or your own rooms.

    Attributes:
        mine: list your own rooms with their unread counts, and your invitations.
        q: only rooms whose name or title contains this.
    """

    mine: bool = False
    q: Query | None = None
    cursor: Cursor | None = None
    limit: Listed = LIST_DEFAULT


class ListMembers(RoomCommand, frozen=True, gc=False, tag="members"):
    """List the people of a room, ordered by id, in pages.

    Attributes:
        banned: list the banned users instead; for moderators.
        invited: list the users with an open invitation instead; for moderators.
    """

    banned: bool = False
    invited: bool = False
    cursor: Cursor | None = None
    limit: Listed = LIST_DEFAULT


class OpenDirect(Command, frozen=True, gc=False, tag="direct"):
    """Enter the direct room with another user."""

    user: UserId


class Kick(UserCommand, frozen=True, gc=False, tag="kick"):
    """Remove a user from a room."""

    reason: Reason = ""


class Ban(Sanction, frozen=True, gc=False, tag="ban"):
    """Remove a user from a room and ban them, for ``seconds`` or permanently."""


class Unban(UserCommand, frozen=True, gc=False, tag="unban"):
    """Lift a ban."""


class Mute(Sanction, frozen=True, gc=False, tag="mute"):
    """Let a user read but not write, for ``seconds`` or permanently."""


class Unmute(UserCommand, frozen=True, gc=False, tag="unmute"):
    """Lift a mute."""


class SetRole(UserCommand, frozen=True, gc=False, tag="set_role"):
    """Change a user's role in a room."""

    role: Role


class Announce(Command, frozen=True, gc=False, tag="announce"):
    """Send an announcement to every session on the server; for admins."""

    content: Content


class UseLink(RoomCommand, frozen=True, gc=False):
    """Become a member of a room by an invite link that leads there. Never decoded from a frame."""

    link: str


class Claim(Command, frozen=True, gc=False):
    """Run a command for a user whose identity is claimed and not proven.

    Never decoded from a frame: it is built by the dialect whose clients name themselves in ``join`` and
    ``create_room``. The first one binds the connection to that identity.
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
