"""The state that all connections of a server share: settings, deadlines, and the sweep over the connections."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from operator import call, methodcaller
from typing import Protocol

from chat.chat import Chat
from chat.delivery.ratelimit import allowances, rate_limited
from chat.one_shot import CommandRunner
from chat.ports import Identity
from server.access.addresses import Addresses, Client, values_in
from server.access.capacity import Capacity, Place
from server.access.origins import Origins
from server.auth.access_list import AccessList
from server.auth.cookies import access_cookies, cookie_names
from server.auth.tokens import authenticate
from server.codec.frames import plain_response
from server.dialects import dialects_by_path
from server.logs.access import log_access
from server.memory import Memory
from server.metrics.counts import ServerCounts
from server.settings.values import Settings
from server.wire.admission import FRAMES, FRAMES_AT_ONCE, Admission, Share
from server.wire.deadlines import Deadlines, Expiries
from server.wire.renewals import Renewals
from utils.log_fields import CLIENTS

log = logging.getLogger(__name__)
clients = logging.getLogger(CLIENTS)

# Connections are pinged in this many groups per heartbeat, so that their pongs do not arrive all at once.
SLICES = 20
# Reasons of refusals that have a line of their own.
_SAID = frozenset({"server_full", "address_full"})
# Retry-After, in seconds, when the server is full.
FULL_SECONDS = 5.0


class Waiting(Protocol):
    """A connection whose first request head is incomplete."""

    def close(self) -> None:
        """Close, because the server is stopping."""

    def head_due(self) -> None:
        """Refuse the connection if its head is still incomplete."""


class Connected(Protocol):
    """A WebSocket connection."""

    def beat(self, idle_beats: int) -> None:
        """Handle a heartbeat; after more than ``idle_beats`` without a command the connection is idle, 0 for never."""

    def abort(self) -> None:
        """Drop the connection at once."""

    def expire(self) -> None:
        """Close, because the account's token has expired."""


