"""``ping``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.commands import Ping
from model.events import Pong
from utils.clock import rfc3339

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Session


def ping(chat: Context, session: Session, command: Ping) -> None:
    """Answer with the server's time."""
    session.reply(Pong(id=command.id, timestamp=rfc3339(chat.clock.now_us())))
