"""Every metric of a server in one table: `docs/monitoring.md`, the dashboard and the alerts are held to it by tests."""

import platform
from collections.abc import Callable, Iterable, Iterator
from heapq import nlargest
from typing import Literal, NamedTuple

from chat.chat import Chat
from chat.delivery.counters import Counters, Histogram
from server.metrics.counts import ServerCounts
from utils.version import installed_version

Kind = Literal["gauge", "counter", "histogram"]
Labels = tuple[str, ...]
Values = Iterable[tuple[Labels, float]]
# Rooms with a line each. A label for every room would be unbounded (Prometheus, "Metric naming").
LARGEST_ROOMS = 10
# Kinds of rooms that every user may list. The names of others, and that they exist, are private to their members.
LISTED = frozenset({"public", "ephemeral"})
_NO_LABELS: Labels = ()


class Source(NamedTuple):
    """What the rows read.

    Attributes:
        full: whether to name rooms that not every user may see.
    """

    chat: Chat
    counts: ServerCounts
    full: bool

    @property
    def counters(self) -> Counters:
        """The counts of the chat."""
        return self.chat.parts.counters


class Row(NamedTuple):
    """A metric.

    Attributes:
        name: without ``parley_``, and without the ``_total`` of a counter.
        read: returns its values; of a histogram, its `Histogram` by labels.
        full: only for operators: `ADMIN_PORT` serves it.
    """

    name: str
    kind: Kind
    help: str
    read: Callable[[Source], Values | Iterable[tuple[Labels, Histogram]]]
    labels: Labels = ()
    full: bool = False

    @property
    def full_name(self) -> str:
        """The name in queries; of a histogram, without ``_bucket``, ``_sum`` and ``_count``."""
        return f"parley_{self.name}{'_total' if self.kind == 'counter' else ''}"


def _gauge(name: str, text: str, read: Callable[[Source], float]) -> Row:
    return Row(name, "gauge", text, lambda source: [(_NO_LABELS, read(source))])


def _count(name: str, text: str, read: Callable[[Source], float]) -> Row:
    return Row(name, "counter", text, lambda source: [(_NO_LABELS, read(source))])


def _times(name: str, text: str, read: Callable[[Source], Histogram]) -> Row:
    return Row(name, "histogram", text, lambda source: [(_NO_LABELS, read(source))])


def _rooms(source: Source) -> Values:
    named = [room for room in source.chat.parts.hub.rooms.values() if source.full or room.record.kind in LISTED]
    largest = nlargest(LARGEST_ROOMS, named, key=lambda room: len(room.presence.sessions))
    return [((room.name,), len(room.presence.sessions)) for room in largest]


def _role(source: Source) -> Values:
    chat = source.chat
    if chat.elsewhere is not None:
        role = "edge"
    else:
        role = "standby" if chat.parts.storage.another_writes() else "owner"
    return [((one,), float(one == role)) for one in ("owner", "edge", "standby")]


def _retention_lag(source: Source) -> Values:
    """Only the server that writes removes what has expired."""
    counters, parts = source.counters, source.chat.parts
    if counters.expired_at is None or source.chat.elsewhere is not None or parts.storage.another_writes():
        return []
    return [(_NO_LABELS, max(0.0, parts.clock.monotonic() - counters.expired_at))]


def _build(source: Source) -> Values:
    return [((installed_version(), platform.python_version(), source.counts.event_loop), 1.0)]


def _pool_connections(source: Source) -> Iterator[tuple[Labels, float]]:
    for pool in source.chat.parts.storage.pools():
        yield (pool.name, "busy"), float(pool.busy)
        yield (pool.name, "idle"), float(pool.idle)


def _by_text(counts: Callable[[Source], dict[str, int]]) -> Callable[[Source], Values]:
    return lambda source: [((name,), count) for name, count in counts(source).items()]


