"""Rooms, messages and people over HTTP: rows of the table of endpoints, checked like commands over WebSocket."""

from chat.chat import Chat
from chat.one_shot import CommandRunner
from server.http.endpoints import Endpoint
from server.rest import api_chat, blocks, export, links, members, messages, reports, rooms, users


def rest_endpoints(chat: Chat, runner: CommandRunner) -> tuple[Endpoint, ...]:
    """Return all rows."""
    modules = (rooms, messages, members, api_chat, export, blocks, reports, links, users)
    return tuple(row for module in modules for row in module.ROUTES.endpoints(chat, runner))
