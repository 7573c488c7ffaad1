"""How each kind of client speaks: pure functions, chosen at the handshake. The hub knows none of them."""

from __future__ import annotations

from chat.ports import Dialect
from server.dialects.api_chat import ApiChatDialect
from server.dialects.native import NativeDialect
from server.dialects.plain import PlainDialect
from server.dialects.ws import WsDialect

SUBPROTOCOL = "parley.v1"

NATIVE: Dialect = NativeDialect()
BY_PATH: dict[str, Dialect] = {"/chat": PlainDialect(), "/ws": WsDialect(), "/api/chat": ApiChatDialect()}
"""The dialect of each WebSocket path for clients that do not offer `SUBPROTOCOL`."""
ACCOUNTS_ONLY = frozenset({"/api/chat"})
"""Paths that let nobody in without an account's token, whatever is spoken there."""
ROOM_PARAMETER = {"/chat": "r", "/ws": "r", "/api/chat": "room"}
"""What the room is called in the query of each path."""
