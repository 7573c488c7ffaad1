"""How a packet travels on the bus: addressed, and with a code that only the servers of one installation can make.

The bus is shared with others: whoever may publish there could otherwise open a session for any user. The code covers
everything that tells one packet from another: the installation, the version of the protocol, both nodes and their
generations, the number and the direction. So a packet cannot be replayed to another node or to a later generation, sent
back to its sender, or moved from one installation to another. A repeated number is ignored by the link itself.
"""

import hmac
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from chat.link.link import Packet

LINK_VERSION = 1
"""Nodes of another version do not understand each other's packets, and form no link."""
NODE_BYTES = 8
EVERYONE = bytes(NODE_BYTES)
"""The receiver of a packet that is for every node."""

_HEADER = Struct(f"!B{NODE_BYTES}sI{NODE_BYTES}sIQQB")
_CODE_BYTES = 16
_BODY_AT = _HEADER.size + _CODE_BYTES


class Address(NamedTuple):
    """One life of a node.

    Attributes:
        node: `NODE_BYTES` random bytes, chosen at the start of its process.
        generation: raised by the node when the others have given it up: its earlier links are over.
    """

    node: bytes
    generation: int


class NotFromHere(Exception):
    """The packet was not made by a server of this installation with this version, or was changed on the way."""


class Envelope:
    """Packs and unpacks what one installation puts on the bus.

    Args:
        installation: the identity of the database.
        key: 32 secret bytes that every server of the installation has, and no one else.
    """

    def __init__(self, installation: bytes, key: bytes) -> None:
        # The length keeps the installation and what follows apart.
        self._code = blake2b(
            len(installation).to_bytes(2) + installation, digest_size=_CODE_BYTES, key=key, person=b"parley link"
        )

    def pack(self, sender: Address, receiver: Address, packet: Packet) -> bytes:
        """Return what travels on the bus."""
        header = _HEADER.pack(LINK_VERSION, *sender, *receiver, packet.number, packet.received, packet.flags)
        return b"".join((header, self._code_of(header, packet.body), packet.body))

    def unpack(self, data: bytes) -> tuple[Address, Address, Packet]:
        """Return the sender, the receiver and the packet.

        Raises:
            NotFromHere: see there.
        """
        if len(data) < _BODY_AT:
            raise NotFromHere("it is too short")
        version, node, generation, to_node, to_generation, number, received, flags = _HEADER.unpack_from(data)
        if version != LINK_VERSION:
            raise NotFromHere(f"it has version {version}, not {LINK_VERSION}")
        body = data[_BODY_AT:]
        if not hmac.compare_digest(data[_HEADER.size : _BODY_AT], self._code_of(data[: _HEADER.size], body)):
            raise NotFromHere("its code is wrong")
        return Address(node, generation), Address(to_node, to_generation), Packet(number, received, flags, body)

    def _code_of(self, header: bytes, body: bytes) -> bytes:
        code = self._code.copy()
        code.update(header)
        code.update(body)
        return code.digest()
