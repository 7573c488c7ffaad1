"""Assemble one server, and start and stop its parts in order."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from aiohttp import web

from chat.chat import Chat
from chat.link.envelope import NODE_BYTES
from chat.maintenance import cut_words_again, expire_messages
from chat.rooms.parts import ChatOptions
from chat.work.worker import RoomWorker
from chat.writes.workers import PoolLimits
from model.account import Notice
from model.limits import Limits
from server.access.addresses import LOCAL, plain_address
from server.access.capacity import Place
from server.accounts.expiring import expire_accounts
from server.accounts.first_admin import offer_first_admin
from server.accounts.recording import record_reload
from server.accounts.service import Accounts
from server.auth.access_list import AccessList
from server.auth.ending import Ending
from server.auth.keys import ServerKeys
from server.auth.tokens import JwtTokens
from server.cluster import Cluster
from server.metrics.exposition import Metrics
from server.pulse import Pulse
from server.settings.readers import UNIX
from server.settings.values import SettingError, Settings
from server.supervisor import Supervisor
from server.web.app import HttpEndpoints, admin_application
from server.wire.connections import Shared
from server.wire.listener import Listener
from server.wire.switch import HttpConnection, ProtocolSwitch
from storage.factory import open_storage
from storage.ports.servers import Gained
from utils.clock import Clock, SystemClock
from utils.tasks import TaskRegistry
from utils.wording import counted

log = logging.getLogger(__name__)

BURST_SECONDS = 3
# Time limit of reading the notices before the server listens.
FIRST_SECONDS = 2.0


class ListenError(OSError):
    """The server cannot listen on an address; the text names the settings that request it."""

    def __init__(self, prefix: str, host: str, port: int, error: OSError) -> None:
        super().__init__(f"cannot listen on {prefix}HOST {host}, {prefix}PORT {port}: {error.strerror}")


class Server:
    """A server: :meth:`start` it, then :meth:`stop` it once.

    Args:
        settings: see `server.settings.table`.
        clock: the wall clock of the chat; tests pass another one.
        supervisor: what started the process, if it passes sockets or watches over the server.
        stop_seconds: time limit of each step of stopping that may hang.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        supervisor: Supervisor | None = None,
        *,
        stop_seconds: float = 2.0,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor or Supervisor({})
        self._stop_seconds = stop_seconds
        self._tasks = TaskRegistry()
        self._clock = clock or SystemClock()
        self._node_id = os.urandom(NODE_BYTES) if settings.nats_url else b""
        self._storage = open_storage(
            settings.database_url or None,
            memory_messages=settings.memory_messages,
            memory_rooms=settings.memory_rooms,
            memory_bytes=settings.memory_bytes,
            makes_secret=not settings.server_secret,
            node=self._node_id.hex(),
            node_name=_node_name(settings, settings.port) if settings.nats_url else "",
        )
        self._keys = ServerKeys(settings.server_secret)
        self._access = AccessList(self._clock)
        self._tokens = JwtTokens(
            settings.jwt_secret,
            self._clock,
            self._keys,
            self._access,
            previous=settings.jwt_secret_previous,
            roles=settings.chat_roles,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
        )
        self.chat = Chat(self._storage, self._clock, self._tokens, _chat_options(settings))
        self.chat.parts.names = self._access
        self._expirer = self._storage.writer()
        self._cutter = self._storage.writer()
        self._eraser = self._storage.writer()
        self.shared = Shared(settings, self.chat, self._access)
        self.accounts = Accounts(self._storage, self._access, self._keys, self._clock, settings)
        self._room_worker = RoomWorker(self.chat, self._eraser, self.accounts.follower.catch_up)
        self.accounts.follower.listeners += [Ending(self.chat, self._access).end_denied, self._room_worker.hear]
        metrics = Metrics(self.chat, self.shared.counts) if settings.admin_port is None else None
        self._http = HttpEndpoints(self.chat, self.shared, self.accounts, metrics)
        self._runner = web.AppRunner(self._http.application(), handle_signals=False, shutdown_timeout=stop_seconds)
        self._admin = web.AppRunner(
            admin_application(self.chat, self.shared.counts), handle_signals=False, access_log=None
        )
        self._listener = Listener(self._accepted, self.chat.parts.counters)
        self._pulse = Pulse(self.chat, self.shared.counts, self._supervisor)
        self._cluster: Cluster | None = None
        if settings.nats_url:
            follower = self.accounts.follower
            self._cluster = Cluster(
                settings, self.chat, self._keys, self._node_id, self.shared.dialects, self._http.answer, follower
            )
            follower.listeners.insert(0, self._greet)  # the others close their own clients' connections best
        self._stopped: asyncio.Task[int] | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    @property
    def admin_port(self) -> int:
        """The port of `ADMIN_PORT` it listens on."""
        return cast(int, self._admin.addresses[0][1])

    async def start(self) -> None:
        """Listen. Storage may be unavailable: the server connects to it in the background.

        Raises:
            ListenError: the server cannot listen on an address.
        """
        lease_events, disconnect_all = self._storage.lease_events, self.chat.disconnect_all
        lease_events.on_secret = self._learn_secret
        if self._cluster is None:
            lease_events.on_gained = self._gained
            lease_events.on_superseded = partial(disconnect_all, "another server is writing to this database now")
        else:
            lease_events.on_gained = self._cluster.gained
            lease_events.on_superseded = self._cluster.node.superseded
            lease_events.on_installation = self._cluster.learn_installation
        self.chat.traces = log.isEnabledFor(logging.DEBUG)
        await self._storage.start()
        self.chat.start()
        await self.accounts.follower.first(FIRST_SECONDS)
        await self._runner.setup()
        settings = self._settings
        try:
            await self._listener.start(settings.host.split(","), settings.port, self._supervisor.sockets())
        except OSError as error:
            raise ListenError("", settings.host, settings.port, error) from error
        if settings.admin_port is not None:
            await self._admin.setup()
            try:
                for host in settings.admin_host.split(","):
                    await web.TCPSite(self._admin, host, settings.admin_port).start()
            except OSError as error:
                raise ListenError("ADMIN_", settings.admin_host, settings.admin_port, error) from error
            log.info("serving /metrics and the full /ready on %s", urls_of(self._admin.addresses))
        if self._cluster is not None:
            self._cluster.start(_node_name(settings, self.port))
        self._tasks.spawn(self.shared.sweep(), name="sweep")
        self._tasks.spawn(self._pulse.run(), name="pulse")
        self._tasks.spawn(self.accounts.follower.run(), name="notices")
        if self.accounts.mailer.active:
            self._tasks.spawn(self.accounts.mailer.run(), name="mail")
        self._tasks.spawn(expire_messages(self.chat.parts, self._expirer), name="retention")
        self._tasks.spawn(cut_words_again(self.chat.parts, self._cutter), name="words")
        self._tasks.spawn(expire_accounts(self.accounts), name="expiry")
        self._tasks.spawn(self._room_worker.run(), name="room work")
        self._tasks.spawn(offer_first_admin(self.accounts, self._room_worker.has_rooms), name="first admin")
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]  # asyncio or uvloop
        self.shared.counts.event_loop = loop
        where = urls_of([listening.getsockname() for listening in self._listener.sockets])
        log.info("listening on %s, messages are kept %s; event loop: %s", where, self._storage.place, loop)
        if settings.public_url:
            log.info("users open %s/client.html: pages of other origins cannot sign in", settings.public_url)

    def _learn_secret(self, secret: bytes | None, replaced_at: int | None) -> None:
        if self._tokens.learn(secret, replaced_at):
            self.chat.send_tokens()
        if self._cluster is not None:
            self._cluster.join()

    async def _greet(self, notices: Sequence[Notice]) -> None:
        assert self._cluster is not None
        self._cluster.node.greet()

    def _gained(self, tenure: Gained) -> None:
        if tenure.epoch is not None:
            self.chat.parts.hub.keep_epochs(tenure.epoch)
        if tenure.after_another:
            self.chat.disconnect_all(
                "another server wrote to this database in between, or it was restored from a backup"
            )

    def _accepted(self, connected: socket.socket, peer: Any) -> None:
        shared = self.shared
        host = peer[0] if peer else LOCAL
        address = (plain_address(host) or "") if ":" in host else host  # the kernel has one spelling for IPv4
        # With the PROXY protocol this is a proxy, whose PROXY header names the client.
        network = "" if shared.proxy_protocol else shared.addresses.peer(address).network
        if network == address:
            address = network  # the same object for all connections of it
        place = shared.capacity.admit(address, network)
        if place is None:
            connected.close()
        else:
            self._tasks.spawn(self._open(connected, place), name="accept")

    async def _open(self, connected: socket.socket, place: Place) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(ProtocolSwitch, self.shared, self._make_http, place), connected
            )
        except BaseException as error:
            place.release()
            connected.close()
            if not isinstance(error, OSError):  # else the client has already disconnected
                raise

    def _make_http(self, place: Place) -> HttpConnection:
        assert self._runner.server is not None
        return HttpConnection(self.shared, place, self._runner.server)

    def renew(self, new: Settings) -> None:
        """Apply the settings that may change while the server runs, and log them and those that need a restart."""
        settings, changed, waiting = self._settings.renewed(new)
        self._settings = settings
        if "LOG_LEVEL" in changed:
            logging.getLogger().setLevel(settings.log_level.upper())
            self.chat.traces = log.isEnabledFor(logging.DEBUG)
        self._tokens.let_in(settings.chat_roles)
        self.chat.renew(_chat_options(settings))
        self.shared.renew(settings)
        self.accounts.renew(settings)
        if self._cluster is not None:
            self._cluster.renew(settings)
        self._http.forget_documents()
        self._tasks.spawn(record_reload(self.accounts, changed), name="reload")
        for remark in settings.oddities():
            log.warning("%s", remark)
        log.info("settings were reloaded; changed: %s", ", ".join(changed) or "nothing")
        if waiting:
            log.warning("these settings changed and need a restart to take effect: %s", ", ".join(waiting))

    async def stop(self) -> int:
        """Stop once, in order, each step with a deadline. Each call returns how many accepted writes are not stored."""
        if self._stopped is None:
            self._stopped = self._tasks.spawn(self._stop(), name="stop")
        return await asyncio.shield(self._stopped)

    async def _stop(self) -> int:
        # 1. Accept no new connections, and refuse new messages on existing ones.
        self._listener.close()
        for head in self.shared.heads:
            head.close()
        # 2. Give the rooms to another node. Store accepted messages, and acknowledge them.
        if self._cluster is not None:
            await self._cluster.node.resign_to_another()
        unwritten = await self.chat.drain(self._settings.drain_seconds)
        # 3. Send goodbye and close every connection; some clients do not answer.
        self.chat.say_goodbye()
        try:
            async with asyncio.timeout(min(self._stop_seconds, self._settings.close_seconds)):
                while self.shared.connections:
                    await self.shared.connection_gone()
        except TimeoutError:
            for connection in tuple(self.shared.connections):
                connection.abort()
        self._pulse.summarize()
        # 4. End running HTTP requests; 5. tasks; 6. storage.
        await self._runner.cleanup()
        await self._admin.cleanup()
        stuck = await self._tasks.close(self._stop_seconds) + await self.chat.close(self._stop_seconds)
        self.accounts.close()
        await self._expirer.close()
        await self._cutter.close()
        await self._eraser.close()
        if stuck:
            log.error("these tasks did not stop: %s", ", ".join(stuck))
        elif not unwritten and self.chat.elsewhere is None:
            await self.chat.leave_epoch()
        if self._cluster is not None:
            await self._cluster.close()
        await self._storage.close()
        return unwritten


