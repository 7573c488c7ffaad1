"""The web pages that may use the server: `ALLOWED_ORIGINS`, for HTTP and WebSocket alike.

A browser sends the origin of a page in ``Origin`` (RFC 6454): scheme and host in lower case, the host in ASCII, no
default port, no trailing slash. Programs send no origin, and are always allowed.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from yarl import URL

from server.codec.decoding import ReadError

ANY = "*"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Origins:
    """The origins that are allowed in addition to the server's own. Immutable.

    Args:
        allowed: as `read_origins` reads them.
    """

    def __init__(self, allowed: Iterable[str] = (ANY,)) -> None:
        self._allowed = frozenset(allowed)
        self.any = ANY in self._allowed

    def allows(self, origin: str, own: str) -> bool:
        """Return whether pages of an origin may use the server; ``own`` is the origin of the server's own pages."""
        return self.any or origin in self._allowed or origin == own


def own_origin(scheme: str, host: str) -> str:
    """Return the origin of a page that was requested from ``host``, which may include a port."""
    name, colon, port = host.lower().rpartition(":")
    if colon and port == str(_DEFAULT_PORTS.get(scheme)):
        return f"{scheme}://{name}"
    return f"{scheme}://{host.lower()}"


def read_origins(text: str) -> tuple[str, ...]:
    """Parse origins that are separated by commas, into the form that browsers send.

    Raises:
        ReadError: ``*`` and other origins.
        ValueError: an origin that no browser can send, for example with a path or a wildcard.
    """
    origins = tuple(dict.fromkeys(_as_sent(part.strip()) for part in text.split(",") if part.strip()))
    if ANY in origins and len(origins) > 1:  # the list would allow all origins, though it looks restrictive
        raise ReadError("must be either * or a list of origins: * allows every page")
    return origins


def _as_sent(text: str) -> str:
    if text in (ANY, "null"):
        return text
    url = URL(text)
    scheme, host = url.scheme, (url.raw_host or "").lower()
    if (
        not _SCHEME.fullmatch(scheme)
        or url.raw_path not in ("", "/")
        or url.raw_user is not None
        or not {"@", "?", "#"}.isdisjoint(text)
    ):
        raise ValueError
    if ":" in host:
        host = f"[{IPv6Address(host)}]"
    elif _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        IPv4Address(host)  # browsers parse any host that ends with a number as IPv4, and normalize it
    elif not _HOST.fullmatch(host):
        raise ValueError
    port = url.explicit_port
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{port}"
