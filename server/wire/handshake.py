"""The opening handshake (RFC 6455 section 4.2): a request head in, a response out. The `websockets` library decides."""

import http
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chat.ports import Dialect, Identity
from model.errors import ParleyError
from server.access.origins import Origins, own_origin
from server.auth.cookies import MARK, counts_cookie
from server.codec.frames import EVERY, UPGRADE, plain_response
from server.dialects import ACCOUNTS_ONLY, NATIVE, PATHS, SUBPROTOCOL
from utils.tracebacks import forget_frames

# The heads that browsers and programs send: printable ASCII, CRLF, no folding. The library parses longer ones.
COMMON_BYTES = 4096
_COMMON_HEAD = re.compile(
    rb"GET (/[A-Za-z0-9/_.-]*+)(?:\?([!-\"$-~]*+))? HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]{1,64}+:[\t\x20-\x7e]*+\r\n){1,64}+)\r\n"
)
# Headers that the library decides on.
_ODD = frozenset({b"authorization", b"content-length", b"transfer-encoding"})
# Any valid head (RFC 9112 sections 3 and 5).
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TARGET = re.compile(rb"[^ \r\n]+ ([^ ?#\r\n]*)")
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) (HTTP/\d\.\d)\r\n" % _TOKEN)
_FIELD = re.compile(rb"(%b):([\t\x20-\x7e\x80-\xff]*)\r\n" % _TOKEN)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::\d*)?")
_UPGRADES = frozenset({b"upgrade", b"keep-alive, upgrade"})
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")  # 16 bytes in canonical base64
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_SUBPROTOCOL = SUBPROTOCOL.encode()
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
_WITH_SUBPROTOCOL = b"\r\nSec-WebSocket-Protocol: " + _SUBPROTOCOL + b"\r\n\r\n"


# Why the library refuses a request, by the status of its answer.
_REFUSALS = {404: "not_found", 405: "method", 426: "version", 431: "too_large"}
# `server.auth.tokens.authenticate`, with the values of ``Authorization``, those of ``Cookie`` if they count, and
# whether an account is required.
Authenticate = Callable[[Sequence[str], Sequence[str], bool], Identity | None]


class Handshake(NamedTuple):
    """The response to a handshake.

    Attributes:
        dialect: the dialect to speak, None if the request was refused.
        path, query: of the address.
        identity: the identity that the request's token proves, None without a token.
        refusal: why it was refused, one of `server.metrics.counts.REFUSALS`; "" if it was not.
    """

    response: bytes
    dialect: Dialect | None = None
    path: str = ""
    query: str = ""
    identity: Identity | None = None
    refusal: str = ""


def names_websocket(head: bytearray) -> bool:
    """Return whether a request is for a path with a WebSocket; others ignore `Upgrade` (RFC 9110 section 7.8)."""
    match = _TARGET.match(head)
    target = match[1].decode("latin-1") if match else ""
    if not target.startswith("/"):  # the absolute form, as in requests to a proxy
        try:
            target = urlsplit(target).path
        except ValueError:  # such as http://[
            return False
    return target in PATHS


