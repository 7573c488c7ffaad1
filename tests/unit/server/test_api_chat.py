"""The events dialect as pure functions: every incoming and outgoing frame, and every error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import commands
from model.commands import DeleteMessage, EditMessage, PostMessage
from model.errors import ERRORS, ParleyError
from model.events import (
    Ack,
    Adopted,
    Announcement,
    Deleted,
    Edited,
    Entered,
    Error,
    Exited,
    Goodbye,
    Joined,
    Left,
    MemberChanged,
    MemberInfo,
    Pinned,
    Pong,
    Presence,
    Reaction,
    Read,
    Retracted,
    RoomInfo,
    RoomState,
    Synced,
    Typing,
    Welcome,
)
from model.limits import Limits
from model.message import Message
from model.room import User
from server.dialects.api_chat import MAX_SEQ, ApiChatDialect
from tests.support.chatting import unframe
from tests.unit.server.test_tokens import StoppedClock
from utils.clock import rfc3339

DIALECT = ApiChatDialect(StoppedClock())
ANN = User("u_7", "ann")
BEN = User("g_b", "ben")
WHEN = "2026-01-01T00:00:00.000000Z"
ROOM = RoomInfo(kind="public")

RIGHT: list[tuple[str, Any]] = [
    ('{"event":"message","content":"hi"}', PostMessage(room="den", content="hi")),
    ('{"content":"\\u00e9\\n","more":{},"event":"message"}', PostMessage(room="den", content="é\n")),
    ('{"event":"message","content":"","id":"ignored"}', PostMessage(room="den", content="")),
    ('{"event":"typing"}', commands.Typing(room="den")),
    ('{"event":"edit","id":5,"content":"ho"}', EditMessage(room="den", seq=5, content="ho")),
    (
        '{"event":"edit","id":"1795224671000001","content":"ho"}',
        EditMessage(room="den", seq=1795224671000001, content="ho"),
    ),
    ('{"event":"delete","id":9007199254740991}', DeleteMessage(room="den", seq=MAX_SEQ)),
    ('{"event":"delete","id":"9007199254740991"}', DeleteMessage(room="den", seq=MAX_SEQ)),
    ('{"event":"delete","id":"007"}', DeleteMessage(room="den", seq=7)),
]


@pytest.mark.parametrize(("text", "command"), RIGHT)
def test_a_frame_is_a_command_to_the_room_in_the_address(text: str, command: Any) -> None:
    assert DIALECT.command(text, "den") == command


def refusal(text: str) -> ParleyError:
    with pytest.raises(ParleyError) as refused:
        DIALECT.command(text, "den")
    return refused.value


FIELDS = [("message", "content"), ("edit", "id"), ("edit", "content"), ("delete", "id")]


@pytest.mark.parametrize(("event", "field"), FIELDS)
def test_an_invalid_or_missing_field_is_named(event: str, field: str) -> None:
    right: dict[str, Any] = {"event": event, "id": 5, "content": "c"}
    wrong: list[Any] = [None, True, [], {}, 1.5]
    texts = ["", "x", "5x", "-1", "1.5", "5\n", "٥", "9" * 17, str(MAX_SEQ + 1)]
    wrong += [7] if field == "content" else [-1, MAX_SEQ + 1, *texts]
    for frame in (
        {name: value for name, value in right.items() if name != field},
        *({**right, field: value} for value in wrong),
    ):
        error = refusal(json.dumps(frame))
        assert (error.code, error.field) == ("bad_field", field), frame
        assert error.message.startswith(f"{field} ")


@pytest.mark.parametrize("event", ["", "Message", "join", "leave", "error", "announcement", "x` - at `$.id`"])
def test_an_unknown_event_is_unknown_type(event: str) -> None:
    assert refusal(json.dumps({"event": event, "content": "c", "id": 5})).code == "unknown_type"


@pytest.mark.parametrize("text", ["{}", '{"event":null}', '{"event":5}', '{"type":"message","content":"c"}'])
def test_an_invalid_event_name_is_bad_field(text: str) -> None:
    error = refusal(text)
    assert (error.code, error.field) == ("bad_field", "event")


NO_OBJECTS = [
    "",
    "hello",
    "[]",
    "null",
    '"message"',
    '{"event":"typing"',
    "{" * 5000,
    '{"event":"typing","x":' + "[" * 100_000,
    '{"a":"\\ud800"}',
]


@pytest.mark.parametrize("text", NO_OBJECTS, ids=lambda text: ascii(text[:20]))
def test_a_frame_that_is_not_a_json_object_is_bad_json(text: str) -> None:
    assert refusal(text).code == "bad_json"


def code_of(text: str) -> str | None:
    """Return the error code of the frame; None for a command. Any other exception fails the test."""
    try:
        command = DIALECT.command(text, "den")
    except ParleyError as error:
        return error.code
    assert 0 <= getattr(command, "seq", 0) <= MAX_SEQ
    return None


@given(st.text())
def test_any_text_is_a_command_or_a_named_error(text: str) -> None:
    assert code_of(text) in {None, *ERRORS}


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20) | st.text("0123456789", max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(["message", "edit", "delete", "typing"]) | values,
    st.fixed_dictionaries({}, optional={"id": values, "content": values}),
)
def test_any_json_is_a_command_or_a_named_error(event: Any, fields: dict[str, Any]) -> None:
    assert code_of(json.dumps({"event": event, **fields})) in (None, "bad_json", "bad_field", "unknown_type")


# --- out -------------------------------------------------------------------------------------------------------------

TOLD: list[tuple[Any, str]] = [
    (
        Message("den", 5, 5, "ann", "u_7", "hé", WHEN, "m"),
        f'{{"event":"message","id":5,"room":"den","userid":"7","username":"ann","content":"hé","timestamp":"{WHEN}"}}',
    ),
    (
        Message("den", 6, 6, "ben", "g_b", "hi", WHEN),
        f'{{"event":"message","id":6,"room":"den","userid":"g_b","username":"ben","content":"hi",'
        f'"timestamp":"{WHEN}","kind":"guest"}}',
    ),
    (Entered("den", ANN), '{"event":"join","userid":"7","username":"ann"}'),
    (Exited("den", User("w_9", "eve")), '{"event":"leave","userid":"w_9","username":"eve","kind":"claimed"}'),
    (Typing("den", ANN, 5.0), '{"event":"typing","userid":"7","username":"ann"}'),
    (Edited("den", 5, 9, "ann", "ho", WHEN), f'{{"event":"edit","id":5,"content":"ho","edited_at":"{WHEN}"}}'),
    (Deleted("den", 5, 9, "ann", WHEN), f'{{"event":"delete","id":5,"deleted_at":"{WHEN}"}}'),
    (
        Error(
            id="x", code="not_author", message="only the author of a message can do this", retryable=False, room="den"
        ),
        '{"event":"error","content":"only the author of a message can do this"}',
    ),
    (
        Left(room="den", reason="kicked", by=BEN, text="spam"),
        '{"event":"error","content":"you were removed from \\"den\\" by \\"ben\\": \\"spam\\""}',
    ),
    (Left(room="den", reason="banned"), '{"event":"error","content":"you were banned from \\"den\\""}'),
    (Left(room="den", reason="deleted", by=BEN), '{"event":"error","content":"\\"den\\" was deleted by \\"ben\\""}'),
    (Left(room="den", reason="quit", by=ANN), '{"event":"error","content":"you left \\"den\\" on another connection"}'),
    (Left(room="den", reason="moved"), '{"event":"error","content":"you are no longer in \\"den\\": moved"}'),
    (
        Announcement(content="closing soon", sender=User("u_1", "root"), timestamp=WHEN),
        f'{{"event":"announcement","content":"closing soon","username":"root","timestamp":"{WHEN}"}}',
    ),
]


@pytest.mark.parametrize(("event", "frame"), TOLD, ids=range(len(TOLD)))
def test_each_event_is_encoded_as_a_frame(event: Any, frame: str) -> None:
    data = DIALECT.frame(event)
    assert data is not None
    assert data.endswith(frame.encode())
    assert unframe(data) == [json.loads(frame)]


def test_a_retracted_message_is_shown_as_deleted() -> None:
    data = DIALECT.frame(Retracted(room="den", seq=5, sender="ann"))
    assert data is not None
    (told,) = unframe(data)
    assert told == {"event": "delete", "id": 5, "deleted_at": rfc3339(StoppedClock().now_us())}


@pytest.mark.parametrize(
    "event",
    [
        Welcome("s_1", ANN, False, "", "e_1", Limits(), 20.0),
        Joined("den", "e_1", 5, True, "member", [ANN], 1, ROOM),
        Left(room="den"),
        RoomState(room="den", action="update_room", info=ROOM),
        MemberChanged(room="den", action="mute", member=MemberInfo("g_b", "ben"), by=ANN),
        Reaction("den", 5, 9, ANN, "👍", True, 1),
        Pinned("den", 5, 9, True, ANN, WHEN),
        Adopted("den", "g_1", ANN),
        Read("den", ANN, 5),
        Ack(ids=[]),
        Presence(room="den", count=1, joined=[ANN]),
        Synced(room="den", head=5),
        Pong(timestamp=WHEN),
        Goodbye(reason="shutting_down", reconnect_after=1.0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_other_events_are_not_sent_in_this_dialect(event: Any) -> None:
    assert DIALECT.frame(event) is None
