"""A network between two programs that fails on demand: it freezes, resets, refuses, loses answers, and is slow.

It never changes a byte: the bytes that arrive are a prefix of those sent.
"""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Network:
    """A TCP proxy in this event loop. ``url`` leads to the same place through it.

    Attributes:
        held: how many pieces are held until the network resumes.
        lost: how many answers `lose_answers` has lost.
        latency: seconds that each piece is under way, in both directions; a new connection takes two of them more.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._parts = parts
        self._running = asyncio.Event()
        self._running.set()
        self._refusing = False
        self._pipes: set[_Pipe] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_lose: list[bytes] = []
        self.held = 0
        self.lost = 0
        self.latency = 0.0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        login = self._parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(
            self._parts._replace(netloc=f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}")
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def lead_to(self, url: str) -> None:
        """Lead new connections to another server, with the same login and path."""
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)

    def freeze(self) -> None:
        """Forward nothing from now on. New connections are accepted, and hang."""
        self._running.clear()

    def thaw(self) -> None:
        """Forward everything again, including what was held."""
        self._running.set()

    def cut(self) -> None:
        """Reset every connection; what was held is lost."""
        for pipe in tuple(self._pipes):
            pipe.cut()

    def refuse(self, refusing: bool = True) -> None:
        """Reset new connections at once, or accept them again."""
        self._refusing = refusing

    def lose_answers(self, *questions: bytes) -> None:
        """For each of these texts, once and in this order: forward the piece with it, drop the answer, and reset.

        The server has executed the request; its client never learns it.
        """
        self._to_lose += questions

    @property
    def still_to_lose(self) -> int:
        """How many of the texts passed to `lose_answers` were not seen yet."""
        return len(self._to_lose)

    def loses_answer_of(self, piece: bytes) -> bool:
        """Whether to lose the answer to this piece; once for each text."""
        if self._to_lose and self._to_lose[0] in piece:
            del self._to_lose[0]
            return True
        return False

    async def passing(self) -> None:
        """Wait while the network is frozen."""
        self.held += 1
        try:
            await self._running.wait()
        finally:
            self.held -= 1

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        pipe = _Pipe(self, reader, writer)
        self._pipes.add(pipe)
        try:
            await self._running.wait()
            await asyncio.sleep(2 * self.latency)  # the round trip of a new connection
            if not self._refusing:
                await pipe.run(*await asyncio.open_connection(*self._target))
        except* OSError:
            pass  # one side has closed: close the other
        finally:
            self._pipes.discard(pipe)
            pipe.cut()


class _Pipe:
    """One connection through the network, both ways."""

    def __init__(self, network: Network, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._network = network
        self._reader = reader
        self._writers = [writer]
        self._losing = False

    async def run(self, far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter) -> None:
        near_writer = self._writers[0]
        self._writers.append(far_writer)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._ask(far_writer))
            both.create_task(self._answer(far_reader, near_writer))

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _ask(self, far_writer: asyncio.StreamWriter) -> None:
        while piece := await self._reader.read(65536):
            await self._network.passing()
            self._losing = self._losing or self._network.loses_answer_of(piece)
            await self._forward(piece, far_writer)
        await asyncio.sleep(self._network.latency)
        raise ConnectionResetError

    async def _answer(self, far_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        while piece := await far_reader.read(65536):
            await self._network.passing()
            if self._losing:
                self._network.lost += 1
                break
            await self._forward(piece, near_writer)
        await asyncio.sleep(self._network.latency)
        raise ConnectionResetError

    async def _forward(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if self._network.latency:  # the next piece may follow before this one has arrived
            asyncio.get_running_loop().call_later(self._network.latency, writer.write, piece)
        else:
            writer.write(piece)
        await writer.drain()
