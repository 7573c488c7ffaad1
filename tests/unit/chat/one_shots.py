"""What the tests of commands without a connection have in common."""

from typing import Any

from chat.chat import Chat
from chat.one_shot import CommandRunner
from chat.ports import Identity
from model import commands
from model.errors import ParleyError
from model.events import Ack
from model.room import User


def identity(name: str, role: str = "user") -> Identity:
    return Identity(User(f"u_{name}", name), guest=False, role=role)


def post(content: str, id: str = "m", room: str = "lobby", **fields: Any) -> commands.PostMessage:
    return commands.PostMessage(id=id, room=room, content=content, **fields)


async def say(
    runner: CommandRunner, who: Identity, content: str, id: str = "m", room: str = "lobby", **fields: Any
) -> int:
    """Post a message and return its seq."""
    ack = await runner.run(who, post(content, id, room, **fields), Ack)
    return next(item.seq for item in ack.ids if item.id == id)


async def refused(runner: CommandRunner, who: Identity, command: commands.AnyCommand, until: Any = Ack) -> str:
    """Return the error code; "" if the command succeeds."""
    try:
        await runner.run(who, command, until)
    except ParleyError as error:
        return error.code
    return ""


def nothing_left(chat: Chat) -> bool:
    parts, hub = chat.parts, chat.parts.hub
    return not (hub.rooms or hub.ending or parts.directory.people or hub.sessions or len(parts.tasks))
