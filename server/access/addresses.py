"""Where a client comes from: the peer of the connection, or what a trusted proxy says of it.

A forwarded address is what somebody wrote into a header, so only what trusted proxies have added counts: entries are
read from the right, where each proxy appends the peer that it saw, up to the first that is not a trusted proxy itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

# Headers that FORWARDED_HEADER may name, by their names in lower case.
FORWARDED_HEADERS = {name.lower(): name for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")}
# Proxies in one chain, and characters of their headers, that are looked at: a client may have sent any number.
MOST_PROXIES = 16
MOST_CHARS = 4096
# What one provider gives one customer at least (RFC 6177): an address of it costs a client nothing.
IPV6_PREFIX = 64

Network = IPv4Network | IPv6Network
# The values of a header of a request, by its name: one for each line.
Headers = Callable[[str], Sequence[str]]

_LINE = r"\r?\n%s[ \t]*:[ \t]*([^\r\n]*)"
_PORT = re.compile(r"(\[[^\]]*\]|[0-9.]+):[0-9]{1,5}")
_PARAMETER = re.compile(r'(?<![A-Za-z])([A-Za-z]++)[ \t]*+=[ \t]*+("[^"]*+"|[^;," \t]*+)')
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


class Client(NamedTuple):
    """Who sent a request.

    Attributes:
        address: as text, for people to read; "" when it is not known.
        network: what it counts as where something counts by address: an IPv4 address, or an IPv6 /64. "" for what does
            not count: a trusted proxy that says of nobody that it forwards them.
        scheme: how the client reached the outermost proxy, ``http`` or ``https``; None when no trusted proxy says so.
        host: the host that it asked the outermost proxy for; None unless a trusted proxy says so and that counts.
    """

    address: str
    network: str
    scheme: str | None = None
    host: str | None = None


class Addresses:
    """What is trusted in this server. Immutable: other settings make another one.

    Args:
        trusted: networks of proxies, as `trusted_networks` reads them.
        header: one of `FORWARDED_HEADERS`.
        forwarded_host: whether a host that a trusted proxy forwards counts.
    """

    def __init__(
        self, trusted: Sequence[Network] = (), header: str = "X-Forwarded-For", *, forwarded_host: bool = False
    ) -> None:
        self._networks = tuple(trusted)
        self._header = header
        self._forwarded_host = forwarded_host
        self._trusts = lru_cache(1024)(self._is_trusted)

    def trusts(self, address: str) -> bool:
        """Whether a trusted proxy has this address."""
        return bool(self._networks) and self._trusts(address)

    def may_forward(self, peer: str) -> bool:
        """Whether a connection of this peer may begin with a PROXY header: any peer may, unless some are trusted."""
        return not self._networks or self._trusts(peer)

    def peer(self, address: str) -> Client:
        """Who is at the other end of a connection, whatever it will send."""
        return Client(address, "" if self.trusts(address) else network_of(address))

    def client(self, peer: str, headers: Headers) -> Client:
        """Who sent a request with these headers on a connection of ``peer``.

        What cannot be read, and what does not name anybody (``unknown``, ``_hidden``), ends the chain: the last address
        before it counts.
        """
        if not self.trusts(peer):
            return Client(peer, network_of(peer))
        address, hops = peer, 0
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
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks if network.version == ip.version)


def trusted_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas. Raises ValueError."""
    return tuple(_unmapped(ip_network(part.strip(), strict=False)) for part in text.split(",") if part.strip())


def _unmapped(network: Network) -> Network:
    """An IPv4 network in the clothes of IPv6 (::ffff:10.0.0.0/104) as what it is."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def plain_address(text: str) -> str | None:
    """An address in its one spelling: IPv4 in IPv6 is IPv4, and there is no zone. None for what is none."""
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


@lru_cache(4096)
def network_of(address: str) -> str:
    """What an address counts as: itself, or its /64; "" for what is no address."""
    plain = plain_address(address)
    if plain is None or ":" not in plain:
        return plain or ""
    return str(ip_network(f"{plain}/{IPV6_PREFIX}", strict=False))


def values_in(head: bytes) -> Headers:
    """The headers of a request whose head is all there."""
    return lambda name: re.findall(_LINE % re.escape(name), head.decode("latin-1"), re.IGNORECASE)


def _entries(lines: Sequence[str]) -> Iterator[str]:
    """The entries of a list over several lines, from the right, split at commas outside of quotes.

    From the right also inside: a quote that a client left open swallows nothing that a proxy has added behind it.
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
    """The address in an entry such as ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1`` or ``[2001:db8::1]:80``."""
    text = text.strip('"')
    if match := _PORT.fullmatch(text):
        text = match[1]
    return plain_address(text.removeprefix("[").removesuffix("]"))


def _of_the_client(lines: Sequence[str], hops: int) -> str | None:
    """What the outermost trusted proxy has added to a list to which each of them may have added."""
    values = [value for value, _ in zip(_entries(lines), range(max(hops, 1)), strict=False)]
    return values[-1] if values else None