ROWS: tuple[Row, ...] = (
    # The server.
    _gauge(
        "ready",
        "1 when messages are accepted and stored",
        lambda source: float(source.chat.problem() is None),
    ),
    Row(
        "role",
        "gauge",
        "1 for what this server is: owner (it has the rooms), edge (another node has them) or standby (another server "
        "writes to the database)",
        _role,
        ("role",),
    ),
    Row("build_info", "gauge", "1, with versions as labels", _build, ("version", "python", "event_loop"), full=True),
    _times(
        "event_loop_lag_seconds",
        "how late the event loop ran a timer, four times a second",
        lambda source: source.counts.loop_lag,
    ),
    # Connections.
    _gauge("connections", "WebSocket connections", lambda source: len(source.chat.parts.hub.sessions)),
    _gauge("sockets", "open connections of any kind", lambda source: source.counters.sockets),
    _gauge(
        "sockets_limit", "connections of any kind that may be open: MAX_CONNECTIONS", lambda s: s.counts.sockets_limit
    ),
    _count(
        "connections_opened",
        "WebSocket connections since the start",
        lambda source: source.counters.connections_total,
    ),
    Row(
        "connections_closed",
        "counter",
        "ended WebSocket connections, by who ended them (server, client, or lost without a Close frame) and close code",
        lambda source: [((by, code), count) for (by, code), count in source.counts.closed.items()],
        ("by", "code"),
    ),
    _count(
        "connections_refused",
        "connections closed or refused by a limit on connections",
        lambda source: source.counters.refused_connections,
    ),
    Row(
        "upgrades_refused",
        "counter",
        "refused WebSocket handshakes by reason",
        _by_text(lambda source: source.counts.upgrades_refused),
        ("reason",),
    ),
    _count(
        "accept_pauses",
        "pauses of the listener for lack of file descriptors",
        lambda source: source.counters.accept_pauses,
    ),
    _count(
        "slow_members",
        "clients disconnected because they read too slowly",
        lambda source: source.counters.slow_members,
    ),
    Row(
        "received_bytes",
        "counter",
        "bytes received from clients, without the heads of requests that open a connection",
        lambda source: [(("websocket",), source.counts.websocket_bytes), (("http",), source.counts.http_bytes)],
        ("protocol",),
    ),
    Row(
        "sent_bytes",
        "counter",
        "bytes sent to clients: frames of rooms and answers to commands (websocket), or answers to requests (http)",
        lambda source: [(("websocket",), source.counters.sent_bytes), (("http",), source.counts.http_bytes_sent)],
        ("protocol",),
    ),
    # HTTP and logins.
    Row(
        "http_requests",
        "counter",
        "answered HTTP requests by method, path in the API and status; other for what the API does not have",
        lambda source: [
            ((method, route, str(status)), count) for (method, route, status), count in source.counts.requests.items()
        ],
        ("method", "route", "status"),
    ),
    Row(
        "http_request_duration_seconds",
        "histogram",
        "from the head of an HTTP request to the end of its answer",
        lambda source: source.counts.durations.items(),
        ("method", "route"),
        full=True,
    ),
    Row(
        "http_errors",
        "counter",
        "refused HTTP requests by error code",
        _by_text(lambda source: source.counts.http_errors),
        ("code",),
    ),
    Row(
        "logins",
        "counter",
        "attempts to sign in with a password, by result",
        _by_text(lambda source: source.counts.logins),
        ("result",),
    ),
    # Rooms and messages.
    _gauge(
        "rooms",
        "rooms in use: with users, pending writes or a running command",
        lambda source: len(source.chat.parts.hub.rooms),
    ),
    Row("room_connections", "gauge", "connections of the largest rooms", _rooms, ("room",)),
    _count("messages_in", "messages accepted", lambda source: source.counters.messages_in),
    _count("changes_in", "changes to messages accepted", lambda source: source.counters.changes_in),
    _count("deliveries", "frames written to members of rooms", lambda source: source.counters.deliveries),
    _count("acks", "messages and changes acknowledged", lambda source: source.counters.acks),
    _count("retractions", "messages retracted", lambda source: source.counters.retractions),
    Row(
        "errors",
        "counter",
        "refusals of WebSocket commands by error code",
        _by_text(lambda source: source.counters.errors),
        ("code",),
    ),
    Row(
        "resumes",
        "counter",
        "resumes, by whether everything missed was sent",
        lambda source: [((str(recovered).lower(),), count) for recovered, count in source.counters.resumes.items()],
        ("recovered",),
    ),
    _times(
        "broadcast_latency_seconds",
        "from the first queued frame to the last write of a broadcast",
        lambda source: source.counters.broadcast_latency,
    ),
    # Storage.
    _times(
        "ack_lag_seconds",
        "from accepting a message to its ack, for the oldest of each batch",
        lambda source: source.counters.ack_lag,
    ),
    _times("store_latency_seconds", "duration of one transaction", lambda source: source.counters.store_latency),
    _times("batch_size", "writes in a batch", lambda source: source.counters.batch_size),
    Row(
        "queue_depth",
        "gauge",
        "writes pending at a worker",
        lambda source: [((worker.name,), len(worker)) for worker in source.chat.parts.pool.workers],
        ("worker",),
    ),
    _gauge(
        "queue_depth_limit",
        "writes that may be pending at a worker: QUEUE_MESSAGES",
        lambda source: source.chat.parts.options.pool.queue_messages,
    ),
    _count("refused_rows", "writes that storage refused", lambda source: source.counters.refused_rows),
    _count("store_retries", "batches retried", lambda source: source.counters.store_retries),
    _gauge("reads_waiting", "reads queued for storage", lambda source: source.chat.parts.storage.waiting_reads()),
    Row(
        "database_connections",
        "gauge",
        "open connections to the database by pool (reads or accounts) and state (busy or idle)",
        _pool_connections,
        ("pool", "state"),
    ),
    Row(
        "database_connections_limit",
        "gauge",
        "connections that a pool may open",
        lambda source: [((pool.name,), pool.most) for pool in source.chat.parts.storage.pools()],
        ("pool",),
    ),
    Row(
        "database_connections_lost",
        "counter",
        "connections of a pool that broke, or could not be opened",
        lambda source: [((pool.name,), pool.lost) for pool in source.chat.parts.storage.pools()],
        ("pool",),
    ),
    _count("expired_messages", "messages removed by retention", lambda source: source.counters.expired),
    _count("erased_messages", "deleted messages that were erased", lambda source: source.counters.erased),
    Row(
        "retention_lag_seconds",
        "gauge",
        "seconds since expired messages were last removed completely, up to 600 between two rounds; only at the server "
        "that writes",
        _retention_lag,
    ),
    _gauge(
        "messages_to_reindex",
        "stored messages still to be re-indexed for search",
        lambda source: source.counters.words_left,
    ),
)
