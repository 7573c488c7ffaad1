"""Would a frame or a response against the contract be noticed? What is noted is what fails a test in the end."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import contract

PONG = {"type": "pong", "timestamp": "2026-11-21T08:31:12.000001Z"}
JOINED = {
    "type": "joined", "room": "general", "epoch": "e", "head": 0, "recovered": True, "role": "member",
    "members": [{"id": "g_1", "name": "ann"}], "count": 1, "info": {"kind": "public"},
}  # fmt: skip
ERROR = {"type": "error", "code": "empty", "message": "nothing", "retryable": False}
PLAIN = {"sender": "ann", "room": "general", "content": "x", "timestamp": "2026-11-21T08:31:12.000001Z"}


@pytest.fixture
def broken() -> Iterator[list[str]]:
    """The list; empty again before it would fail the test."""
    yield contract.BROKEN
    contract.BROKEN.clear()


@pytest.mark.parametrize("frame", [PONG, JOINED, ERROR, {**PONG, "id": "1"}])
def test_a_valid_frame_is_not_reported(broken: list[str], frame: Any) -> None:
    contract.hold("parley.v1", frame)
    assert not broken


@pytest.mark.parametrize(
    "frame",
    [
        {**PONG, "extra": 1},
        {**PONG, "timestamp": 7},
        {**PONG, "id": None},
        {"type": "pong"},
        {"type": "nothing"},
        {**JOINED, "members": [{"id": "g_1", "name": "ann", "extra": 1}]},
        {**JOINED, "role": "visitor"},
        {**JOINED, "info": {}},
        {**ERROR, "code": "no_such_code"},
        [],
        "pong",
    ],
)
def test_an_invalid_frame_is_reported(broken: list[str], frame: Any) -> None:
    contract.hold("parley.v1", frame)
    assert len(broken) == 1


def test_each_dialect_has_its_own_frames(broken: list[str]) -> None:
    contract.hold("plain", PLAIN)
    assert not broken
    contract.hold("plain", PONG)
    contract.hold("parley.v1", PLAIN)
    contract.hold("plain", {**PLAIN, "seq": 1})
    assert len(broken) == 3


def test_a_response_is_checked_against_its_route(broken: list[str]) -> None:
    contract.hold_reply("GET", "/health?x=1", 200, "application/json", {"status": "ok"})
    contract.hold_reply("GET", "/nothing", 200, "text/html", None)
    contract.hold_reply("POST", "/health", 405, "text/plain", None)
    assert not broken
    contract.hold_reply("GET", "/health", 200, "application/json", {"status": "ok", "extra": 1})
    contract.hold_reply("GET", "/health", 200, "text/plain", None)
    contract.hold_reply("GET", "/health", 404, "text/plain", None)
    assert len(broken) == 3


def test_a_response_is_checked_against_its_route_for_any_path_values(broken: list[str]) -> None:
    entry = {"kind": "public", "room": "plans"}
    contract.hold_reply("GET", "/api/rooms/plans", 200, "application/json", entry)
    contract.hold_reply("GET", "/api/rooms/a%2Fb?x=1", 200, "application/json", entry)
    contract.hold_reply("DELETE", "/api/rooms/plans", 204, "", None)
    assert not broken
    contract.hold_reply("GET", "/api/rooms/plans", 200, "application/json", {"kind": "public"})
    contract.hold_reply("DELETE", "/api/rooms/plans", 200, "application/json", entry)
    assert len(broken) == 2


def test_repeated_violations_are_reported_a_few_times(broken: list[str]) -> None:
    for _ in range(1000):
        contract.hold("parley.v1", {"type": "pong"})
    assert 1 <= len(broken) <= 10
