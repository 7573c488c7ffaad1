"""Rooms, messages and people over HTTP: rows of the table of endpoints, through the gate that everybody passes."""

from __future__ import annotations

from chat.chat import Chat
from chat.one_shot import Visits
from server.http.endpoints import Endpoint
from server.rest.api_chat import ApiChat
from server.rest.asking import Asking
from server.rest.export import Export
from server.rest.members import Members
from server.rest.messages import Messages
from server.rest.rooms import Rooms

__all__ = ["rest_endpoints"]


def rest_endpoints(chat: Chat, visits: Visits) -> tuple[Endpoint, ...]:
    """All of them."""
    asking = Asking(chat, visits)
    parts = (Rooms(asking), Messages(asking), Export(asking), Members(asking), ApiChat(asking))
    return tuple(row for part in parts for row in part.endpoints())
