"""Every refusal that Parley gives, in one table, and every close code.

ParleyError
|-- (any code of ERRORS, raised by model/ and chat/, turned into frames and statuses by server/ alone)
"""

from __future__ import annotations

from typing import NamedTuple


class ErrorKind(NamedTuple):
    """One row of the table: HTTP status, whether the same request may pass later, and a sentence for people."""

    status: int
    retryable: bool
    message: str


ERRORS: dict[str, ErrorKind] = {
    "bad_json": ErrorKind(400, False, "the frame is not a JSON object"),
    "bad_field": ErrorKind(400, False, "a field is missing or has a wrong value"),
    "unknown_type": ErrorKind(400, False, "there is no command of this type"),
    "unsupported": ErrorKind(415, False, "binary frames are not supported, send text"),
    "too_large": ErrorKind(413, False, "larger than the server takes"),
    "empty": ErrorKind(400, False, "a message needs at least one visible character"),
    "reserved_name": ErrorKind(403, False, "this name is reserved"),
    "unauthorized": ErrorKind(401, False, "the token is not valid here"),
    "principal_fixed": ErrorKind(409, False, "a connection cannot change who it speaks for"),
    "forbidden": ErrorKind(403, False, "your role does not allow this"),
    "no_such_room": ErrorKind(404, False, "there is no such room, or you may not enter it"),
    "room_exists": ErrorKind(409, False, "there is a room of this name already"),
    "banned": ErrorKind(403, False, "you are kept out of this room"),
    "muted": ErrorKind(403, False, "you may not talk in this room for now"),
    "slow_mode": ErrorKind(429, True, "this room is in slow mode, wait a moment"),
    "no_such_user": ErrorKind(404, False, "there is no such user here"),
    "too_many_invitations": ErrorKind(409, False, "this user has as many open invitations as they may have"),
    "no_such_invitation": ErrorKind(404, False, "you have no open invitation to a room of this name"),
    "last_owner": ErrorKind(409, False, "a room needs an owner: make somebody else one first"),
    "not_joined": ErrorKind(409, False, "join the room first"),
    "no_such_message": ErrorKind(404, False, "there is no such message here"),
    "not_author": ErrorKind(403, False, "only its author can do this"),
    "too_late": ErrorKind(403, False, "the message is too old to be edited"),
    "too_many_reactions": ErrorKind(409, False, "this message has as many reactions as it may have"),
    "conflict": ErrorKind(409, False, "this id was used for another message"),
    "too_many_rooms": ErrorKind(429, True, "there are as many rooms as there may be, for you or for everybody"),
    "too_many_connections": ErrorKind(429, True, "you have as many connections as you may have, close another one"),
    "rate_limited": ErrorKind(429, True, "too many at once, slow down"),
    "overloaded": ErrorKind(503, True, "the server cannot take more messages right now"),
    "unavailable": ErrorKind(503, True, "the server cannot reach its storage right now"),
    "shutting_down": ErrorKind(503, True, "the server is about to stop"),
    "not_stored": ErrorKind(500, False, "the message could not be stored"),
    "internal": ErrorKind(500, True, "the server made a mistake; it is in its log"),
}


class ParleyError(Exception):
    """A command that is refused, by the name of a row of :data:`ERRORS`.

    Args:
        code: a key of ``ERRORS``; anything else is a programming error (``KeyError``).
        message: a sentence for people; the table's own by default.
        field: the name of the field that is wrong, for ``bad_field``.
        retry_after: seconds after which the same command may pass, for the retryable ones.
        id: the command's own id, where only the raiser could read it (a frame that is no command).
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        id: str | None = None,
    ) -> None:
        self.kind = ERRORS[code]
        self.code = code
        self.message = message or self.kind.message
        self.field = field
        self.retry_after = retry_after
        self.id = id
        super().__init__(f"{code}: {self.message}")


class CloseCode(NamedTuple):
    """A WebSocket close code.

    Attributes:
        code: 4000 to 4099: the client should reconnect and resume; 4100 to 4199: it should not, it would be closed
            again for the same reason.
        reason: of the Close frame, at most 123 bytes (RFC 6455 section 5.5); empty where the WebSocket library chooses
            it.
        when: when a connection is closed with it.
    """

    code: int
    reason: str
    when: str


GOING_AWAY = CloseCode(1001, "going away", "the server is stopping; `goodbye` came before")
PROTOCOL_ERROR = CloseCode(1002, "", "a frame that violates RFC 6455")
NOT_UTF8 = CloseCode(1007, "", "a text frame that is not UTF-8")
OVERSIZE = CloseCode(1009, "", "an oversize frame; `too_large` came before")
INTERNAL = CloseCode(1011, "internal", "an internal error during a resume: resume again")
TRY_AGAIN = CloseCode(
    1013,
    "try again later",
    "the server has no room for this client right now, or cannot read the room in the address; the reason came before",
)
IDLE = CloseCode(4001, "idle", "the client sent nothing for `IDLE_TIMEOUT` seconds, if the operator set it")
EPOCH_CHANGED = CloseCode(
    4002, "epoch_changed", "broadcasts may have been lost: another server wrote to the same storage in the meantime"
)
SLOW_CONSUMER = CloseCode(4008, "slow_consumer", "too much data was queued for the client, or a page for too long")
HELLO_TIMEOUT = CloseCode(4101, "hello_timeout", "guest access is disabled and no `hello` arrived in time")
REFUSED = CloseCode(
    4102,
    "refused",
    "the name or room in the address is invalid; the reason came before (only dialects whose address names a room)",
)
FLOOD = CloseCode(
    4103, "flood", "more control frames or fragments than any client needs, or 1000 `rate_limited` errors at once"
)
TOKEN_EXPIRED = CloseCode(
    4104,
    "token_expired",
    "the account's token has expired; `unauthorized` came before. Connect with a new token, or send one before that",
)
CLOSE_CODES = (
    GOING_AWAY,
    PROTOCOL_ERROR,
    NOT_UTF8,
    OVERSIZE,
    INTERNAL,
    TRY_AGAIN,
    IDLE,
    EPOCH_CHANGED,
    SLOW_CONSUMER,
    HELLO_TIMEOUT,
    REFUSED,
    FLOOD,
    TOKEN_EXPIRED,
)
