"""``ping``."""

from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model.commands import Ping
from model.events import Pong
from utils.clock import rfc3339


def ping(parts: Parts, session: Session, command: Ping) -> None:
    """Answer with the server's time."""
    session.reply(Pong(id=command.id, timestamp=rfc3339(parts.clock.now_us())))
