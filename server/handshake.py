"""The opening handshake (RFC 6455 section 4.2), by the `websockets` library: a request head in, a response out."""

from __future__ import annotations

import http
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from websockets.exceptions import InvalidHeader, InvalidMessage
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chat.ports import Dialect
from server.dialects import BY_PATH, NATIVE, SUBPROTOCOL
from server.frames import plain_response


class Handshake(NamedTuple):
    """What to answer; ``dialect`` is None when that is a refusal, and ``query`` the address's question otherwise."""

    response: bytes
    dialect: Dialect | None = None
    query: str = ""


def shake_hands(head: bytes, *, origins: Any, draining: bool) -> Handshake:
    """Answer a request to upgrade.

    Refusals: 404 for a path without WebSocket, 405 for a method other than GET, 400 for what is malformed (the key, a
    missing header), 403 for an origin that is not allowed, 426 for another version (with ours, RFC 6455 section 4.4),
    431 for too many or too long headers, 503 while the server is about to stop.

    Args:
        head: the whole request head, with its empty line.
        origins: what ``Origin`` may be, as `ServerProtocol` takes it; None for anything.
    """
    protocol = ServerProtocol(origins=origins, select_subprotocol=_select_subprotocol)
    protocol.receive_data(head)
    request = next(iter(protocol.events_received()), None)
    if not isinstance(request, Request):
        if isinstance(protocol.handshake_exc, InvalidMessage):  # the library would hang up; say why
            return Handshake(plain_response(b"400 Bad Request", f"{protocol.handshake_exc}.\n".encode()))
        return Handshake(b"".join(protocol.data_to_send()))
    try:
        address = urlsplit(request.path)
    except ValueError:  # such as //[
        return Handshake(plain_response(b"400 Bad Request", b"This is no address.\n"))
    dialect = BY_PATH.get(address.path)
    if dialect is None:
        response = protocol.reject(http.HTTPStatus.NOT_FOUND, "There is no WebSocket at this path.\n")
    elif draining:
        response = protocol.reject(http.HTTPStatus.SERVICE_UNAVAILABLE, "The server is about to stop.\n")
        response.headers["Retry-After"] = "2"
    else:
        response = protocol.accept(request)
        _name_the_version(response, protocol.handshake_exc)
    protocol.send_response(response)
    data = b"".join(protocol.data_to_send())
    if response.status_code != 101 or dialect is None:
        return Handshake(data)
    return Handshake(data, NATIVE if protocol.subprotocol else dialect, address.query)


def _select_subprotocol(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


def _name_the_version(response: Response, error: Exception | None) -> None:
    if isinstance(error, InvalidHeader) and error.name == "Sec-WebSocket-Version" and error.value:
        response.status_code, response.reason_phrase = 426, "Upgrade Required"
        response.headers["Sec-WebSocket-Version"] = "13"
