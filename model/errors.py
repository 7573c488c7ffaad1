"""Every error code and close code of Parley, in one table each.

ParleyError
|-- (any code of ERRORS; raised by model/ and chat/; only server/ turns it into frames and statuses)
"""

from collections.abc import Mapping
from typing import NamedTuple

# Seconds after which a client may try again what storage or a full queue did not allow.
RETRY_AFTER = 2.0


class ErrorKind(NamedTuple):
    """One row of the table: HTTP status, whether the same request may succeed later, and a readable message."""

    status: int
    retryable: bool
    message: str


ERRORS: dict[str, ErrorKind] = {
    "bad_json": ErrorKind(400, False, "expected a JSON object"),
    "bad_field": ErrorKind(400, False, "a field is missing or not valid"),
    "unknown_type": ErrorKind(400, False, "unknown command type"),
    "unsupported": ErrorKind(415, False, "this format is not supported"),
    "too_large": ErrorKind(413, False, "larger than the server accepts"),
    "empty": ErrorKind(400, False, "a message must contain at least one visible character"),
    "reserved_name": ErrorKind(403, False, "this name is reserved"),
    "unauthorized": ErrorKind(401, False, "the token is missing or not valid"),
    "principal_fixed": ErrorKind(409, False, "a connection cannot switch to another user"),
    "forbidden": ErrorKind(403, False, "your role does not allow this"),
    "no_such_room": ErrorKind(404, False, "this room does not exist, or you may not enter it"),
    "room_exists": ErrorKind(409, False, "a room with this name already exists"),
    "banned": ErrorKind(403, False, "you are banned from this room"),
    "muted": ErrorKind(403, False, "you are muted in this room"),
    "slow_mode": ErrorKind(429, True, "this room is in slow mode; wait a moment"),
    "no_such_user": ErrorKind(404, False, "no user with this id is known here"),
    "too_many_invitations": ErrorKind(409, False, "this user has too many open invitations"),
    "no_such_invitation": ErrorKind(404, False, "you have no open invitation to this room"),
    "last_owner": ErrorKind(409, False, "a room needs an owner; give another member this role first"),
    "not_joined": ErrorKind(409, False, "join the room first"),
    "no_such_message": ErrorKind(404, False, "this message does not exist or was deleted"),
    "not_author": ErrorKind(403, False, "only the author of a message can do this"),
    "too_late": ErrorKind(403, False, "this message is too old to edit"),
    "too_many_reactions": ErrorKind(409, False, "this message has too many reactions"),
    "conflict": ErrorKind(409, False, "this id was already used for a different message"),
    "too_many_rooms": ErrorKind(429, True, "the limit on rooms is reached"),
    "too_many_connections": ErrorKind(429, True, "you have too many connections; close another one first"),
    "rate_limited": ErrorKind(429, True, "too many requests; slow down"),
    "overloaded": ErrorKind(503, True, "the server is overloaded"),
    "unavailable": ErrorKind(503, True, "the server cannot reach its storage"),
    "shutting_down": ErrorKind(503, True, "the server is shutting down"),
    "not_stored": ErrorKind(500, False, "this could not be stored"),
    "wrong_credentials": ErrorKind(401, False, "the username, the password or the code is wrong"),
    "code_required": ErrorKind(401, False, "a code of the second factor is required"),
    "name_taken": ErrorKind(409, False, "this name is taken"),
    "registration_closed": ErrorKind(403, False, "this server accepts no new accounts"),
    "invite_invalid": ErrorKind(403, False, "a valid invite link is required to register"),
    "suspended": ErrorKind(403, False, "this account is suspended"),
    "blocked": ErrorKind(403, False, "this address is blocked"),
    "csrf": ErrorKind(403, False, "the CSRF token is missing or not valid"),
    "no_such_account": ErrorKind(404, False, "there is no account with this id"),
    "no_such_session": ErrorKind(404, False, "this session does not exist, or has ended"),
    "no_such_suspension": ErrorKind(404, False, "this account is not suspended"),
    "no_such_block": ErrorKind(404, False, "this address or network is not blocked"),
    "no_such_key": ErrorKind(404, False, "there is no API key with this id"),
    "no_such_ticket": ErrorKind(404, False, "this link has expired or was used; ask for a new one"),
    "no_such_link": ErrorKind(404, False, "this invite link has expired, was used up or was revoked"),
    "no_such_report": ErrorKind(404, False, "there is no report with this id"),
    "internal": ErrorKind(500, True, "internal error (logged on the server)"),
}


