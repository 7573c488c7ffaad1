"""Watches a server: how late its event loop is, whether it is ready, and what its clients do, a line a minute."""

import asyncio
import logging
from collections import Counter
from typing import NamedTuple

from chat.chat import Chat, NotReadyReason
from server.metrics.counts import ServerCounts
from server.supervisor import Supervisor
from utils.wording import counted

log = logging.getLogger(__name__)

# Seconds between two looks. A stall that is shorter is seen in part of the cases: the histogram shows how often.
BEAT_SECONDS = 0.25
# A stall of this many seconds is logged: clients notice it.
STALL_SECONDS = 1.0
# Seconds between two summaries.
SUMMARY_SECONDS = 60.0
# Kinds of what was refused or closed that a summary names; the rest is in the metrics.
NAMED = 5


class _Seen(NamedTuple):
    """The counts at the time of a summary."""

    opened: int
    closed: Counter[str]
    handshakes: Counter[str]
    commands: Counter[str]
    requests: Counter[str]


class Pulse:
    """Watches from :meth:`run` on, until that is cancelled."""

    def __init__(self, chat: Chat, counts: ServerCounts, supervisor: Supervisor) -> None:
        self._chat = chat
        self._counts = counts
        self._supervisor = supervisor
        self._seen = self._look()
        self._reason: NotReadyReason | None = None
        self._since: float | None = None  # when the server became unready; None while it is ready

    async def run(self) -> None:
        """Look at the server again and again, forever."""
        now = asyncio.get_running_loop().time
        due = now() + BEAT_SECONDS
        summary_due = now() + SUMMARY_SECONDS
        alive_due = now()
        while True:
            await asyncio.sleep(max(0.0, due - now()))
            lag = max(0.0, now() - due)
            self._counts.loop_lag.observe(lag)
            if lag >= STALL_SECONDS:
                log.warning("the event loop stood still for %.1f s: too little CPU, or something blocks it", lag)
            self.check_ready(now())
            if self._supervisor.watchdog_seconds and now() >= alive_due:
                alive_due = now() + self._supervisor.watchdog_seconds / 2 - BEAT_SECONDS
                self._supervisor.alive()
            if now() >= summary_due:
                summary_due = now() + SUMMARY_SECONDS
                self.summarize()
            due = now() + BEAT_SECONDS

    def check_ready(self, now: float) -> None:
        """Log that the server has stopped being ready, another reason for that, and the end of it.

        Args:
            now: by a monotonic clock.
        """
        reason = self._chat.not_ready_reason()
        if reason != "stopping":
            self._supervisor.status("ready" if reason is None else f"not ready ({reason}): {self._chat.problem()}")
        if reason == self._reason or reason == "stopping":
            return
        self._reason = reason
        if reason is None:
            log.info("this server is ready after %.1f s", now - (self._since or now))
            self._since = None
            return
        if self._since is None:
            self._since = now
        log.log(
            logging.INFO if reason in ("starting", "standby") else logging.WARNING,
            "this server is not ready (%s): %s",
            reason,
            self._chat.problem(),
        )

    def summarize(self) -> None:
        """Log what clients have done since the last summary, if they have done anything."""
        before, seen = self._seen, self._look()
        self._seen = seen
        opened = seen.opened - before.opened
        said = [counted(opened, "connection was opened", "connections were opened")] if opened else []
        said += [
            f"{counted(more.total(), one, many)} ({_named(more)})"
            for one, many, more in (
                ("was closed", "were closed", seen.closed - before.closed),
                ("handshake was refused", "handshakes were refused", seen.handshakes - before.handshakes),
                ("command was refused", "commands were refused", seen.commands - before.commands),
                ("request was refused", "requests were refused", seen.requests - before.requests),
            )
            if more
        ]
        if said:
            left = counted(len(self._chat.parts.hub.sessions), "connection is open", "connections are open")
            log.info("in the last minute %s; %s", ", ".join(said), left)

    def _look(self) -> _Seen:
        counts, counters = self._counts, self._chat.parts.counters
        closed = Counter({f"{by} {code}": count for (by, code), count in counts.closed.items()})
        return _Seen(
            counters.connections_total,
            closed,
            counts.upgrades_refused.copy(),
            counters.errors.copy(),
            counts.http_errors.copy(),
        )


def _named(counts: Counter[str]) -> str:
    """Return the most frequent kinds: ``3 unauthorized, 1 origin``."""
    named = [f"{count} {name}" for name, count in counts.most_common(NAMED)]
    return ", ".join(named if len(counts) <= NAMED else [*named, f"{len(counts) - NAMED} other kinds"])
