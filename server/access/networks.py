"""Networks by the addresses in them: a server may have thousands of blocked ones, and asks for every connection."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from server.access.addresses import Network, plain_address

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


class Networks:
    """Addresses and networks, in the form of `model.networks.check_network`.

    An address is looked up once for each prefix length that occurs, not compared with each network.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        # By the sizes of address and prefix in bits, then by the prefix.
        self._of: dict[tuple[int, int], dict[int, str]] = {}
        for network in networks:
            self.add(network)

    def add(self, network: str) -> None:
        """Add a network. Raises ValueError for anything else."""
        kind, prefix = _key(network)
        self._of.setdefault(kind, {})[prefix] = network

    def discard(self, network: str) -> None:
        """Remove a network, if it is there."""
        kind, prefix = _key(network)
        of = self._of.get(kind, {})
        of.pop(prefix, None)
        if not of:
            self._of.pop(kind, None)

    def containing(self, address: str) -> list[str]:
        """Return the networks that an address is in; none if the address is unknown."""
        if not self._of or (number := _number(address)) is None:
            return []
        bits, value = number
        found = [of.get(value >> bits - length) for (size, length), of in self._of.items() if size == bits]
        return [network for network in found if network is not None]


def own_part(network: str, address: str, proxies: Sequence[Network]) -> str:
    """Return what of an operator's own a network has in it, in words; "" if there is nothing.

    Args:
        network: in the form of `model.networks.check_network`.
        address: from where the operator works; "" if that is unknown.
        proxies: of ``TRUSTED_PROXIES``.
    """
    parsed = ip_network(network)
    if Networks([network]).containing(address):
        return "your own address"
    if any(parsed.version == one.version and parsed.overlaps(one) for one in _LOOPBACK):
        return "this machine itself (loopback), as for health checks and a proxy on it"
    if any(parsed.version == one.version and parsed.overlaps(one) for one in proxies):
        return "an address of TRUSTED_PROXIES"
    return ""


def _key(network: str) -> tuple[tuple[int, int], int]:
    parsed = ip_network(network)
    bits, length = parsed.max_prefixlen, parsed.prefixlen
    return (bits, length), int(parsed.network_address) >> bits - length


@lru_cache(4096)
def _number(address: str) -> tuple[int, int] | None:
    """Return the size of an address in bits, and the address as a number; None if it is invalid."""
    plain = plain_address(address)
    if plain is None:
        return None
    ip = ip_address(plain)
    return ip.max_prefixlen, int(ip)