class ParleyError(Exception):
    """A refused command, with the code of a row of :data:`ERRORS`.

    Args:
        code: a key of ``ERRORS``; anything else is a programming error (``KeyError``).
        message: a readable message; by default the one in the table.
        field: the field that is wrong, for ``bad_field``.
        retry_after: seconds to wait before retrying, for retryable codes.
        fields: a sentence about each wrong field, if several are.
        id: the id of the command, if only the raiser could read it (the frame is not a valid command).
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        fields: Mapping[str, str] | None = None,
        id: str | None = None,
    ) -> None:
        self.kind = ERRORS[code]
        self.code = code
        self.message = message or self.kind.message
        self.field = field
        self.retry_after = retry_after
        self.fields = fields
        self.id = id
        super().__init__(f"{code}: {self.message}")


def unavailable(message: str | None = None) -> ParleyError:
    """Make the refusal of what cannot be done now; by default, because storage cannot serve it."""
    return ParleyError("unavailable", message, retry_after=RETRY_AFTER)


def moved() -> ParleyError:
    """Make the refusal of what began while this server had the rooms, which another one has now."""
    return unavailable("another server has the rooms now")


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


GOING_AWAY = CloseCode(
    1001,
    "going away",
    "the server is shutting down, or sends its clients to other nodes; `goodbye` was sent first",
)
PROTOCOL_ERROR = CloseCode(1002, "", "a frame that violates RFC 6455")
NOT_UTF8 = CloseCode(1007, "", "a text frame that is not UTF-8")
OVERSIZE = CloseCode(1009, "", "a frame that is too large; `too_large` was sent first")
INTERNAL = CloseCode(1011, "internal", "an internal error during a resume; resume again")
TRY_AGAIN = CloseCode(
    1013,
    "try again later",
    "too many guests or connections, or the room in the address cannot be loaded; an error was sent first",
)
IDLE = CloseCode(4001, "idle", "the client sent nothing for `IDLE_TIMEOUT` seconds, if the operator set it")
EPOCH_CHANGED = CloseCode(
    4002,
    "epoch_changed",
    "broadcasts may have been lost or retracted, for example because another server wrote to the storage",
)
ACCOUNT_CHANGED = CloseCode(
    4003,
    "account_changed",
    "the name, role or password of the account has changed; reconnect with a new access token",
)
SLOW_CONSUMER = CloseCode(4008, "slow_consumer", "the client had too much unread data, or did not read a page in time")
HELLO_TIMEOUT = CloseCode(4101, "hello_timeout", "guest access is disabled and no `hello` was received in time")
REFUSED = CloseCode(
    4102,
    "refused",
    "the name or room in the address was refused, or the user was removed from that room; an error was sent first",
)
FLOOD = CloseCode(4103, "flood", "too many control frames or fragments, or 1000 `rate_limited` errors in a burst")
TOKEN_EXPIRED = CloseCode(
    4104,
    "token_expired",
    "the account token has expired; `unauthorized` was sent first. Connect with a new token, or send one in time",
)
SIGNED_OUT = CloseCode(
    4105,
    "signed_out",
    "the login has ended, the account was deleted, the guest became an account, or the API key was revoked",
)
SUSPENDED = CloseCode(4106, "suspended", "an operator has suspended the account; `suspended` was sent first")
BLOCKED = CloseCode(4107, "blocked", "an operator has blocked the client's address; `blocked` was sent first")
CLOSE_CODES = (
    GOING_AWAY,
    PROTOCOL_ERROR,
    NOT_UTF8,
    OVERSIZE,
    INTERNAL,
    TRY_AGAIN,
    IDLE,
    EPOCH_CHANGED,
    ACCOUNT_CHANGED,
    SLOW_CONSUMER,
    HELLO_TIMEOUT,
    REFUSED,
    FLOOD,
    TOKEN_EXPIRED,
    SIGNED_OUT,
    SUSPENDED,
    BLOCKED,
)
