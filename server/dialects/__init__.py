"""How each kind of client speaks: pure functions, chosen at the handshake. The hub knows none of them."""

from __future__ import annotations

from chat.ports import Dialect
from server.dialects.native import NativeDialect
from server.dialects.plain import PlainDialect

SUBPROTOCOL = "parley.v1"

NATIVE: Dialect = NativeDialect()
BY_PATH: dict[str, Dialect] = {"/chat": PlainDialect()}
"""The dialect of each WebSocket path for clients that do not offer `SUBPROTOCOL`."""
