"""What systemd passes to a server, and what it hears from it: sockets, readiness, a sign of life.

The protocols are those of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3), which other supervisors have too.
Without one, nothing of this happens.
"""

import os
import socket
import time
from collections.abc import Mapping

# The first descriptor that a supervisor passes.
_FIRST = 3


class Supervisor:
    """What started this process.

    Args:
        environment: of the process.

    Attributes:
        watchdog_seconds: it restarts a server from which it has heard nothing for so long; None if it does not watch.
        passed: how many sockets it has passed.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        pid = str(os.getpid())  # variables may be those of a parent, which has passed its whole environment on
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = environment.get("LISTEN_PID") == pid
        self.passed = _whole(environment.get("LISTEN_FDS", "")) if mine else 0
        watched = environment.get("WATCHDOG_PID", pid) == pid
        self.watchdog_seconds = _whole(environment.get("WATCHDOG_USEC", "")) / 1e6 if watched else 0.0
        self._status = ""

    def sockets(self) -> list[socket.socket]:
        """Take the sockets to listen on, instead of those of HOST and PORT; none if none were passed.

        Raises:
            OSError: one of them is no listening stream socket.
        """
        found = []
        for descriptor in range(_FIRST, _FIRST + self.passed):
            os.set_inheritable(descriptor, False)
            passed = socket.socket(fileno=descriptor)
            found.append(passed)
            listens = passed.type == socket.SOCK_STREAM and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if not listens:
                raise OSError(0, f"descriptor {descriptor} of LISTEN_FDS is no listening stream socket")
        self.passed = 0
        return found

    def ready(self) -> None:
        """Say that the server listens, or that it has reloaded its settings."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the settings are being read again; `ready` follows."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the server has begun to stop."""
        self._tell("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """Say that the event loop runs."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say in a line how the server is, if that has changed."""
        if text != self._status:
            self._status = text
            self._tell("STATUS=" + text.replace("\n", " "))

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
            try:
                sending.sendto(state.encode(), self._address)
            except OSError:
                return  # it has gone, or reads too slowly: it is told again, or does not care any more


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
