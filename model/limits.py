"""The limits that a client is told in ``welcome``, so it can keep them instead of running into them."""

from __future__ import annotations

from msgspec import Struct

ID_CHARS = 64
"""Longest client-chosen ``id`` of a command."""
NAME_CHARS = 64
"""Longest name of a room or a user."""
HISTORY_LIMIT = 500
"""Most messages in one page of history."""
HISTORY_DEFAULT = 50
"""Messages in a page of history when no limit was asked for."""
LIST_LIMIT = 500
"""Most rooms or members in one answer."""
LIST_DEFAULT = 100
"""Rooms or members in an answer when no limit was asked for."""
SENT_NAME_CHARS = 4 * NAME_CHARS
"""Longest name of a room or a user as it is sent: in NFC it may have a fourth of the characters."""
CURSOR_CHARS = 256
"""Longest cursor, epoch, time or id of a user, all of them the server's own."""
TOKEN_CHARS = 8192
"""Longest token of a ``hello``."""
QUERY_CHARS = 256
"""Longest question of a search, and of one for rooms."""
TITLE_CHARS = 64
"""Longest title of a room."""
TOPIC_CHARS = 500
"""Longest topic of a room."""
REASON_CHARS = 500
"""Longest reason of a moderator."""
PASSWORD_CHARS = 128
"""Longest password of a room."""
INVITATIONS = 100
"""Most invitations that one user may have open."""
INVITATION_DAYS = 30
"""Days that an invitation stays open; a guest's token ends as soon."""
DURATION_LIMIT = 10 * 365 * 86_400
"""Longest ban or mute that has an end, in seconds."""
SLOW_MODE_LIMIT = 86_400
"""Longest pause between two messages of a person in slow mode, in seconds."""
RETENTION_LIMIT = 36_500
"""Most days that a room may be told to keep its messages."""
QUOTE_CHARS = 140
"""Characters of a message that a reply to it carries."""
MENTIONS = 50
"""Most people that one message mentions."""
EMOJI_CHARS = 32
"""Longest reaction, in code points (a family of four with skin tones has 11)."""
REACTIONS = 20
"""Different reactions to one message."""
REACTORS = 1000
"""People who may react to one message with the same emoji."""
GUEST_SECONDS = 30 * 24 * 3600
"""A guest that did not come back for a month is a new one."""
UNREAD_LIMIT = 100
"""Unread messages are counted up to this number, which stands for itself and all above: 99+."""


class Limits(Struct, frozen=True):
    """Attributes are announced as they are: bytes of a frame, characters of a text, messages a second, counts.

    ``edit_window`` is the seconds after which a message cannot be edited any more; 0 for never.
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
