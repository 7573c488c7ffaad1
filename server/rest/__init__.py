"""Rooms, messages and people over HTTP: rows of the table of endpoints, checked like commands over WebSocket."""

from chat.chat import Chat
from chat.one_shot import CommandRunner
from server.http.endpoints import Endpoint
from server.rest import api_chat, export, members, messages, rooms


def rest_endpoints(chat: Chat, runner: CommandRunner) -> tuple[Endpoint, ...]:
    """Return all rows."""
    tables = (rooms.ROUTES, messages.ROUTES, members.ROUTES, api_chat.ROUTES, export.ROUTES)
    return tuple(row for table in tables for row in table.endpoints(chat, runner))
