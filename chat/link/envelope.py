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
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple, Protocol

from chat.link.link import Packet

LINK_VERSION = 1
"""Nodes of another version do not understand each other's packets, and form no link."""
NODE_BYTES = 8
EVERYONE = bytes(NODE_BYTES)
"""The receiver of a packet that is for every node."""

_HEADER = Struct(f"!BB{NODE_BYTES}sI{NODE_BYTES}sIQQQB")
_PLAIN, _SEALED = 0, 1
_CODE_BYTES = 16
_BODY_AT = _HEADER.size + _CODE_BYTES
MOST_BYTES_ADDED = _HEADER.size + 40
"""Bytes of a message on the bus besides the body, at most: a sealer adds 40."""


class Address(NamedTuple):
    """One life of a node.

    Attributes:
        node: `NODE_BYTES` random bytes, chosen at the start of its process.
        generation: raised by the node when the others have given it up: its earlier links are over.
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
    """

    def __init__(self, installation: bytes, key: bytes, sealer: Sealer | None = None) -> None:
        # The length keeps the installation and what follows apart.
        self._context = len(installation).to_bytes(2) + installation
        self._code = blake2b(self._context, digest_size=_CODE_BYTES, key=key, person=b"parley link")
        self._sealer = sealer
        self._kind = _PLAIN if sealer is None else _SEALED

    def pack(self, sender: Address, receiver: Address, count: int, packet: Packet) -> bytes:
        """Return what travels on the bus.

        Args:
            sender, receiver: their addresses; `EVERYONE` with any generation stands for all nodes.
            count: how many packets the sender's address has packed, this one included: never the same twice.
            packet: the packet of the link.
        """
        header = _HEADER.pack(
            LINK_VERSION, self._kind, *sender, *receiver, count, packet.number, packet.received, packet.flags
        )
        if self._sealer is not None:
            return header + self._sealer.seal(packet.body, self._context + header)
        return b"".join((header, self._code_of(header, packet.body), packet.body))

    def unpack(self, data: bytes) -> tuple[Address, Address, int, Packet]:
        """Return the sender, the receiver, the count and the packet.

        Raises:
            NotFromHere: see there.
        """
        if len(data) < _HEADER.size:
            raise NotFromHere("it is too short")
        version, kind, node, generation, to_node, to_generation, count, number, received, flags = _HEADER.unpack_from(
            data
        )
        if version != LINK_VERSION:
            raise NotFromHere(f"it has link version {version}, and this node has {LINK_VERSION}")
        if kind != self._kind:
            raise NotFromHere(
                "it is encrypted, and this node has NATS_ENCRYPT=off"
                if kind == _SEALED
                else "it is not encrypted, and this node has NATS_ENCRYPT=on"
            )
        header = data[: _HEADER.size]
        if self._sealer is not None:
            opened = self._sealer.open(data[_HEADER.size :], self._context + header)
            if opened is None:
                raise NotFromHere("it was made with another key or for another database, or was changed")
            body = opened
        else:
            body = data[_BODY_AT:]
            if not hmac.compare_digest(data[_HEADER.size : _BODY_AT], self._code_of(header, body)):
                raise NotFromHere("it was made with another key or for another database, or was changed")
        packet = Packet(number, received, flags, body)
        return Address(node, generation), Address(to_node, to_generation), count, packet

    def _code_of(self, header: bytes, body: bytes) -> bytes:
        code = self._code.copy()
        code.update(header)
        code.update(body)
        return code.digest()