def urls_of(addresses: Sequence[Any]) -> str:
    """Return the URLs of sockets with these addresses (RFC 3986 section 3.2.2: IPv6 is in brackets), as it is usual for
    Unix sockets.
    """
    paths = sorted(f"{UNIX}{address}" for address in addresses if isinstance(address, str))
    hosts = sorted((address[0], address[1]) for address in addresses if not isinstance(address, str))
    urls = [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host, port in hosts]
    return " and ".join(urls + paths)


def _node_name(settings: Settings, port: int) -> str:
    return settings.node_name or f"{socket.gethostname()}:{port}"


def _chat_options(settings: Settings) -> ChatOptions:
    rate = settings.rate_limit_messages
    return ChatOptions(
        limits=Limits(
            max_frame_bytes=settings.max_frame_bytes,
            max_content_chars=settings.max_content_chars,
            messages_per_second=rate,
            messages_burst=max(1, round(rate * BURST_SECONDS)) if rate else 0,
            max_rooms=settings.session_rooms,
            edit_window=settings.edit_window,
            resume_limit=settings.resume_limit,
        ),
        pool=PoolLimits(
            workers=settings.workers,
            batch=settings.batch,
            queue_messages=settings.queue_messages,
            queue_bytes=settings.queue_bytes,
        ),
        guests=settings.guests,
        public_url=settings.public_url,
        guest_role=settings.guest_role,
        presence_grace=settings.presence_grace,
        new_guests=settings.rate_limit_guests,
        guest_messages=settings.rate_limit_guest_messages,
        principal_connections=settings.max_connections_per_principal,
        address_rooms=settings.address_rooms,
        server_rooms=settings.server_rooms,
        retention_days=settings.retention_days,
        erase_after_days=settings.erase_after_days,
        room_tail=settings.room_tail,
        tails_bytes=settings.tails_bytes,
        slow_high=settings.slow_bytes_high,
        heartbeat=settings.heartbeat,
    )