class Shared:
    """The state that all connections of a server share, and the sweep over them."""

    def __init__(self, settings: Settings, chat: Chat, access: AccessList) -> None:
        self.max_frame: int = settings.max_frame_bytes
        self.max_headers: int = max(128, settings.head_bytes // 128)  # a header costs more than its bytes
        self.max_lines = self.max_headers + 2  # with the request line and the empty line
        self.chat = chat
        self.access = access
        self.renewals = Renewals(chat)
        self.runner = CommandRunner(chat)
        self.dialects = dialects_by_path(chat.parts.clock)
        self.proxy_protocol: bool = settings.proxy_protocol
        self.capacity = Capacity(
            settings.max_connections or 0, settings.max_connections_per_address or 0, chat.parts.counters
        )
        self.counts = ServerCounts()
        self.counts.sockets_limit = self.capacity.most
        self._take(settings)
        self._upgrades = allowances(settings.rate_limit_upgrades)
        self._requests = allowances(settings.rate_limit_requests)
        self.websockets_log = logging.getLogger("websockets.server")
        self.connections: dict[Connected, None] = {}  # of 10,000, a dict has half the bytes of a set
        self._gone = asyncio.Event()
        self.admission = Admission()
        self.frames = Share(FRAMES, FRAMES_AT_ONCE)
        self.now = time.monotonic
        self._memory = Memory(self.now())
        self.heads = Deadlines[Waiting](settings.head_seconds, methodcaller("head_due"))
        self.hello_deadlines = Deadlines[Callable[[], None]](settings.hello_seconds, call)
        self.close_deadlines = Deadlines[Callable[[], None]](settings.close_seconds, call)
        self.expiries = Expiries[Connected](methodcaller("expire"))
        beats = settings.idle_timeout / settings.heartbeat
        self._idle_beats = max(1, round(beats)) if beats else 0
        self._due: list[Connected] = []
        self._slice = 1
        self._next_round = self.now() + settings.heartbeat
        self._deadlines = (self.heads, self.hello_deadlines, self.close_deadlines)

    def renew(self, settings: Settings) -> None:
        """Apply new values of live settings; used-up rates stay used up unless their setting changed."""
        before = self.settings
        self._take(settings)
        if settings.rate_limit_upgrades != before.rate_limit_upgrades:
            self._upgrades = allowances(settings.rate_limit_upgrades)
        if settings.rate_limit_requests != before.rate_limit_requests:
            self._requests = allowances(settings.rate_limit_requests)

    def _take(self, settings: Settings) -> None:
        self.settings = settings
        # Copied, because each connection reads them: a look-up in Settings takes ten times as long as an attribute.
        self.head_bytes: int = settings.head_bytes
        self.access_log: bool = settings.access_log
        self.slow_bytes_low: int = settings.slow_bytes_low
        self.public_origin = cookie_names(settings.public_url).origin
        self.origins = Origins(settings.allowed_origins)
        self.addresses = Addresses(
            settings.trusted_proxies, settings.forwarded_header, forwarded_host=settings.forwarded_host
        )

    def authenticate(self, values: Sequence[str], cookies: Sequence[str], accounts_only: bool) -> Identity | None:
        """See `server.auth.tokens.authenticate`; ``cookies`` are the values of ``Cookie``, if they count."""
        parts, given = self.chat.parts, access_cookies(cookies, self.settings.public_url) if cookies else ()
        return authenticate(values, given, parts.tokens, guests=parts.options.guests, accounts_only=accounts_only)

    def refuse_upgrade(self, place: Place, client: Client, head: bytes) -> bytes:
        """Count an upgrade, and its socket for the client. Return the response if it is refused, else an empty one."""
        reason, response = self._refuse_upgrade(place, client)
        if reason:
            self.counts.refused_upgrade(reason)
            self.note_upgrade(head, client, response, reason)
        return response

    def note_upgrade(self, head: bytes, client: Client, response: bytes, refusal: str, principal: str = "") -> None:
        """Log a refused handshake, and each one if `ACCESS_LOG` is on.

        Args:
            refusal: why it was refused; "" if it was not.
        """
        if refusal and refusal not in _SAID:
            # A template for each reason: repeated lines are left out by their template.
            clients.info(f"a handshake was refused: {refusal}", extra={"address": client.address})
        if self.access_log:
            method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
            path, agents = rest.partition(" ")[0].partition("?")[0], values_in(head)("User-Agent")
            log_access(
                method,
                path,
                int(response[9:12]),
                size=len(response),
                seconds=0.0,
                agent=agents[0] if agents else "",
                address=client.address,
                principal=principal,
            )

    def _refuse_upgrade(self, place: Place, client: Client) -> tuple[str, bytes]:
        """Return the reason, one of `server.metrics.counts.REFUSALS`, and the response; both empty if there is none."""
        place.move(client.network)
        if (denial := self.access.denial_of(client.address)) is not None:
            text = f"{denial.error.message}\n".encode(errors="replace")
            return "blocked", plain_response(b"403 Forbidden", text)
        if self.chat.node is not None and self.chat.node.turns_away:
            text = b"This server cannot reach the one that has the rooms. Another one may.\n"
            return "cut_off", plain_response(b"503 Service Unavailable", text, retry_after=FULL_SECONDS)
        if place.over or place.crowded:
            self.chat.parts.counters.refused_connections += 1
            if place.over:
                log.warning(
                    "refusing a connection of %s: MAX_CONNECTIONS is reached",
                    client.address,
                    extra={"address": client.address},
                )
                text = b"This server has reached its limit on connections.\n"
                return "server_full", plain_response(b"503 Service Unavailable", text, retry_after=FULL_SECONDS)
            log.warning(
                "refusing a connection of %s: its address has reached MAX_CONNECTIONS_PER_ADDRESS",
                client.address,
                extra={"address": client.address},
            )
            text = b"Your address has reached its limit on connections.\n"
            return "address_full", plain_response(b"429 Too Many Requests", text, retry_after=FULL_SECONDS)
        if self._upgrades is not None and client.network and (wait := self._upgrades.take(client.network, self.now())):
            text = b"Too many new connections from your address.\n"
            return "rate_limited", plain_response(b"429 Too Many Requests", text, retry_after=wait)
        return "", b""

    def count_request(self, client: Client) -> None:
        """Count an HTTP request that needs no account.

        Raises:
            ParleyError: ``rate_limited``.
        """
        if self._requests is not None and client.network and (wait := self._requests.take(client.network, self.now())):
            raise rate_limited(wait)

    def lost(self, connection: Connected) -> None:
        """Forget a lost connection."""
        self.connections.pop(connection, None)
        self.expiries.set(connection, 0)
        self._gone.set()

    async def connection_gone(self) -> None:
        """Wait until the next connection is lost."""
        self._gone.clear()
        await self._gone.wait()

    async def sweep(self) -> None:
        """Run deadlines, ping a slice of the connections at a time, and give memory back; forever."""
        settings = self.settings
        pause = min(settings.heartbeat / SLICES, *(queue.delay / 4 for queue in self._deadlines))
        while True:
            await asyncio.sleep(pause)
            try:
                self._sweep(pause / settings.heartbeat)
            except Exception:
                # An error of one connection must not stop the heartbeat of the others.
                log.exception("the sweep failed")

    def _sweep(self, share: float) -> None:
        now = self.now()
        for queue in self._deadlines:
            queue.run(now)
        self.expiries.run(self.chat.parts.clock.now_us())
        if now >= self._next_round:
            self._next_round = now + self.settings.heartbeat
            self._due += self.connections  # those left over by a late sweep come first: slices are taken from the end
            self._slice = max(1, math.ceil(len(self._due) * share))
        due = self._due[-self._slice :]
        del self._due[-self._slice :]
        for connection in due:
            if connection in self.connections:
                connection.beat(self._idle_beats)
        self._memory.give_back(now)
