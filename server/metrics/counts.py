"""What a server counts besides its chat. Counting is one addition; the rest of the work is done when it is scraped."""

from collections import Counter
from collections.abc import Iterable

from chat.delivery.counters import Histogram
from model.errors import CLOSE_CODES

# The label of what has no place in a table. Paths and codes that a client chooses would be unbounded labels.
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Why an upgrade is refused: by its form, by who asks, and by the state of this server.
REFUSALS = (
    "malformed",
    "too_large",
    "not_found",
    "method",
    "version",
    "origin",
    "unauthorized",
    "forbidden",
    "suspended",
    "blocked",
    "rate_limited",
    "address_full",
    "server_full",
    "stopping",
    "unavailable",
    "cut_off",
)
# Codes of Close frames: those of RFC 6455 that a client may send, 1006 for a connection that ended without one, ours.
LOST = 1006
CODES = frozenset({1000, 1001, 1003, 1005, LOST, 1008, *(close.code for close in CLOSE_CODES)})
LOGINS = ("ok", "wrong_credentials", "code_required", "rate_limited", "suspended", "overloaded", "unavailable")
_REQUEST_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ServerCounts:
    """The counts of one server since its start.

    Attributes:
        requests: HTTP requests by method, path in the table of endpoints, and status.
        durations: how long they took, by method and path.
        http_errors: refused requests by code.
        upgrades_refused: by reason, one of `REFUSALS`.
        closed: WebSocket connections by who ended them (``server``, ``client`` or ``lost``) and code.
        logins: by result, one of `LOGINS`.
        websocket_bytes, http_bytes: received.
        http_bytes_sent: in answers; those of WebSocket are counted by the chat.
        event_loop: its library: ``asyncio`` or ``uvloop``.
        loop_lag: how late it was.
        sockets_limit: how many sockets may be open.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.durations: dict[tuple[str, str], Histogram] = {}
        self.http_errors = Counter({"internal": 0})  # an alert sees the first one only if there was a zero before
        self.upgrades_refused = _zeros(REFUSALS)
        self.closed: Counter[tuple[str, str]] = Counter()
        self.logins = _zeros(LOGINS)
        self.websocket_bytes = 0
        self.http_bytes = 0
        self.http_bytes_sent = 0
        self.event_loop = ""
        self.loop_lag = Histogram(*_LAG_SECONDS)
        self.sockets_limit = 0

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            route: its path in the table of endpoints; `OTHER` if it has none there.
            seconds: from the end of its head to the end of the answer.
        """
        method = method if method in METHODS else OTHER
        self.requests[method, route, status] += 1
        histogram = self.durations.get((method, route))
        if histogram is None:
            histogram = self.durations[method, route] = Histogram(*_REQUEST_SECONDS)
        histogram.observe(seconds)

    def refused_head(self, status: int) -> None:
        """Count a request whose head was refused before it was known what is asked for."""
        self.requests[OTHER, OTHER, status] += 1

    def refused_upgrade(self, reason: str) -> None:
        """Count a refused upgrade."""
        self.upgrades_refused[reason if reason in self.upgrades_refused else OTHER] += 1

    def ended(self, by: str, code: int) -> None:
        """Count the end of a WebSocket connection."""
        self.closed[by, str(code) if code in CODES else OTHER] += 1

    def login(self, result: str) -> None:
        """Count an attempt to sign in."""
        self.logins[result if result in self.logins else OTHER] += 1


def _zeros(names: Iterable[str]) -> Counter[str]:
    """Return a counter that has every name, so that a scrape shows it before it has happened once."""
    return Counter(dict.fromkeys((*names, OTHER), 0))
