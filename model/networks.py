"""The rules for addresses and networks that operators block."""

from ipaddress import IPv6Network, ip_network

from model.errors import ParleyError
from model.limits import REASON_CHARS

# The widest networks that can be blocked: a slip of the hand must not block half of the Internet.
_WIDEST = {4: 8, 6: 24}
_MAPPED = IPv6Network("::ffff:0:0/96")


def check_network(text: str, field: str = "network") -> str:
    """Return an address or a network in its one form: ``192.0.2.7``, ``192.0.2.0/24``, ``2001:db8::/32``.

    Bits behind the prefix are cleared, and an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2) is an IPv4 address.

    Raises:
        ParleyError: ``bad_field`` naming ``field`` for anything else, and for a network wider than /8, or /24 for IPv6.
    """
    try:
        if len(text) > REASON_CHARS or "%" in text:  # a zone belongs to one machine
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        raise _refused(field, "must be an IP address, or a network such as 192.0.2.0/24") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        network = ip_network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - 96))
    if network.prefixlen < _WIDEST[network.version]:
        raise _refused(field, f"must not be wider than /{_WIDEST[network.version]}")
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def is_network(text: str) -> bool:
    """Whether `check_network` would accept it."""
    try:
        check_network(text)
    except ParleyError:
        return False
    return True


def _refused(field: str, why: str) -> ParleyError:
    return ParleyError("bad_field", f"{field} {why}", field=field)
