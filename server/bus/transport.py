"""The connection of the NATS client to a server. Six differences to the one that the client brings:

- Messages do not reach the client: they are delivered as they arrive.
- It ends at the first byte that no NATS server sends. The client would look for the next line in what follows.
- Closing it does not wait until the server has read everything. While a server hangs that is never, and the client
  would neither connect to another server nor stop.
- To a ``tls://`` URL nothing is written in clear, above all no password. The client's own uses TLS if the server says
  so, and what a server says before TLS can be forged.
- What is written after the connection was lost is dropped. The client's own raises RuntimeError with uvloop, which ends
  its reconnecting.
- What arrives after it was closed is dropped. The client would log an error for a PONG that it no longer waits for.
"""

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import ParseResult

import nats.errors
from nats.aio.transport import Transport

from server.bus.messages import Messages, NotNatsError


class BusTransport(Transport):
    """See the top of this file; the methods are those of the client's interface.

    Args:
        arrived: called with the payload of each message. Must not raise.
        failed: called when the connection ends because of what arrived, with the reason for operators.

    Attributes:
        where: host and port of the latest server.
        attempts: how often a connection was begun.
    """

    def __init__(self, arrived: Callable[[bytes], object], failed: Callable[[str], object]) -> None:
        self._arrived = arrived
        self._failed = failed
        self.where = ""
        self.attempts = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._below: asyncio.StreamWriter | None = None  # of TLS; it would close the connection when it is freed
        self._tls_missing = False
        self._closed = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes that were written and that the server has not read."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: float) -> None:
        self.close()
        self.attempts += 1
        self.where = f"{uri.hostname}:{uri.port}"
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=buffer_size)
        protocol = _Protocol(reader, self._arrived, self._fail)
        async with asyncio.timeout(connect_timeout):
            transport, _ = await loop.create_connection(lambda: protocol, uri.hostname or "", uri.port or 4222)
        self._tls_missing = uri.scheme == "tls"
        self._closed = False
        self._use(reader, protocol, transport)

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: float
    ) -> None:
        assert self._writer is not None, "connect comes first"
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=buffer_size)
        protocol = _Protocol(reader, self._arrived, self._fail)
        name = uri if isinstance(uri, str) else uri.hostname
        async with asyncio.timeout(connect_timeout):
            transport = await loop.start_tls(self._writer.transport, protocol, ssl_context, server_hostname=name)
        if transport is None:
            raise ConnectionResetError("the connection was lost during the TLS handshake")
        self._below = self._writer
        self._tls_missing = False
        self._use(reader, protocol, transport)

    def _use(self, reader: asyncio.StreamReader, protocol: "_Protocol", transport: asyncio.Transport) -> None:
        self._reader = reader
        self._writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        if protocol.failed:  # before this was running again
            self.close()

    def write(self, payload: bytes) -> None:
        if self._writer is None or self._writer.transport.is_closing():
            return
        if self._tls_missing:
            self.close()
            raise nats.errors.Error("it offers no TLS, which tls:// in NATS_URL requires")
        self._writer.write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        self.write(b"".join(payload))

    async def drain(self) -> None:
        if self._writer is not None and not self._writer.transport.is_closing():
            await self._writer.drain()

    async def read(self, buffer_size: int) -> bytes:
        assert self._reader is not None, "connect comes first"
        data = await self._reader.read(buffer_size)
        return b"" if self._closed else data

    async def readline(self) -> bytes:
        assert self._reader is not None, "connect comes first"
        return await self._reader.readline()

    def at_eof(self) -> bool:
        return self._reader is None or self._reader.at_eof()

    def close(self) -> None:
        self._closed = True
        if self._writer is not None:
            self._writer.transport.abort()

    def _fail(self, reason: str) -> None:
        self.close()
        self._failed(reason)

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)  # the socket is closed in the next turn of the event loop

    def __bool__(self) -> bool:
        return True  # else the client makes a transport of its own


class _Protocol(asyncio.StreamReaderProtocol):
    """Delivers the messages; the reader gets everything else."""

    def __init__(
        self, reader: asyncio.StreamReader, arrived: Callable[[bytes], object], fail: Callable[[str], object]
    ) -> None:
        super().__init__(reader)
        self.failed = False
        self._messages = Messages(arrived)
        self._fail = fail

    def eof_received(self) -> bool:
        """Let the connection end with what the server sends. TLS knows no other end, and asyncio warns of one."""
        super().eof_received()
        return False

    def data_received(self, data: bytes) -> None:
        if self.failed:  # TLS delivers the rest of what it has decrypted
            return
        try:
            others = self._messages.feed(data)
        except NotNatsError as error:
            self.failed = True
            self._fail(str(error))
            return
        if others:
            super().data_received(others)
