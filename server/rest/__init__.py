"""Rooms, messages and people over HTTP: rows of the table of endpoints, through the gate that everybody passes."""

from __future__ import annotations

from chat.chat import Chat
from chat.one_shot import CommandRunner
from server.http.endpoints import Endpoint
from server.rest import api_chat, members, messages, rooms
from server.rest.export import Export

__all__ = ["rest_endpoints"]


def rest_endpoints(chat: Chat, runner: CommandRunner) -> tuple[Endpoint, ...]:
    """All of them."""
    tables = (rooms.ROUTES, messages.ROUTES, members.ROUTES, api_chat.ROUTES)
    rows = tuple(row for table in tables for row in table.endpoints(chat, runner))
    return rows + Export(chat).endpoints()
