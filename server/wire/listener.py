"""Accept connections, on any event loop: at addresses, at Unix sockets, or from sockets that a supervisor has passed.
Pause when the process has no file descriptors left.

The event loops handle this differently: asyncio logs a traceback for each of `BACKLOG` attempts, and again a second
later; uvloop silently closes connections that it cannot accept. This listener pauses, logs that once, and counts it.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from chat.delivery.counters import Counters
from server.settings.readers import UNIX

log = logging.getLogger(__name__)

# Only its owner and its group may connect to a Unix socket: what comes through it is trusted to be a proxy.
UNIX_MODE = 0o660
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
    """Listens from :meth:`start` to :meth:`close`.

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
        self._files: list[tuple[Path, int]] = []  # of Unix sockets, with the number of their inode
        self._timer: asyncio.TimerHandle | None = None
        self._said = -SAY_SECONDS

    @property
    def port(self) -> int:
        """The port of the first address; 0 if there are only Unix sockets."""
        return next((int(each.getsockname()[1]) for each in self.sockets if each.family != socket.AF_UNIX), 0)

    async def start(self, hosts: Sequence[str], port: int, passed: Sequence[socket.socket] = ()) -> None:
        """Bind and listen.

        Args:
            hosts: names, addresses, and paths of Unix sockets after ``unix:``: every address of each.
            port: of those that have one.
            passed: sockets that listen already, to use instead.

        Raises:
            OSError: the server cannot listen on an address.
        """
        if passed:
            self.sockets += passed
            for listening in passed:
                listening.setblocking(False)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._resume()
            return
        try:
            for host in hosts:
                if host.startswith(UNIX):
                    self._listen_at(host.removeprefix(UNIX))
            async for listening in bound([host for host in hosts if not host.startswith(UNIX)], port):
                self.sockets.append(listening)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit it
                listening.setblocking(False)
                listening.listen(BACKLOG)
        except OSError:
            self.close()
            raise
        self._resume()

    def _listen_at(self, path: str) -> None:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sockets.append(listening)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if is_left(path):
            Path(path).unlink()
        before = os.umask(0o777 & ~UNIX_MODE)  # nobody can connect before the mode is right
        try:
            listening.bind(path)
        finally:
            os.umask(before)
        self._files.append((Path(path), Path(path).stat().st_ino))
        listening.setblocking(False)
        listening.listen(BACKLOG)

    def close(self) -> None:
        """Stop listening. Idempotent. Sockets that were passed stay open at the supervisor, which passes them again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        for listening in self.sockets:
            loop.remove_reader(listening)
            listening.close()
        self.sockets.clear()
        for path, inode in self._files:
            with suppress(FileNotFoundError):
                if path.stat().st_ino == inode:  # else another server listens there
                    path.unlink()
        self._files.clear()

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


async def bound(hosts: Sequence[str], port: int) -> AsyncIterator[socket.socket]:
    """Yield a socket for each address of some names and addresses, bound to it. The caller closes them.

    Raises:
        OSError: a name is not known, or an address cannot be used; the socket of that is closed.
    """
    look_up = asyncio.get_running_loop().getaddrinfo
    found = [await look_up(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE) for host in hosts]
    for family, kind, protocol, _, address in dict.fromkeys(chain.from_iterable(found)):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
        yield opened


def is_left(path: str) -> bool:
    """Return whether a path has a Unix socket at which nobody listens: a server that was killed has left it.

    Raises:
        OSError: somebody listens there, it is no socket, or nothing can be created there.
    """
    if not Path(path).exists():
        if not os.access(Path(path).parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"cannot create {path}: no such folder, or it is not writable")
        return False
    if not Path(path).is_socket():
        raise FileExistsError(errno.EEXIST, "it exists, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            return True
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
