"""Accept connections, on any event loop, and pause when the process has no file descriptors left.

The event loops handle this differently: asyncio logs a traceback for each of `BACKLOG` attempts, and again a second
later; uvloop silently closes connections that it cannot accept. This listener pauses, logs that once, and counts it.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from itertools import chain

from chat.delivery.counters import Counters

log = logging.getLogger(__name__)

# Connections waiting to be accepted: a reconnect storm must fit (the kernel caps it at somaxconn).
BACKLOG = 4096
# Bytes that the kernel buffers for a client that does not read, before the first byte counts for SLOW_BYTES_HIGH. The
# kernel doubles this for its own use; by default it buffers 4 MB.
SEND_BUFFER = 128 << 10
# Connections accepted in one turn of the event loop.
ACCEPTS = 64
PAUSE_SECONDS = 1.0
# Seconds between two log lines about a pause.
SAY_SECONDS = 60.0
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """Listens on every address of some hosts, from :meth:`start` to :meth:`close`.

    Args:
        accepted: called with each new socket and the address of its peer; must not block or raise.
        counters: count the pauses.

    Attributes:
        sockets: the listening sockets.
    """

    def __init__(self, accepted: Callable[[socket.socket, object], None], counters: Counters) -> None:
        self._accepted = accepted
        self._counters = counters
        self.sockets: list[socket.socket] = []
        self._timer: asyncio.TimerHandle | None = None
        self._said = -SAY_SECONDS

    @property
    def port(self) -> int:
        """The port of the first address."""
        return int(self.sockets[0].getsockname()[1])

    async def start(self, hosts: Sequence[str], port: int) -> None:
        """Bind and listen.

        Raises:
            OSError: the server cannot listen on an address.
        """
        look_up = asyncio.get_running_loop().getaddrinfo
        found = [await look_up(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE) for host in hosts]
        try:
            for family, kind, protocol, _, address in dict.fromkeys(chain.from_iterable(found)):
                listening = socket.socket(family, kind, protocol)
                self.sockets.append(listening)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit it
                listening.bind(address)
                listening.setblocking(False)
                listening.listen(BACKLOG)
        except OSError:
            self.close()
            raise
        self._resume()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        for listening in self.sockets:
            loop.remove_reader(listening)
            listening.close()
        self.sockets.clear()

    def _resume(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for listening in self.sockets:
            loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                connected, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # no client is waiting, or it has gone
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(error)
                return
            self._accepted(connected, peer)

    def _pause(self, error: OSError) -> None:
        loop = asyncio.get_running_loop()
        for listening in self.sockets:
            loop.remove_reader(listening)
        self._timer = loop.call_later(PAUSE_SECONDS, self._resume)
        self._counters.accept_pauses += 1
        if loop.time() - self._said >= SAY_SECONDS:
            self._said = loop.time()
            log.warning(
                "accepting no new connections for %g s at a time: %s (%d connections)",
                PAUSE_SECONDS,
                error.strerror,
                self._counters.sockets,
            )
