"""The PROXY header, byte by byte; the examples are those of haproxy's document."""

import socket
import struct

import pytest

from server.access.proxy_protocol import V2_BYTES, ProxyHeader, read_proxy_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(family: int, body: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


IPV4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 56324, 443)
IPV6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + socket.inet_pton(socket.AF_INET6, "::1")
    + struct.pack("!HH", 1, 2)
)
MAPPED = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1") + IPV6[16:]
TLV = b"\x04\x00\x03abc" + b"\x20\x00\x05\x01\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n", "192.0.2.1"),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
        (b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN " + b"f" * 80 + b"\r\n", None),
        (v2(0x11, IPV4), "192.0.2.1"),
        (v2(0x12, IPV4), "192.0.2.1"),
        (v2(0x21, IPV6), "2001:db8::1"),
        (v2(0x21, MAPPED), "192.0.2.1"),
        (v2(0x11, IPV4 + TLV), "192.0.2.1"),
        (v2(0x21, IPV6 + TLV * 100), "2001:db8::1"),
        (v2(0x31, b"/run/x".ljust(108, b"\0") * 2), None),
        (v2(0x00, b""), None),
        (v2(0x00, TLV), None),
        (v2(0x11, IPV4, command=0x20), None),  # LOCAL: a health check of the proxy's own
        (v2(0x00, b"", command=0x20), None),
    ],
)
def test_a_header_may_arrive_in_any_number_of_pieces(header: bytes, source: str | None) -> None:
    for end in range(len(header)):
        assert read_proxy_header(header[:end]) is None
    assert read_proxy_header(bytearray(header + b"GET / HTTP/1.1\r\n\r\n")) == ProxyHeader(len(header), source)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\nGET",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 65536\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 -1 443\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 \r\n",
        b"PROXY TCP4 2001:db8::1 ::1 56324 443\r\n",
        b"PROXY TCP6 192.0.2.1 10.0.0.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.256 10.0.0.1 56324 443\r\n",
        b"PROXY TCP5 192.0.2.1 10.0.0.1 56324 443\r\n",
        b"PROXY \xff\xfe\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWN" + b" " * 100,
        b"proxy tcp4 192.0.2.1 10.0.0.1 56324 443\r\n",
        v2(0x11, IPV4, command=0x11),
        v2(0x11, IPV4, command=0x22),
        v2(0x11, IPV4[:-1]),
        v2(0x21, IPV4),
        v2(0x11, b"\0" * V2_BYTES),
    ],
)
def test_an_invalid_header_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_proxy_header(data)
