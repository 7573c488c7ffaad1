"""NATS as the bus between nodes: its core protocol, at most once, by the official client.

The options of the client are not its defaults, each for a reason that was measured:

- It gives up after 60 attempts to reconnect, 2 s apart, and takes minutes to notice that a server hangs. Here it never
  gives up, tries ten times a second, and takes 3 s.
- It buffers what is published while it is disconnected, and sends it before the other nodes have subscribed again: old
  news after new. Here that is dropped, and the link above repeats it.
- A slow reader loses messages above a limit of the client. There is none here: a link's window is the limit.
- Its default error callback logs a traceback for every failed attempt. Here each change is logged once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from utils.backoff import Backoff
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

# Bytes that wait for the client to take them; more are dropped. Links have a window of their own.
QUEUE_BYTES = 64 << 20
DEFAULT_MAX_BYTES = 1 << 20
CLOSE_SECONDS = 1.0


class NatsBus:
    """See the top of this file.

    Args:
        servers: ``nats://`` or ``tls://`` URLs of one cluster of NATS servers.
        prefix: the first tokens of every subject, such as ``parley.<installation>``.
        credentials: the path of a credentials file; "" for none.

    Attributes:
        dropped: messages that were not sent, because the bus was down or its queue full.
    """

    def __init__(self, servers: Sequence[str], prefix: str, *, credentials: str = "") -> None:
        self.dropped = 0
        self._servers = list(servers)
        self._prefix = prefix
        self._credentials = credentials or None
        self._client = Client()
        self._subscribed = False
        self._problem = ""
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._tasks = TaskRegistry()

    @property
    def up(self) -> bool:
        return self._subscribed and self._client.is_connected

    @property
    def max_bytes(self) -> int:
        return self._client.max_payload if self.up else DEFAULT_MAX_BYTES

    async def start(self, node: str, hear: Callable[[bytes], object], on_up: Callable[[], object]) -> None:
        async def heard(message: Msg) -> None:
            hear(message.data)

        async def failed(error: Exception) -> None:
            self._notice(f"{type(error).__name__}: {error}")

        async def disconnected() -> None:
            self._notice("the connection was lost")

        async def connected() -> None:
            self._problem = ""
            log.info("connected to NATS at %s", self._client.connected_url and self._client.connected_url.netloc)
            on_up()

        async def connect() -> None:
            pause = Backoff(0.1, 1.0)
            while not self._client.is_connected:
                try:
                    await self._client.connect(
                        self._servers,
                        user_credentials=self._credentials,
                        error_cb=failed,
                        disconnected_cb=disconnected,
                        reconnected_cb=connected,
                        max_reconnect_attempts=-1,
                        reconnect_time_wait=0.1,  # type: ignore[arg-type]  # seconds, compared as any number
                        connect_timeout=1,
                        ping_interval=1,
                        max_outstanding_pings=2,
                        no_echo=True,
                        pending_size=QUEUE_BYTES,
                    )
                except (OSError, TimeoutError, nats.errors.Error) as error:
                    await failed(error)
                    await asyncio.sleep(pause.next())
            for subject in (self._subject_of(node), self._everyone):
                await self._client.subscribe(subject, cb=heard, pending_msgs_limit=0, pending_bytes_limit=0)
            await self._client.flush()  # from now on the server has the subscriptions
            self._subscribed = True
            await connected()
            await self._pump()

        self._tasks.spawn(connect(), name="parley-bus")

    def send(self, node: str, data: bytes) -> None:
        self._put(self._subject_of(node), data)

    def send_all(self, data: bytes) -> None:
        self._put(self._everyone, data)

    async def close(self) -> None:
        self._subscribed = False
        for name in await self._tasks.close(CLOSE_SECONDS):
            log.error("task %s did not stop", name)
        client = self._client
        if client.is_connected or client.is_reconnecting or client.is_connecting:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.close()
            except (OSError, TimeoutError, nats.errors.Error) as error:
                log.info("the connection to NATS was not closed in good order: %s", error)

    @property
    def _everyone(self) -> str:
        return f"{self._prefix}.all"

    def _subject_of(self, node: str) -> str:
        return f"{self._prefix}.node.{node}"

    def _put(self, subject: str, data: bytes) -> None:
        if not self.up or self._queued_bytes + len(data) > QUEUE_BYTES:
            self.dropped += 1
            return
        self._queue.append((subject, data))
        self._queued_bytes += len(data)
        self._wake.set()

    async def _pump(self) -> None:
        """Publish what is queued: the client's `publish` is a coroutine, and `send` is not."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                subject, data = self._queue.popleft()
                self._queued_bytes -= len(data)
                try:
                    if not self.up:
                        raise nats.errors.ConnectionClosedError
                    await self._client.publish(subject, data)
                except (OSError, nats.errors.Error):
                    self.dropped += 1

    def _notice(self, problem: str) -> None:
        """Log why the bus is down, once per reason."""
        if problem != self._problem:
            self._problem = problem
            log.warning("NATS is out of reach: %s", problem)
