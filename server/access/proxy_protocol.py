"""The PROXY protocol, versions 1 and 2: a header before the first byte of HTTP that contains the client's address.

Specification: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
"""

import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from server.access.addresses import plain_address

# The largest header: of version 1, with its line end; and of version 2, with room for two Unix paths and TLVs.
V1_BYTES = 107
V2_BYTES = 4096

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2 = struct.Struct("!12sBBH")
_FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}


class ProxyHeader(NamedTuple):
    """A PROXY header.

    Attributes:
        size: its size in bytes; the client's bytes follow.
        source: the client's address; None for a connection that the proxy made for itself, or one without addresses.
    """

    size: int
    source: str | None


def read_proxy_header(data: bytes | bytearray) -> ProxyHeader | None:
    """Parse the header at the beginning of ``data``; None while it is incomplete.

    Raises:
        ValueError: ``data`` does not begin with a header, or with one that is malformed or too long.
    """
    if data[:12] == _SIGNATURE[: len(data)]:
        return _read_v2(data) if len(data) >= _V2.size else None
    if data[:6] == b"PROXY "[: len(data)]:
        return _read_v1(data)
    raise ValueError("the PROXY header is missing")


def _read_v1(data: bytes | bytearray) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, V1_BYTES)
    if end < 0:
        if len(data) >= V1_BYTES:
            raise ValueError("the PROXY header is too long")
        return None
    words = bytes(data[:end]).decode("ascii").split(" ")  # UnicodeDecodeError is a ValueError
    if words[1:2] == ["UNKNOWN"]:
        return ProxyHeader(end + 2, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ValueError("the PROXY header is malformed")
    _, family, source, destination, *ports = words
    version = IPv4Address if family == "TCP4" else IPv6Address
    for address in (source, destination):
        version(address)  # raises ValueError
    if not all(port.isdecimal() and len(port) <= 5 and int(port) < 1 << 16 for port in ports):
        raise ValueError("the PROXY header is malformed")
    return ProxyHeader(end + 2, plain_address(source))


def _read_v2(data: bytes | bytearray) -> ProxyHeader | None:
    _, version, family, length = _V2.unpack_from(data)
    size = _V2.size + length
    command = version & 0xF
    if version >> 4 != 2 or command > 1:
        raise ValueError("the PROXY header has an unknown version")
    if size > V2_BYTES:
        raise ValueError("the PROXY header is too long")
    if len(data) < size:
        return None
    kind = _FAMILIES.get(family >> 4)
    if command == 0 or kind is None:  # LOCAL; or UNSPEC, or a Unix socket
        return ProxyHeader(size, None)
    ip_family, width = kind
    if length < 2 * width + 4:
        raise ValueError("the PROXY header is malformed")
    return ProxyHeader(size, plain_address(socket.inet_ntop(ip_family, data[_V2.size : _V2.size + width])))
