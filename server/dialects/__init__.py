"""The dialects: the frames of each kind of client. The handshake selects one, and the chat knows only the port."""

from chat.ports import Dialect
from server.dialects.api_chat import ApiChatDialect
from server.dialects.native import NativeDialect
from server.dialects.plain import PlainDialect
from server.dialects.ws import WsDialect
from utils.clock import Clock

SUBPROTOCOL = "parley.v1"

NATIVE = NativeDialect()
# The paths of WebSockets.
PATHS = ("/chat", "/ws", "/api/chat")
# Paths that require the token of an account, in every dialect.
ACCOUNTS_ONLY = frozenset({"/api/chat"})
# The query parameter that names the room, by path.
ROOM_PARAMETER = {"/chat": "r", "/ws": "r", "/api/chat": "room"}


def dialects_by_path(clock: Clock) -> dict[str, Dialect]:
    """Return the dialect of each of `PATHS`, for clients that do not offer `SUBPROTOCOL`."""
    return dict(zip(PATHS, (PlainDialect(clock), WsDialect(), ApiChatDialect(clock)), strict=True))
