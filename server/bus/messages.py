"""The messages in what a NATS server sends, delivered as they arrive; all else is for the NATS client.

The client would read them in a task that a stream reader wakes, and try regular expressions one after the other. At 150
packets a second, when no code is in the CPU's caches, that is a large part of what a packet costs (measured).

The format: https://docs.nats.io/reference/reference-protocols/nats-protocol.
"""

from collections.abc import Callable

_OPERATIONS = (b"MSG ", b"HMSG ")
_LINE_BYTES = 4096
"""The longest line of a message, as in the client."""
_MOST_BYTES = 64 << 20
"""The largest payload, with headers, that a NATS server can be configured to accept."""


class OversizeError(Exception):
    """The server announces a message that no NATS server sends."""


class Messages:
    """The messages of one connection.

    Args:
        arrived: called with the payload of each message. Must not raise. Messages with headers are skipped: nodes send
            none.
    """

    def __init__(self, arrived: Callable[[bytes], object]) -> None:
        self._arrived = arrived
        self._begun = bytearray()  # a message that has not arrived as a whole
        self._needed = 0  # its size, if that is known
        self._in_line = False  # the last data ended within a line for the client

    def feed(self, data: bytes) -> bytes:
        """Deliver the messages that this data completes; return what is for the client.

        Raises:
            OversizeError: end the connection: what comes would be kept in memory.
        """
        if self._begun:
            self._begun += data
            if len(self._begun) < self._needed:
                return b""
            data = bytes(self._begun)
            self._begun.clear()
        others = b""
        at = 0
        while at < len(data):
            if self._in_line or not data.startswith(_OPERATIONS, at):
                if not self._in_line and _may_become_message(data[at : at + 5]):
                    self._keep(data[at:], 0)
                    break
                end = data.find(b"\n", at) + 1
                self._in_line = not end
                end = end or len(data)
                others += data[at:end]
                at = end
                continue
            end = data.find(b"\r\n", at, at + _LINE_BYTES)
            if end < 0 and len(data) - at < _LINE_BYTES:
                self._keep(data[at:], 0)
                break
            words = data[at:end].split()
            if end < 0 or len(words) < 4 or not words[-1].isdigit():
                self._in_line = True  # the client reports it
                continue
            begin = end + 2
            end = begin + int(words[-1])
            if end - begin > _MOST_BYTES:
                raise OversizeError
            if end + 2 > len(data):
                self._keep(data[at:], end + 2 - at)
                break
            if words[0] == b"MSG":
                self._arrived(data[begin:end])
            at = end + 2
        return others

    def _keep(self, begun: bytes, needed: int) -> None:
        self._begun += begun
        self._needed = needed


def _may_become_message(data: bytes) -> bool:
    return any(operation.startswith(data) for operation in _OPERATIONS)
