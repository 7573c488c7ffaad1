"""NATS as the bus between nodes: its core protocol, at most once, by the official client.

The options of the client are not its defaults, each for a reason that was measured:

- It gives up after 60 attempts to reconnect, 2 s apart, and takes minutes to notice that a server hangs. Here it never
  gives up, tries ten times a second, and takes 3 s.
- It buffers what is published while it is disconnected, and sends it before the other nodes have subscribed again: old
  news after new. Its `publish` is a coroutine that wakes a task. Here messages are written to the connection as the
  protocol has them, those of one turn of the event loop at once, or dropped; the link above repeats them.
- It queues what arrives for a task, and a slow reader loses messages above a limit. Here they are delivered as they
  arrive, without the client: see `server.bus.messages`.
- Its default error callback logs a traceback for every failed attempt. Here each reason is logged once per outage.
- It closes for ever when the server reports an error other than a wrong permission, such as expired credentials, and
  its task for reconnecting ends when another program answers on the port. Here a new client begins.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nats.errors
from nats.aio.client import Client

from chat.link.bus import LEAST_BYTES
from server.bus.credentials import Credentials
from server.bus.transport import BusTransport
from utils.backoff import Backoff
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

# Bytes that wait until NATS reads them; more are dropped. Links have a window of their own.
WAITING_BYTES = 64 << 20
DEFAULT_MAX_BYTES = 1 << 20
CLOSE_SECONDS = 1.5
CANCELLATIONS = 3
# Seconds without a connection and without an attempt after which the client is given up. An attempt takes at most 5.
STUCK_SECONDS = 10.0
# Reasons of an outage that are remembered, to be logged once.
REASONS = 100
# Lives of nodes whose subjects are kept as NATS has them.
NODES = 1000
_LOST, _SILENT = "the connection was lost", "it does not answer"
# The codes of OpenSSL for a certificate of another host and another address: X509_V_ERR_HOSTNAME_MISMATCH and
# X509_V_ERR_IP_ADDRESS_MISMATCH.
_OTHER_NAMES = (62, 64)
# How the client and the server report wrong user names, passwords, JWTs and signatures.
_LOGIN_PROBLEMS = ("authorization violation", "authentication expired", "authentication revoked")


class NatsBus:
    """See the top of this file.

    Args:
        servers: ``nats://`` or ``tls://`` URLs of one cluster of NATS servers. The first user and password, or token,
            in one of them is for all, also for those that the servers name.
        prefix: the first tokens of every subject, such as ``parley.<installation>``.
        name: is shown by NATS for this connection.
        credentials: the path of a credentials file; "" for none.
        authorities: the path of a file of the CAs that may sign the servers' certificates; "" for those of the system.

    Attributes:
        up, max_bytes: see `chat.link.bus.Bus`. Not properties that ask the client: they are read for every packet, and
            that was 10 us of it at 150 packets a second (measured).
        problem: why the bus is down, as it was logged last; "" while it is up.
        dropped: messages that were not sent: the bus was down, too much was waiting, or the message too large.
    """

    def __init__(
        self,
        servers: Sequence[str],
        prefix: str,
        *,
        name: str = "",
        credentials: str = "",
        authorities: str = "",
    ) -> None:
        self.up = False
        self.problem = ""
        self.max_bytes = DEFAULT_MAX_BYTES
        self.dropped = 0
        self._prefix = prefix
        self._options = _options(servers, name, credentials, authorities)
        self._transport = BusTransport(self._arrived, self._broken)
        self._client = _Client(self._transport)
        self._hear: Callable[[bytes], object]
        self._closing = False
        self._version = ""
        self._noticed: set[tuple[str, str]] = set()
        self._turn: list[bytes] = []  # what was sent in this turn of the event loop
        self._waiting = 0  # bytes that NATS has not read, with those of this turn
        self._lines: dict[str, bytes] = {}  # the beginning of what is sent to a node
        self._tasks = TaskRegistry()

    @property
    def server(self) -> str:
        """The server that it is, or was last, connected to, for an operator: ``NATS 2.10.4 at 10.0.0.7:4222``."""
        return f"NATS{self._version} at {self._transport.where}"

    async def start(self, node: str, hear: Callable[[bytes], object], on_up: Callable[[], object]) -> None:
        self._hear = hear
        self._tasks.spawn(self._run(node, on_up), name="parley-bus")

    def send(self, node: str, data: bytes) -> None:
        line = self._lines.get(node)
        if line is None:
            if len(self._lines) == NODES:
                self._lines.clear()
            line = self._lines[node] = f"PUB {self._subject_of(node)} ".encode()
        self._put(line, data)

    def send_all(self, data: bytes) -> None:
        self._put(f"PUB {self._everyone} ".encode(), data)

    def reconnect(self) -> None:
        if self.up:
            self._tasks.spawn(self._client.force_reconnect(), name="reconnect")

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._write_turn()
        was_up, self.up = self.up, False
        if was_up:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._client.flush()
            except (OSError, TimeoutError, nats.errors.Error) as error:
                log.info("what was sent last may not have reached NATS: %s", _text(error))
        self._transport.close()
        left: list[str] = []
        for _ in range(CANCELLATIONS):  # the client swallows one now and then
            if not (left := await self._tasks.close(CLOSE_SECONDS / CANCELLATIONS)):
                break
        for name in left:
            log.error("task %s did not stop", name)

    async def _run(self, node: str, on_up: Callable[[], object]) -> None:
        """Connect, and begin anew whenever the client has closed."""
        pause = Backoff(0.1, 1.0)
        while True:
            closed = asyncio.Event()
            try:
                await self._connect(node, on_up, closed)
                if self.up:
                    pause.reset()
                if not self._closing:
                    await self._until_useless(closed)
            except (OSError, TimeoutError, nats.errors.Error) as error:
                self._notice(error)
            except Exception:  # whatever the client makes of an answer that does not come from NATS
                log.exception("the NATS client failed at %s", self._transport.where)
            finally:
                self.up = False
                self._transport.close()
                await self._client.close()
            if self._closing:
                return  # the client has swallowed the cancellation of this task, or made another error of it
            await asyncio.sleep(pause.next())
            self._transport = BusTransport(self._arrived, self._broken)
            self._client = _Client(self._transport)

    async def _connect(self, node: str, on_up: Callable[[], object], closed: asyncio.Event) -> None:
        pause = Backoff(0.1, 1.0)
        client = self._client

        async def failed(error: Exception) -> None:
            if self._closing:
                # The client waits with `asyncio.wait_for`, which swallows a cancellation if what it waits for comes in
                # the same turn (until Python 3.12), and then tries to connect without end.
                raise asyncio.CancelledError
            self._notice(error)
            if _is_permission_problem(error):
                self.up = False
                closed.set()  # begin anew: the server may have dropped the subscriptions
            if type(error) is nats.errors.Error and _is_login_problem(error):
                await asyncio.sleep(pause.next())  # the client would try again ten times a second

        async def disconnected() -> None:
            lost, self.up = self.up, False
            if not self._closing and lost and not self._noticed:
                self._notice(ConnectionError(_LOST))

        async def connected() -> None:
            # The first one may overtake what the client has not written yet; after the second the server has it all,
            # and has reported which of the subjects this user may not use. What a node publishes does not come back.
            await client.publish(self._subject_of(node), b"")
            await client.flush(1)
            await client.flush(1)
            if self._closing or not client.is_connected or closed.is_set():
                return
            self._noticed.clear()
            self._version = f" {(told := client.connected_server_version).major}.{told.minor}.{told.patch}"
            self.max_bytes = client.max_payload
            self.problem = ""
            log.info("connected to NATS at %s", self._transport.where)
            if self.max_bytes >= LEAST_BYTES:
                self.up = True
                on_up()

        async def gone() -> None:
            if client.last_error is not None:
                self._notice(client.last_error)
            closed.set()

        await client.connect(
            **self._options, error_cb=failed, disconnected_cb=disconnected, reconnected_cb=connected, closed_cb=gone
        )
        if self._closing:
            return
        for subject in (self._subject_of(node), self._everyone):
            await client.subscribe(subject)
        await connected()

    async def _until_useless(self, closed: asyncio.Event) -> None:
        """Wait until the client has closed, or has stopped trying to connect."""
        attempts = -1
        while self._client.is_connected or self._transport.attempts != attempts:
            attempts = self._transport.attempts
            try:
                async with asyncio.timeout(STUCK_SECONDS):
                    await closed.wait()
            except TimeoutError:
                continue
            return
        log.error("the NATS client has stopped connecting after an answer of %s", self._transport.where)

    @property
    def _everyone(self) -> str:
        return f"{self._prefix}.all"

    def _subject_of(self, node: str) -> str:
        return f"{self._prefix}.node.{node}"

    def _put(self, line: bytes, data: bytes) -> None:
        if not self._turn:
            self._waiting = self._transport.waiting_bytes
        if not self.up or len(data) > self.max_bytes or self._waiting > WAITING_BYTES:
            self.dropped += 1
            return
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._write_turn)
        self._turn.append(b"%b%d\r\n%b\r\n" % (line, len(data), data))
        self._waiting += len(data)

    def _write_turn(self) -> None:
        turn, self._turn = self._turn, []
        if not self.up:
            self.dropped += len(turn)
        elif turn:
            self._transport.writelines(turn)

    def _arrived(self, data: bytes) -> None:
        try:
            self._hear(data)
        except Exception:  # it would end the connection
            log.exception("a message of another node was not processed")

    def _broken(self, reason: str) -> None:
        self._notice(nats.errors.Error(reason))

    def _notice(self, error: Exception) -> None:
        """Log what is wrong with NATS, once per reason and outage."""
        if not isinstance(error, OSError | TimeoutError | nats.errors.Error):
            log.error("the NATS client failed", exc_info=error)
            return
        where, text = self._transport.where, _text(error)
        if type(error) is nats.errors.Error and text != _SILENT:
            advice = "; check NATS_CREDS, or the user and password in NATS_URL" if _is_login_problem(error) else ""
            words = f"NATS at {where}: {text}{advice}"
        else:
            words = f"NATS is out of reach at {where}: {text}"
        if not self.up:
            self.problem = words
        if (where, text) in self._noticed:
            return
        if len(self._noticed) == REASONS:  # some contain subjects, and so are not few
            self._noticed.clear()
        self._noticed.add((where, text))
        log.warning("%s", words)


class _Client(Client):
    """The official client, on a connection of our own."""

    def __init__(self, transport: BusTransport) -> None:
        super().__init__()
        self._transport = transport

    async def _attempt_reconnect(self) -> None:
        """Of two of these that overlap, which is when a connection breaks while it is made, the first one to end
        resolves the future of both, and the other one cannot.
        """
        with contextlib.suppress(asyncio.InvalidStateError):
            await super()._attempt_reconnect()


def _options(servers: Sequence[str], name: str, credentials: str, authorities: str) -> dict[str, Any]:
    """Return the arguments of `Client.connect`, except its callbacks."""
    urls = [urlsplit(server) for server in servers]
    options: dict[str, Any] = {
        # Without the user: it is given below, and so is never part of what the client reports.
        "servers": [f"{url.scheme}://{url.netloc.rpartition('@')[2]}" for url in urls],
        "name": name or None,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.1,
        "connect_timeout": 1,
        "ping_interval": 1,
        "max_outstanding_pings": 2,
        "no_echo": True,
    }
    if login := next((url for url in urls if url.username is not None), None):
        user = unquote(login.username or "")
        options |= {"token": user} if login.password is None else {"user": user, "password": unquote(login.password)}
    if credentials:
        file = Credentials(Path(credentials))
        options |= {"user_jwt_cb": file.jwt, "signature_cb": file.sign}
    if authorities or any(url.scheme == "tls" for url in urls):
        options["tls"] = ssl.create_default_context(cafile=authorities or None)
    return options


def _text(error: Exception) -> str:
    if isinstance(error, nats.errors.UnexpectedEOF):
        return _LOST
    if isinstance(error, TimeoutError) or "empty response from server" in str(error):
        return _SILENT
    text = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
    if not isinstance(error, ssl.SSLCertVerificationError):
        return text
    if error.verify_code in _OTHER_NAMES:
        return f"{text}; is this the name in its certificate?"
    return f"{text}; is its CA the one in NATS_CA?"


def _is_permission_problem(error: Exception) -> bool:
    return _text(error).lower().startswith("permissions violation")


def _is_login_problem(error: Exception) -> bool:
    return _text(error).lower().endswith(_LOGIN_PROBLEMS)
