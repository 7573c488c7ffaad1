"""The plain dialect as pure functions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat.ports import Dialect
from model.commands import PostMessage
from model.events import (
    Ack,
    Announcement,
    Deleted,
    Edited,
    Entered,
    Error,
    Exited,
    Goodbye,
    Left,
    Pong,
    Presence,
    Retracted,
    Synced,
)
from model.message import Message
from model.room import User
from server.dialects.api_chat import ApiChatDialect
from server.dialects.plain import PlainDialect
from server.dialects.ws import WsDialect
from tests.unit.server.test_tokens import StoppedClock
from utils.clock import rfc3339

DIALECT = PlainDialect(StoppedClock())
ANN = User("g_1", "ann")
AT = "2026-01-01T00:00:00.000000Z"
FAKE = "The administrator announces: go to"


@given(st.text(), st.text(min_size=1))
def test_every_text_is_a_message_to_the_room_in_the_address(text: str, home: str) -> None:
    assert DIALECT.command(text, home) == PostMessage(room=home, content=text)


@pytest.mark.parametrize(
    ("event", "sender", "content"),
    [
        (Message("den", 5, 5, "ann", "g_1", "hi", "2026-01-01T00:00:00.000000Z", "m"), "ann", "hi"),
        (Edited("den", 5, 6, "ann", "hi all", AT, kind="guest"), "ann", "edited: hi all"),
        (Entered("den", User("g_2", FAKE)), "SYSTEM", f'User "{FAKE}" entered the chat'),
        (Exited("den", User("g_2", FAKE)), "SYSTEM", f'User "{FAKE}" left the chat'),
        (
            Deleted("den", 5, 6, 'x" was y', "2026-01-01T00:00:00.000000Z"),
            "SYSTEM",
            r'a message by "x\" was y" was removed',
        ),
        (Entered("den", ANN), "SYSTEM", "User ann entered the chat"),
        (Exited("den", ANN), "SYSTEM", "User ann left the chat"),
        (Retracted(room="den", seq=5, sender="ann"), "SYSTEM", 'a message by "ann" was removed'),
        (
            Left(room="den", reason="kicked", by=ANN, text="spam"),
            "SYSTEM",
            'you were removed from "den" by "ann": "spam"',
        ),
        (Error(code="empty", message="say something", retryable=False, room="den"), "SYSTEM", "say something"),
    ],
)
def test_every_frame_has_four_fields_and_a_mark_for_guests(event: Any, sender: str, content: str) -> None:
    frame = DIALECT.frame(event)
    assert frame is not None
    told = json.loads(frame[frame.index(b"{") :])
    timestamp = told.pop("timestamp")
    kind = {"kind": "guest"} if isinstance(event, Message | Edited) else {}
    assert told == {"sender": sender, "room": "den", "content": content, **kind}
    assert timestamp == (AT if sender == "ann" else rfc3339(StoppedClock().now_us()))


@pytest.mark.parametrize("dialect", [DIALECT, WsDialect(), ApiChatDialect(StoppedClock())])
def test_a_message_whose_guest_has_become_an_account_has_no_mark(dialect: Dialect) -> None:
    message = Message("den", 5, 5, "ann", "g_1", "hi", AT, alias_of="a_1")
    told = [dialect.frame(one) for one in (message, replace(message, alias_of=None))]
    assert [b"guest" in frame for frame in told if frame is not None] == [False, True]


@pytest.mark.parametrize(
    "event",
    [
        Ack(ids=[]),
        Presence(room="den", count=1, joined=[ANN]),
        Pong(timestamp="t"),
        Left(room="den"),
        Synced(room="den", head=5),
        Goodbye(reason="shutting_down", reconnect_after=1.0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_other_events_are_not_sent_in_this_dialect(event: Any) -> None:
    assert DIALECT.frame(event) is None


def test_an_announcement_names_no_room() -> None:
    frame = DIALECT.frame(Announcement(content="closing soon", sender=ANN, timestamp="2026-01-01T00:00:00.000000Z"))
    assert frame is not None
    assert json.loads(frame[frame.index(b"{") :]) == {
        "sender": "SYSTEM",
        "room": "",
        "content": '"ann" announces: closing soon',
        "timestamp": "2026-01-01T00:00:00.000000Z",
    }
