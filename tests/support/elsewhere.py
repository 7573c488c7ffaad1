"""Storage that runs in real time, in its own thread, for a chat that runs in virtual time.

During each call the virtual time stands still: to the chat, storage takes no time, unless a
`tests.support.faulty.FaultyRepository` in between delays it.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Self, TypeVar, cast

from storage.ports.storage import AccountStorage, Outcome, Storage, Write, Writer
from storage.postgres.storage import PostgresStorage
from tests.contract.records import until
from tests.support.virtual import VirtualLoop

T = TypeVar("T")
OPENING_SECONDS = 30.0


class Elsewhere:
    """See the top of this file.

    Args:
        opening: opens the storage, in the loop where it will run. It is closed at the end.

    Attributes:
        repository: the storage to use from a chat in a `VirtualLoop`.
    """

    def __init__(self, opening: Coroutine[Any, Any, PostgresStorage]) -> None:
        self._opening = opening
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="storage elsewhere")
        self._writers: list[_AskedWriter] = []
        self.repository: Storage

    def __enter__(self) -> Self:
        self._thread.start()
        self._inner = self.wait(self._opening)
        self.repository = cast(Storage, _Asked(self, self._inner))
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self._inner.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def writer(self) -> Writer:
        """Return a writer, which is valid until it is closed or the next chat requests one."""
        writer = _AskedWriter(self, self.wait(self._make_writer()))
        self._writers.append(writer)
        return writer

    async def _make_writer(self) -> Writer:
        return self._inner.writer()

    def close_writers(self) -> None:
        """Close the writers of a chat that failed, and so did not close them."""
        for writer in self._writers:
            self.wait(writer.inner.close())
        self._writers.clear()

    def problem(self) -> str | None:
        """Return the answer of storage, after a real wait if a busy machine has lost its database for a moment."""
        if self._inner.lease.problem is not None:
            self.wait(until(lambda: self._inner.lease.problem is None))
        return self._inner.problem()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in that thread, and block until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(OPENING_SECONDS)

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in that thread, while no virtual time passes. A cancellation does not stop it."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        with loop.standing_still():
            answer = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
            try:
                return await asyncio.shield(answer)
            except asyncio.CancelledError:
                await asyncio.wait([answer])
                answer.exception()  # retrieved, so that it is not logged
                raise


class _Asked:
    """The storage as the chat sees it; reads are looked up by name."""

    def __init__(self, elsewhere: Elsewhere, inner: Storage) -> None:
        self._elsewhere = elsewhere
        self._inner = inner
        self.place = inner.place
        self.problem = elsewhere.problem
        self.writer = elsewhere.writer
        self.rooms = _AskedReads(elsewhere, inner.rooms)
        self.messages = _AskedReads(elsewhere, inner.messages)
        for name, part in vars(AccountStorage).items():
            if isinstance(part, property):
                setattr(self, name, _AskedReads(elsewhere, getattr(inner, name)))
        self.was_ready = inner.was_ready
        self.another_writes = inner.another_writes
        self.is_full = inner.is_full
        self.waiting_reads = inner.waiting_reads


class _AskedReads:
    def __init__(self, elsewhere: Elsewhere, inner: object) -> None:
        self._elsewhere = elsewhere
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        read = getattr(self._inner, name)
        return lambda *args, **kwargs: self._elsewhere.ask(read(*args, **kwargs))


class _AskedWriter:
    def __init__(self, elsewhere: Elsewhere, inner: Writer) -> None:
        self._elsewhere = elsewhere
        self.inner = inner

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        return await self._elsewhere.ask(self.inner.write(batch))

    async def close(self) -> None:
        await self._elsewhere.ask(self.inner.close())
