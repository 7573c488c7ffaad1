"""``announce``."""

import asyncio

from msgspec.structs import replace

from chat.ports import Dialect
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model.commands import Announce
from model.errors import ParleyError
from model.events import Announcement
from model.text import check_content
from utils.clock import rfc3339

# Sessions that are written to in one turn of the event loop, so that messages of others are not delayed.
SESSIONS_PER_TURN = 500


async def announce(parts: Parts, session: Session, command: Announce) -> None:
    """Send an announcement to every session of the server. It is not stored, so offline users miss it."""
    if session.actor.identity.role != "admin":
        raise ParleyError("forbidden")
    content = check_content(command.content, parts.limits.max_content_chars)
    event = Announcement(content=content, sender=session.user, timestamp=rfc3339(parts.clock.now_us()))
    frames: dict[Dialect, bytes | None] = {}
    for count, other in enumerate(tuple(parts.hub.sessions), 1):
        if count % SESSIONS_PER_TURN == 0:
            await asyncio.sleep(0)
        if other.dialect not in frames:
            frames[other.dialect] = other.dialect.frame(event)
        frame = frames[other.dialect]
        if frame is not None and other is not session and other.identity is not None:
            other.write(frame)
    session.reply(replace(event, id=command.id))