async def serve(settings: Settings, read_again: Callable[[], Settings], supervisor: Supervisor) -> int:
    """Run a server until SIGTERM or SIGINT; at SIGHUP, apply what ``read_again`` returns. Signals that are ignored when
    the process starts (``nohup``, ``trap ''``, background jobs of a script) stay ignored.

    Returns the exit status: 0, or 1 when writes were lost.
    """
    server = Server(settings, supervisor=supervisor)
    for remark in settings.oddities():
        log.warning("%s", remark)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            log.warning("stopping immediately")
            server.chat.parts.pool.abort_drain()
        stop.set()

    def on_hangup() -> None:
        supervisor.reloading()
        try:
            server.renew(read_again())
        except SettingError as error:
            for problem in error.problems:
                log.error("settings were not reloaded and keep their values: %s", problem)
        supervisor.ready()

    for signum, handler in ((signal.SIGTERM, on_signal), (signal.SIGINT, on_signal), (signal.SIGHUP, on_hangup)):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            loop.add_signal_handler(signum, handler)
    try:
        await server.start()
        supervisor.ready()
        await stop.wait()
        supervisor.stopping()
        log.info("stopping; a second signal stops without waiting for storage")
    finally:
        unwritten = await server.stop()
    if unwritten:
        log.error("%s not stored", counted(unwritten, "accepted write was", "accepted writes were"))
    return 1 if unwritten else 0
