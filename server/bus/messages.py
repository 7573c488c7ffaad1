"""What a NATS server sends, taken apart: messages are delivered as they arrive, other lines are for the NATS client.

The client would read messages in a task that a stream reader wakes, and try regular expressions one after the other. At
150 packets a second, when no code is in the CPU's caches, that is a large part of what a packet costs (measured).

Any program that may publish can choose the bytes of a message. So the client gets only whole lines that are no
messages, each of a form that it takes for one line, too; where anything else arrives, the connection ends. Looking for
the next line there would make lines of messages: an ``INFO`` within one could name a server to which this node would
then send its password.

The format: https://docs.nats.io/reference/reference-protocols/nats-protocol.
"""

import re
from collections.abc import Callable

_OPERATIONS = (b"MSG ", b"HMSG ")
# A server accepts 4096 bytes of what a client publishes before the payload, unless `max_control_line` says otherwise,
# and adds the number of the subscription.
_LINE_BYTES = 1 << 16
# The most that `max_payload` can be: nats-server, server/const.go.
_PAYLOAD_BYTES = 64 << 20
_SIZE_DIGITS = len(str(_PAYLOAD_BYTES))
# What else a server sends. Each is one line for the client's expressions as well, which are less strict.
_FOR_CLIENT = re.compile(rb"(?:PING|PONG|\+OK|-ERR '[^\r\n]+'|INFO [^\r\n]+)\r\n")


class NotNatsError(Exception):
    """What arrived is not what a NATS server sends; the text is for operators. The connection has to end."""


class Messages:
    """The messages of one connection.

    Args:
        arrived: called with the payload of each message. Must not raise. Messages with headers are skipped: nodes send
            none.
    """

    def __init__(self, arrived: Callable[[bytes], object]) -> None:
        self._arrived = arrived
        self._begun = bytearray()  # a line or a message that has not arrived as a whole
        self._needed = 0  # the size of the message, if that is known

    def feed(self, data: bytes) -> bytes:
        """Deliver the messages that this data completes; return the lines for the client that it completes.

        Raises:
            NotNatsError: nothing may be fed afterwards.
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
            end = data.find(b"\r\n", at, at + _LINE_BYTES) + 2
            if end < 2:
                self._keep_line(data[at:])
                break
            if not data.startswith(_OPERATIONS, at):
                line = data[at:end]
                if _FOR_CLIENT.fullmatch(line) is None:
                    raise NotNatsError(f"it sent what no NATS server sends: {line[:40]!r}")
                others += line
                at = end
                continue
            begin, end = end, end + _payload_bytes(data[at : end - 2])
            if end + 2 > len(data):
                self._keep(data[at:], end + 2 - at)
                break
            if not data.startswith(b"\r\n", end):
                raise NotNatsError("it sent a message that does not end where it should")
            if data.startswith(b"M", at):
                self._arrived(data[begin:end])
            at = end + 2
        return others

    def _keep_line(self, begun: bytes) -> None:
        if len(begun) >= _LINE_BYTES:
            raise NotNatsError(f"it sent a line of more than {_LINE_BYTES} bytes")
        self._keep(begun, 0)

    def _keep(self, begun: bytes, needed: int) -> None:
        self._begun += begun
        self._needed = needed


def _payload_bytes(line: bytes) -> int:
    """Return the size of the payload that follows the line of a message: with its headers, if it has any."""
    size = line.rpartition(b" ")[2]
    if line.count(b" ") < 3 or not size.isdigit() or len(size) > _SIZE_DIGITS or int(size) > _PAYLOAD_BYTES:
        raise NotNatsError(f"it sent a message with an invalid size: {line[:40]!r}")
    return int(size)
