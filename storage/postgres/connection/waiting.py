"""A connection that waits for Postgres at a fraction of the cost of psycopg's own, and gives up at once."""

from __future__ import annotations

import asyncio
import select
import socket
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

# As plain numbers: members of enumerations are compared in Python code.
_READABLE, _WRITABLE = int(Ready.R), int(Ready.W)
_WRITE = int(Wait.W)
_BROKEN = select.POLLERR | select.POLLHUP


class WaitingConnection(AsyncConnection[TupleRow]):
    """Waits for the answers of Postgres itself. Two differences to its base class:

    - For each wait, the base class makes the event loop watch the socket and ignore it again, and sets a timer. With
      uvloop that is nine of the twelve system calls of a short statement (measured). Here the event loop watches the
      socket until the connection ends.
    - When a call is cancelled, the base class sends a cancel request over a new connection and waits for the answer: 5
      to 11 s on a frozen network. Here the connection ends with the call, and must be discarded.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop = asyncio.get_running_loop()
        self._watched: int | None = None  # the descriptor of the socket
        self._writing = False  # the event loop also watches whether the socket takes more
        self._turn: asyncio.Future[int] | None = None  # of the pending call: when the socket is ready, and for what

    @property
    def is_watched(self) -> bool:
        """Whether the event loop watches the socket."""
        return self._watched is not None

    async def wait(self, gen: PQGen[RV], interval: float = 0.0, timeout: float | None = None) -> RV:
        """Carry out a call of psycopg; ``gen`` yields what it waits for. The time limits of the base class are unused.

        Raises:
            psycopg.Error: the call failed.
        """
        try:
            awaited = next(gen)
            while True:
                self._turn = self._loop.create_future()
                self._watch(awaited)
                awaited = gen.send(await self._turn)
                while self._looks() & _BROKEN:  # uvloop does not watch such a socket any longer
                    awaited = gen.send(_READABLE)
        except StopIteration as done:
            result: RV = done.value
            return result
        except asyncio.CancelledError:
            self.abort()
            with suppress(StopIteration, psycopg.Error):
                while True:  # it fails once it has read what had arrived
                    gen.send(_READABLE)
            self._unwatch()
            raise
        except Exception:
            self._unwatch()  # at once: libpq may have closed the socket, and the next one may get its descriptor
            raise
        finally:
            self._turn = None

    def _watch(self, awaited: int) -> None:
        if self._watched is None:
            self._watched = self.pgconn.socket
            self._loop.add_reader(self._watched, self._ready, _READABLE)
        if awaited & _WRITE and not self._writing:
            self._writing = True
            self._loop.add_writer(self._watched, self._ready, _WRITABLE)
        elif self._writing and not awaited & _WRITE:
            self._writing = False
            self._loop.remove_writer(self._watched)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched, self._writing = None, False

    def _ready(self, ready: int) -> None:
        if self._turn is not None:
            if not self._turn.done():
                self._turn.set_result(ready)
            return
        # asyncio looks at the socket once more before a call has read its answer. Otherwise it is a notice that no call
        # asked for, or the end of the session: the next call reads it.
        if self._looks():
            self._unwatch()

    def _looks(self) -> int:
        """Return whether the socket is readable now, or broken, as flags of ``poll``."""
        if self._watched is None:
            return 0
        poll = select.poll()
        poll.register(self._watched, select.POLLIN)
        return sum(flags for _, flags in poll.poll(0))

    def abort(self) -> None:
        """Shut the socket down, so that a pending call fails at once.

        Closing the descriptor while the event loop watches it is unsafe; shutting down the socket is safe.
        """
        try:
            descriptor = self.fileno()
        except psycopg.OperationalError:
            return  # closed already
        wire = socket.socket(fileno=descriptor)
        with suppress(OSError):  # the peer has closed it
            wire.shutdown(socket.SHUT_RDWR)
        wire.detach()  # the descriptor belongs to libpq

    def finish(self) -> None:
        """End the connection, unless a call is pending: libpq must not free what it uses."""
        if self._turn is None:
            self._unwatch()
            self.pgconn.finish()

    async def close(self) -> None:
        self._unwatch()
        await super().close()
