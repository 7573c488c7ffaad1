"""The address of a client: the peer of the connection, or the address that a trusted proxy forwards.

Anyone can write a forwarded address into a header, so only entries that trusted proxies added count: entries are read
from the right, where each proxy appends its peer, up to the first address that is not a trusted proxy.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

log = logging.getLogger(__name__)

# The allowed values of FORWARDED_HEADER, by their names in lower case.
FORWARDED_HEADERS = {name.lower(): name for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")}
# The longest chain of proxies, and the most characters of their headers, that are read: a client may send any number.
MOST_PROXIES = 16
MOST_CHARS = 4096
# A provider assigns at least this prefix to a customer (RFC 6177): single addresses of it cost a client nothing.
IPV6_PREFIX = 64
# The peer of a connection to a Unix socket. Always a trusted proxy: the mode of the socket says which programs connect.
LOCAL = "unix"

Network = IPv4Network | IPv6Network
# The values of a header of a request by its name, one per line.
Headers = Callable[[str], Sequence[str]]

_LINE = r"\r?\n%s[ \t]*:[ \t]*([^\r\n]*)"
_PORT = re.compile(r"(\[[^\]]*\]|[0-9.]+):[0-9]{1,5}")
_PARAMETER = re.compile(r'(?<![A-Za-z])([A-Za-z]++)[ \t]*+=[ \t]*+("[^"]*+"|[^;," \t]*+)')
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


class Client(NamedTuple):
    """The client that sent a request.

    Attributes:
        address: as text, for logs; "" if it is unknown.
        network: the unit of limits by address: an IPv4 address, or an IPv6 /64. "" for a trusted proxy that forwards no
            address: limits do not apply to it.
        scheme: how the client reached the outermost proxy, ``http`` or ``https``; None unless a trusted proxy says so.
        host: the host that the client requested from the outermost proxy; None unless a trusted proxy says so and
            forwarded hosts are enabled.
    """

    address: str
    network: str
    scheme: str | None = None
    host: str | None = None


class Addresses:
    """Finds the addresses of clients, according to the settings: new settings need a new object.

    Args:
        trusted: networks of trusted proxies, from `trusted_networks`.
        header: one of `FORWARDED_HEADERS`.
        forwarded_host: whether to use the host that a trusted proxy forwards.

    Attributes:
        trusts: whether an address is that of a trusted proxy.
    """

    def __init__(
        self, trusted: Sequence[Network] = (), header: str = "X-Forwarded-For", *, forwarded_host: bool = False
    ) -> None:
        self._networks = tuple(trusted)
        self._header = header
        self._forwarded_host = forwarded_host
        self._warns = not self._networks  # of a proxy that is not trusted, once
        self.trusts = lru_cache(1024)(self._is_trusted)

    def may_forward(self, peer: str) -> bool:
        """Return whether a peer may send a PROXY header: any peer, unless trusted proxies are set."""
        return not self._networks or self.trusts(peer)

    def peer(self, address: str) -> Client:
        """Return the peer of a connection as a client, before any request."""
        return Client("" if address == LOCAL else address, "" if self.trusts(address) else network_of(address))

    def client(self, peer: str, headers: Headers) -> Client:
        """Return the client that sent a request with these headers on a connection from ``peer``.

        An entry that cannot be parsed or hides the address (``unknown``, ``_hidden``) ends the chain: the address
        before it counts.
        """
        if not self.trusts(peer):
            if self._warns and _is_private(peer) and headers(self._header):
                self._warns = False
                log.warning(
                    "requests of %s have %s, as of a proxy, and TRUSTED_PROXIES is not set: all clients behind it have"
                    " its address, and share its limits",
                    peer,
                    self._header,
                )
            return Client(peer, network_of(peer))
        address, hops = "" if peer == LOCAL else peer, 0
        scheme = host = None
        for entry in _entries(headers(self._header)):
            hops += 1
            node = entry
            if self._header == "Forwarded":
                parameters = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(entry)}
                scheme = parameters.get("proto", scheme)
                host = parameters.get("host", host)
                node = parameters.get("for", "")
            named = _node(node)
            if named is None:
                break
            address = named
            if not self.trusts(address):
                break
        scheme = scheme or _of_the_client(headers("X-Forwarded-Proto"), hops)
        if self._forwarded_host:
            host = host or _of_the_client(headers("X-Forwarded-Host"), hops)
        return Client(
            address,
            "" if self.trusts(address) else network_of(address),
            _SCHEMES.get(scheme.lower()) if scheme else None,
            host if host and self._forwarded_host and _HOST.fullmatch(host) else None,
        )

    def _is_trusted(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        if address == LOCAL:
            return True
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks if network.version == ip.version)


@lru_cache(4096)
def _is_private(address: str) -> bool:
    """Whether an address is one of a network without the internet, as a proxy in front of this server would have."""
    plain = plain_address(address)
    return plain is not None and ip_address(plain).is_private


def trusted_networks(text: str) -> tuple[Network, ...]:
    """Parse addresses and networks, separated by commas. Raises ValueError."""
    return tuple(_unmapped(ip_network(part.strip(), strict=False)) for part in text.split(",") if part.strip())


def _unmapped(network: Network) -> Network:
    """Convert an IPv4-mapped network (::ffff:10.0.0.0/104) to IPv4."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def plain_address(text: str) -> str | None:
    """Return the canonical form of an address: IPv4-mapped as IPv4, without a zone. None if it is invalid."""
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


@lru_cache(4096)
def network_of(address: str) -> str:
    """Return the network of an address: itself, or its /64; "" if it is invalid."""
    plain = plain_address(address)
    if plain is None or ":" not in plain:
        return plain or ""
    return str(ip_network(f"{plain}/{IPV6_PREFIX}", strict=False))


def values_in(head: bytes) -> Headers:
    """Return the headers of a complete request head."""
    return lambda name: re.findall(_LINE % re.escape(name), head.decode("latin-1"), re.IGNORECASE)


def _entries(lines: Sequence[str]) -> Iterator[str]:
    """Yield the entries of a list over several lines from the right, split at commas outside of quotes.

    Quotes are matched from the right too, so a quote that a client left open hides no entry that a proxy added.
    """
    entry, seen = "", 0
    for part in reversed(",".join(lines)[-MOST_CHARS:].rsplit(",", 4 * MOST_PROXIES)):
        entry = f"{part},{entry}" if entry else part
        if entry.count('"') % 2 == 0:
            yield entry.strip(" \t")
            entry, seen = "", seen + 1
            if seen == MOST_PROXIES:
                return


def _node(text: str) -> str | None:
    """Return the address in an entry: ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1`` or ``[2001:db8::1]:80``."""
    text = text.strip('"')
    if match := _PORT.fullmatch(text):
        text = match[1]
    return plain_address(text.removeprefix("[").removesuffix("]"))


def _of_the_client(lines: Sequence[str], hops: int) -> str | None:
    """Each proxy may add one value to this list. Return the one that the outermost trusted proxy added."""
    values = [value for value, _ in zip(_entries(lines), range(max(hops, 1)), strict=False)]
    return values[-1] if values else None
