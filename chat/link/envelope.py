"""How a packet travels on the bus: addressed, counted, and with a code that only servers of one installation can make.

The bus is shared: a program that may publish there could otherwise open a session for any user. The code covers
everything that tells one packet from another: the installation, the version of the protocol, both nodes and their
generations, the count, the number and the direction. So a packet cannot be sent to another node or to a later
generation, back to its sender, or to another installation; `freshness.Freshness` refuses one that is sent again.

With a `Sealer` the body is encrypted too, and the sealer's tag takes the place of the code.

CPU in microseconds on Python 3.11, for a body of so many bytes; the link includes encoding and decoding one operation:

======================  =======  =======  ========  =========
bytes of body               100    1,000    10,000    100,000
======================  =======  =======  ========  =========
pack + unpack               2.7      4.9        25        220
the same, encrypted          11       13        26        170
`link.Link`, both ends      3.8      4.0       7.6         67
======================  =======  =======  ========  =========
"""

import hmac
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple, Protocol

from chat.link.link import Packet

LINK_VERSION = 2
"""Nodes of different versions form no link. Raise it in a release that changes packets, greetings, operations, or the
records in them, such as commands and HTTP requests: a packet that cannot be decoded is lost."""
NODE_BYTES = 8
EVERYONE = bytes(NODE_BYTES)
"""The receiver of a packet that is for every node."""

# A header: the version of the link and the kind, the route, and the rest.
_ROUTE = Struct(f"!{NODE_BYTES}sI{NODE_BYTES}sI")
_REST = Struct("!QQQB")
_ROUTE_AT = 2
_REST_AT = _ROUTE_AT + _ROUTE.size
_HEADER_BYTES = _REST_AT + _REST.size
_PLAIN, _SEALED = 0, 1
_CODE_BYTES = 16
_BODY_AT = _HEADER_BYTES + _CODE_BYTES
MOST_BYTES_ADDED = _HEADER_BYTES + 40
"""Bytes of a message on the bus besides the body, at most: a sealer adds 40."""


class Address(NamedTuple):
    """One end of a link between two nodes.

    Attributes:
        node: `NODE_BYTES` random bytes, chosen at the start of its process.
        generation: of its links with the other node, from 1; raised when that one has given it up: the earlier link is
            over. 0 in what is for all nodes.
    """

    node: bytes
    generation: int


class NotFromHere(Exception):
    """The packet was not made by a server of this installation with this version, or was changed on the way.

    The text says what is wrong, and is one of few: log it once per text.
    """


class Sealer(Protocol):
    """Encrypts bodies with a key that every server of the installation has: authenticated, with associated data."""

    def seal(self, body: bytes, header: bytes) -> bytes:
        """Return the encrypted body with what is needed to open it, at most 40 bytes; ``header`` is not included."""

    def open(self, sealed: bytes, header: bytes) -> bytes | None:
        """Return the body; None if it was not sealed with this key and this header, or was changed."""


class Envelope:
    """Packs and unpacks what one installation puts on the bus.

    Args:
        installation: the identity of the database.
        key: 32 secret bytes that every server of the installation has, and no one else.
        sealer: encrypts the bodies; None leaves them readable. All nodes must agree.

    Attributes:
        fingerprint: of the key, 8 characters for operators to compare. As any packet does, it tells a stranger only
            whether a guess at the key is wrong.
    """

    def __init__(self, installation: bytes, key: bytes, sealer: Sealer | None = None) -> None:
        # The length keeps the installation and what follows apart.
        self._context = len(installation).to_bytes(2) + installation
        self._code = blake2b(self._context, digest_size=_CODE_BYTES, key=key, person=b"parley link")
        self._sealer = sealer
        self._start = bytes((LINK_VERSION, _PLAIN if sealer is None else _SEALED))
        self.fingerprint = blake2b(digest_size=4, key=key, person=b"parley key name").hexdigest()

    def pack(self, sender: Address, receiver: Address, count: int, packet: Packet) -> bytes:
        """Return what travels on the bus.

        Args:
            sender, receiver: their addresses; `EVERYONE` with any generation stands for all nodes.
            count: how many packets the sender's address has packed, this one included: never the same twice.
            packet: the packet of the link.
        """
        header = (
            self._start + _route(sender, receiver) + _REST.pack(count, packet.number, packet.received, packet.flags)
        )
        if self._sealer is not None:
            return header + self._sealer.seal(packet.body, self._context + header)
        return header + self._code_of(header, packet.body) + packet.body

    def unpack(self, data: bytes) -> tuple[Address, Address, int, Packet]:
        """Return the sender, the receiver, the count and the packet.

        Raises:
            NotFromHere: see there.
        """
        if not data.startswith(self._start) or len(data) < _HEADER_BYTES:
            raise self._other(data)
        header = data[:_HEADER_BYTES]
        if self._sealer is not None:
            opened = self._sealer.open(data[_HEADER_BYTES:], self._context + header)
            if opened is None:
                raise self._foreign()
            body = opened
        else:
            body = data[_BODY_AT:]
            if not hmac.compare_digest(data[_HEADER_BYTES:_BODY_AT], self._code_of(header, body)):
                raise self._foreign()
        sender, receiver = _addresses(header[_ROUTE_AT:_REST_AT])
        count, number, received, flags = _REST.unpack_from(header, _REST_AT)
        return sender, receiver, count, Packet(number, received, flags, body)

    def _foreign(self) -> NotFromHere:
        # Any program may have sent it, so it proves nothing about the other nodes: the operator has to compare.
        return NotFromHere(
            "it was made with another key or for another database, or was changed; the key here has the fingerprint "
            f"{self.fingerprint}: if the log of another node shows a different one, SERVER_SECRET differs, and must be "
            "the same on all nodes, or unset on all"
        )

    def _other(self, data: bytes) -> NotFromHere:
        if len(data) < _HEADER_BYTES:
            return NotFromHere("it is too short")
        if data[0] != LINK_VERSION:
            return NotFromHere(f"it has link version {data[0]}, and this node has {LINK_VERSION}")
        return NotFromHere(
            "it is encrypted, and this node has NATS_ENCRYPT=off"
            if data[1] == _SEALED
            else "it is not encrypted, and this node has NATS_ENCRYPT=on"
        )

    def _code_of(self, header: bytes, body: bytes) -> bytes:
        code = self._code.copy()
        code.update(header)
        code.update(body)
        return code.digest()


# Of nodes there are few, and an address costs as much as the rest of a header: cached, half as much (measured).
@lru_cache(1000)
def _route(sender: Address, receiver: Address) -> bytes:
    return _ROUTE.pack(*sender, *receiver)


@lru_cache(1000)
def _addresses(route: bytes) -> tuple[Address, Address]:
    node, generation, to_node, to_generation = _ROUTE.unpack(route)
    return Address(node, generation), Address(to_node, to_generation)