def shake_hands(
    head: bytes,
    *,
    dialects: Mapping[str, Dialect],
    origins: Origins,
    draining: bool,
    authenticate: Authenticate,
    public_origin: str = "",
    scheme: str | None = None,
    host: str | None = None,
) -> Handshake:
    """Answer a request to upgrade.

    Refusals: 404 for a path without WebSocket, 405 for a method other than GET, 400 for a malformed request (the key,
    a missing header, no or two `Host`, a body), 403 for an origin that is not allowed, 426 for another version (with
    the supported one, RFC 6455 section 4.4), 431 for too many headers, 503 while the server is shutting down. After
    these checks 401 for an invalid token, or a missing one if it is required, 403 for a role that is not allowed, and
    503 for a guest's token that cannot be verified yet.

    Args:
        head: the complete request head, with its empty line, within ``HEAD_BYTES``.
        dialects: the dialect of each path, for clients that do not offer the subprotocol.
        origins: the allowed values of ``Origin``, in addition to the server's own and a missing one.
        authenticate: raises ParleyError if the token does not allow the request.
        public_origin: the origin of the server's own pages; if "", it follows from ``scheme`` and ``host``.
        scheme, host: those of the client's request, if a trusted proxy forwards them; ``http`` and ``Host`` otherwise.
    """
    if not draining and (accepted := _accept_common(head, dialects, origins)) is not None:
        return accepted
    protocol = ServerProtocol(
        select_subprotocol=lambda _, offered: Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None
    )

    def own(request: Request) -> str:
        return public_origin or own_origin(scheme or "http", host or request.headers["Host"])

    try:
        return _answer(protocol, head, dialects, draining, authenticate, origins, own)
    finally:
        let_go(protocol)


def let_go(protocol: ServerProtocol) -> None:
    """Break the library's reference cycles: its suspended parser, a bound method of it, and exceptions with frames."""
    protocol.parser.close()
    vars(protocol).pop("select_subprotocol", None)
    forget_frames(protocol.parser_exc)
    forget_frames(protocol.handshake_exc)


def _answer(
    protocol: ServerProtocol,
    head: bytes,
    dialects: Mapping[str, Dialect],
    draining: bool,
    authenticate: Authenticate,
    origins: Origins,
    own: Callable[[Request], str],
) -> Handshake:
    try:
        request = _read(head)
        address = urlsplit(request.path)
    except ValueError as error:  # for example for the address //[
        return Handshake(plain_response(b"400 Bad Request", f"{error}.\n".encode()), refusal="malformed")
    refusal = ""
    dialect = dialects.get(address.path)
    if dialect is None:
        response = protocol.reject(http.HTTPStatus.NOT_FOUND, "There is no WebSocket at this path.\n")
    elif draining:
        response = protocol.reject(http.HTTPStatus.SERVICE_UNAVAILABLE, "The server is shutting down.\n")
        refusal = "stopping"
        response.headers["Retry-After"] = "2"
    else:
        response = protocol.accept(request)
        _name_the_version(response, protocol.handshake_exc)
        if response.status_code == 101 and not all(
            origins.allows(origin, own(request))
            for origin in request.headers.get_all("Origin")  # one at most
        ):
            response = protocol.reject(http.HTTPStatus.FORBIDDEN, "Pages of this origin may not connect.\n")
            refusal = "origin"
    identity = None
    if response.status_code == 101:
        try:
            headers = request.headers
            cookies = headers.get_all("Cookie")
            if cookies and not counts_cookie("GET", headers.get_all, own(request), upgrades=True):
                cookies = []
            identity = authenticate(headers.get_all("Authorization"), cookies, address.path in ACCOUNTS_ONLY)
        except ParleyError as error:
            response = protocol.reject(http.HTTPStatus(error.kind.status), f"{error.message}\n")
            refusal = error.code
            if response.status_code == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
            if error.retry_after is not None:
                response.headers["Retry-After"] = f"{error.retry_after:.0f}"
    if response.status_code != 101 or dialect is None:
        response.headers.update(EVERY)
        if response.status_code == 426:
            for name, value in UPGRADE.items():
                _set(response.headers, name, value)
        refusal = refusal or _REFUSALS.get(response.status_code, "malformed")
        return Handshake(response.serialize(), refusal=refusal)
    chosen = NATIVE if protocol.subprotocol else dialect
    return Handshake(response.serialize(), chosen, address.path, address.query, identity)


