"""A request about rooms and its answer, as records: its handler knows no connection, so any node can run it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from chat.ports import Identity

# Where the next part of an answer in parts begins: numbers with a meaning for its row alone.
Place = tuple[int, ...]


class Asked(Struct, frozen=True, gc=False):
    """What a handler needs to know of a request, besides the parameters of its row.

    The caller is authenticated, and the limits by address and of the connection were checked.

    Attributes:
        identity: the caller; None for an anonymous one.
        address, network: those of the client, as in `server.access.addresses.Client`.
        query: names and values as sent, decoded.
        place: where the part that is asked for begins; None for the first one, and for rows that answer at once.
        request: the id of the request, for the log.
    """

    identity: Identity | None
    address: str
    network: str
    query: tuple[tuple[str, str], ...] = ()
    place: Place | None = None
    request: str = ""


class Answered(Struct, frozen=True, gc=False):
    """An answer, or a part of one.

    Attributes:
        headers: by name, ``Content-Type`` included. Those of every answer, and of the connection, are added later.
        next: where the next part begins; None after the last one. The parts of an answer have the same headers.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    next: Place | None = None


# Called with the request and a record of the row's ``params``.
RoomsHandler = Callable[[Asked, Any], Awaitable[Answered]]
