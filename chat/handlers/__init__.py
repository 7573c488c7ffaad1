"""A handler per command, and the table that finds it.

A handler is a plain function of (chat, session, command). It does its work at once and returns None; or, when something
must come from storage first, returns a coroutine, and the session's later commands wait for it. Refusals are raised as
`model.errors.ParleyError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from chat.handlers.change import delete_message, edit_message
from chat.handlers.hello import hello
from chat.handlers.history import history
from chat.handlers.message import post_message
from chat.handlers.ping import ping
from chat.handlers.rooms import join, leave
from model.commands import DeleteMessage, EditMessage, Hello, Join, Leave, Ping, PostMessage, ReadHistory

Handler = Callable[..., Awaitable[None] | None]

HANDLERS: dict[type[Any], Handler] = {
    Hello: hello,
    Join: join,
    Leave: leave,
    PostMessage: post_message,
    EditMessage: edit_message,
    DeleteMessage: delete_message,
    ReadHistory: history,
    Ping: ping,
}
