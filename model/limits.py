"""Limits of the protocol; ``welcome`` announces some of them, so that clients can stay within them."""

from msgspec import Struct

ID_CHARS = 64  # longest client-chosen `id` of a command
NAME_CHARS = 64  # longest name of a room or a user
USERNAME_CHARS = 64  # longest username
EMAIL_CHARS = 254  # longest e-mail address (RFC 5321 section 4.5.3.1.3)
ACCOUNT_PASSWORD_CHARS = 8  # shortest password of an account
ACCOUNT_PASSWORD_BYTES = 1024  # longest password of an account, in UTF-8
HISTORY_LIMIT = 500  # maximum number of messages in one page of history
HISTORY_DEFAULT = 50  # messages in a page of history if the client gives no limit
LIST_LIMIT = 500  # maximum number of rooms or members in one answer
LIST_DEFAULT = 100  # rooms or members in an answer if the client gives no limit
# Longest name of a room or a user before normalization; NFC may quarter the number of characters.
SENT_NAME_CHARS = 4 * NAME_CHARS
CURSOR_CHARS = 256  # longest cursor, epoch, time or user id, all of which come from the server
TOKEN_CHARS = 8192  # longest token of a `hello`
QUERY_CHARS = 256  # longest query of a search for messages or rooms
TITLE_CHARS = 64  # longest title of a room
TOPIC_CHARS = 500  # longest topic of a room
REASON_CHARS = 500  # longest reason that a moderator can give
PASSWORD_CHARS = 128  # longest password of a room
INVITATIONS = 100  # maximum number of open invitations of one user
INVITATION_DAYS = 30  # days that an invitation stays open, which is also how long a guest token is valid
LINKS_OF_MAKER = 100  # invite links of one user
LINK_USES = 1000
LINK_SECONDS = 30 * 86_400  # how long an invite link may be used at most
USER_BLOCKS = 1000  # users whom one user blocks
NOTE_CHARS = 1000  # what a moderator writes about a report
GUESTS_SECONDS = 3600  # how long a ban or mute of a guest also applies to others of its network, and at most
GUESTS_LIMIT = 86_400
DURATION_LIMIT = 10 * 365 * 86_400  # longest temporary ban or mute, in seconds
SLOW_MODE_LIMIT = 86_400  # longest pause between two messages of a user in slow mode, in seconds
RETENTION_LIMIT = 36_500  # longest retention of a room, in days
QUOTE_CHARS = 140  # characters of a message that a reply to it quotes
MENTIONS = 50  # maximum number of names that one message mentions
EMOJI_CHARS = 32  # longest reaction, in code points (a family of four with skin tones has 11)
REACTIONS = 20  # maximum number of different reactions to one message
REACTORS = 1000  # maximum number of users who can react to one message with the same emoji
GUEST_SECONDS = 30 * 24 * 3600  # a guest who was away for this long (30 days) becomes a new guest
KEYS = 100  # maximum number of API keys
KEY_DAYS = 3650  # longest validity of an API key, in days
AUDIT_DEFAULT = 100  # entries of the audit log in an answer if the client gives no limit
AUDIT_LIMIT = 1000  # maximum number of entries of the audit log in an answer
UNREAD_LIMIT = 100  # unread messages are counted up to this number, which means 99+


class Limits(Struct, frozen=True):
    """The limits announced in ``welcome``: bytes of a frame, characters of a text, messages per second, counts.

    ``edit_window`` is the number of seconds for which a message can be edited; 0 means no limit.
    """

    max_frame_bytes: int = 65536
    max_content_chars: int = 4000
    messages_per_second: float = 20.0
    messages_burst: int = 60
    max_rooms: int = 100
    resume_limit: int = 5000
    edit_window: float = 60.0
    history_limit: int = HISTORY_LIMIT
    id_chars: int = ID_CHARS
    name_chars: int = NAME_CHARS
