"""What a server says of itself: its summary of what clients do, and that it is not ready."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chat.chat import Chat
from chat.delivery.counters import Counters
from server.metrics.counts import ServerCounts
from server.pulse import Pulse
from server.supervisor import Supervisor


class Watched:
    """As much of a chat as a pulse looks at."""

    def __init__(self) -> None:
        self.counters, self.counts = Counters(), ServerCounts()
        self.reason: str | None = None
        chat: Any = SimpleNamespace(
            parts=SimpleNamespace(counters=self.counters, hub=SimpleNamespace(sessions=range(7))),
            not_ready_reason=lambda: self.reason,
            problem=lambda: f"because of {self.reason}",
        )
        self.pulse = Pulse(cast(Chat, chat), self.counts, Supervisor({}))


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "server.pulse")

    def take() -> list[str]:
        lines = [f"{record.levelname} {record.getMessage()}" for record in caplog.records]
        caplog.clear()
        return lines

    return take


def test_a_summary_has_what_has_happened_since_the_last_one(watched: Watched, said: Callable[[], list[str]]) -> None:
    counts, counters = watched.counts, watched.counters
    watched.pulse.summarize()
    assert said() == [], "nothing has happened"
    counters.connections_total += 12
    for _ in range(3):
        counts.ended("client", 1001)
    counts.ended("lost", 1006)
    counts.refused_upgrade("origin")
    counters.errors["rate_limited"] += 4
    for code in "abcdefg":
        counts.http_errors[code] += 1
    watched.pulse.summarize()
    (line,) = said()
    assert line == (
        "INFO in the last minute 12 connections were opened, 4 were closed (3 client 1001, 1 lost 1006), "
        "1 handshake was refused (1 origin), 4 commands were refused (4 rate_limited), "
        "7 requests were refused (1 a, 1 b, 1 c, 1 d, 1 e, 2 other kinds); 7 connections are open"
    )
    counts.ended("client", 1001)
    watched.pulse.summarize()
    assert said() == ["INFO in the last minute 1 was closed (1 client 1001); 7 connections are open"]
    watched.pulse.summarize()
    assert said() == []


def test_an_outage_has_a_line_for_its_beginning_each_reason_and_its_end(
    watched: Watched, said: Callable[[], list[str]]
) -> None:
    watched.pulse.check_ready(1.0)
    assert said() == []
    watched.reason = "storage"
    watched.pulse.check_ready(2.0)
    watched.pulse.check_ready(3.0)
    assert said() == ["WARNING this server is not ready (storage): because of storage"]
    watched.reason = "standby"
    watched.pulse.check_ready(4.0)
    assert said() == ["INFO this server is not ready (standby): because of standby"]
    watched.reason = None
    watched.pulse.check_ready(9.5)
    assert said() == ["INFO this server is ready after 7.5 s"]
    watched.reason = "stopping"
    watched.pulse.check_ready(10.0)
    assert said() == [], "that it stops has a line already"
