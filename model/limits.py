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