def _read(head: bytes) -> Request:
    """Parse a request head. The library's own parser takes its limits from environment variables alone.

    Raises:
        ValueError: it is malformed, has a body, or not exactly one `Host`; a sentence without a full stop.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise ValueError("This is not an HTTP/1.1 request line")
    fields: list[tuple[str, str]] = []
    end = line.end()
    while field := _FIELD.match(head, end):
        fields.append((field[1].decode(), field[2].decode("latin-1").strip(" \t")))
        end = field.end()
    if head[end:] != b"\r\n":
        raise ValueError("A header line is malformed")
    headers = Headers(fields)
    hosts = headers.get_all("Host")
    if len(hosts) != 1 or not is_host(hosts[0]):
        raise ValueError("A request must have exactly one Host")
    if "Transfer-Encoding" in headers or not set(headers.get_all("Content-Length")) <= {"0"}:
        raise ValueError("An upgrade request cannot have a body")
    wanted = [one.strip().lower() for value in headers.get_all("Upgrade") for one in value.split(",")]
    if "websocket" in wanted:  # the server may choose one of a list; the library expects only this one
        _set(headers, "Upgrade", "websocket")
    if headers.get_all("Sec-WebSocket-Protocol") == [""]:
        del headers["Sec-WebSocket-Protocol"]  # the library refuses an empty list
    return Request(line[2].decode(), headers, line[1].decode(), line[3].decode())


def _set(headers: Headers, name: str, value: str) -> None:
    """Replace a header: assigning to the library's headers adds one."""
    if name in headers:
        del headers[name]
    headers[name] = value


def is_host(value: str) -> bool:
    """Return whether a value of `Host` is valid (RFC 9112 section 3.2, RFC 3986 section 3.2.2); it may be empty."""
    return _HOST.fullmatch(value) is not None


def _accept_common(head: bytes, dialects: Mapping[str, Dialect], origins: Origins) -> Handshake | None:
    """Accept an ordinary request with the library's own response, in a fifth of its time.

    Return None for a request that may have to be refused, repeats a header or is unusual: the library decides on it.
    """
    match = _COMMON_HEAD.fullmatch(head) if len(head) <= COMMON_BYTES else None
    if match is None:
        return None
    lines = match[3].split(b"\r\n")[:-1]
    headers: dict[bytes, bytes] = {}
    for line in lines:  # in half of the time that a regular expression takes
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    key = headers.get(b"sec-websocket-key", b"")
    origin = headers.get(b"origin")
    path = match[1].decode()
    dialect = dialects.get(path)
    if (
        dialect is None
        or len(headers) != len(lines)
        or not _ODD.isdisjoint(headers)
        or path in ACCOUNTS_ONLY
        or MARK in headers.get(b"cookie", b"")
        or headers.get(b"upgrade", b"").lower() != b"websocket"
        or headers.get(b"connection", b"").lower() not in _UPGRADES
        or headers.get(b"sec-websocket-version") != b"13"
        or _KEY.fullmatch(key) is None
        or not (origin is None or origins.allows(origin.decode(), ""))  # the library's path checks the server's own
        or not is_host(headers.get(b"host", b" ").decode())
    ):
        return None
    offered = headers.get(b"sec-websocket-protocol")
    if offered not in (None, _SUBPROTOCOL):
        return None
    accept = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
    response = b"".join((_SWITCHING, accept, b"\r\n\r\n" if offered is None else _WITH_SUBPROTOCOL))
    return Handshake(response, dialect if offered is None else NATIVE, path, (match[2] or b"").decode())


def parameters_in(query: str) -> dict[str, str]:
    """Return the first value of each name in a query; empty values are left out."""
    if "%" in query or "+" in query:
        return {name: values[0] for name, values in parse_qs(query, errors="replace").items()}
    pairs = (pair.partition("=") for pair in reversed(query.split("&")))  # in a tenth of the time
    return {name: value for name, _, value in pairs if value}


def _name_the_version(response: Response, error: Exception | None) -> None:
    if isinstance(error, InvalidHeader) and error.name == "Sec-WebSocket-Version" and error.value:
        response.status_code, response.reason_phrase = 426, "Upgrade Required"
        response.headers["Sec-WebSocket-Version"] = "13"
