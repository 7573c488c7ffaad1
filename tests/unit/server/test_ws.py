"""The rooms dialect as pure functions: every incoming and outgoing frame, and every error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.commands import Claim, CreateRoom, Join, Leave, Ping, PostMessage
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
    HistoryPage,
    Joined,
    Left,
    MemberChanged,
    MemberInfo,
    Members,
    Pinned,
    Pong,
    Presence,
    Reaction,
    Read,
    Retracted,
    RoomInfo,
    RoomState,
    SearchPage,
    Synced,
    Typing,
    Welcome,
)
from model.limits import Limits
from model.message import Message
from model.room import User
from server.dialects.ws import WsDialect
from tests.support.chatting import unframe

DIALECT = WsDialect()
ANN = User("w_7", "ann")
BEN = User("g_b", "ben")
WHEN = "2026-01-01T00:00:00.000000Z"
ROOM = RoomInfo(kind="public")
TITLED = RoomInfo(kind="public", title="The Den")

RIGHT: list[tuple[str, Any]] = [
    (
        '{"type":"create_room","payload":{"room_id":"den","room_name":"The Den","user_id":"7","user_name":"ann"}}',
        Claim(user=ANN, then=CreateRoom(room="den", title="The Den")),
    ),
    (
        '{"type":"create_room","payload":{"user_name":" ann ","user_id":"7","room_name":"","room_id":"den","more":1}}',
        Claim(user=ANN, then=CreateRoom(room="den", title="")),
    ),
    (
        '{"type":"join","payload":{"room_id":"den","user_id":"7","user_name":"ann"}}',
        Claim(user=ANN, then=Join(room="den", create=False)),
    ),
    (
        '{"payload":{"room_id":"café","user_id":"ü 1","user_name":"J\\u00fcrgen"},"type":"join"}',
        Claim(user=User("w_ü 1", "Jürgen"), then=Join(room="café", create=False)),
    ),
    (
        '{"type":"message","payload":{"room_id":"den","message":"hi\\n\\ud83d\\ude00"}}',
        PostMessage(room="den", content="hi\n😀"),
    ),
    ('{"type":"leave","payload":{"room_id":"den"}}', Leave(room="den")),
    ('{"type":"ping","payload":null}', Ping()),
    ('{"type":"ping"}', Ping()),
    ('{"type":"ping","payload":{},"id":7}', Ping()),
]


@pytest.mark.parametrize(("text", "command"), RIGHT)
def test_a_frame_is_a_command(text: str, command: Any) -> None:
    assert DIALECT.command(text, "") == command


def test_a_claimed_id_is_neither_an_account_nor_a_guest() -> None:
    """Whatever the id is: the client does not choose its prefix."""
    for chosen in ("u_7", "g_7", "w_7"):
        command = DIALECT.command(json.dumps({"type": "join", "payload": person(user_id=chosen)}), "")
        assert isinstance(command, Claim)
        assert command.user.id == f"w_{chosen}"


def person(**changed: Any) -> dict[str, Any]:
    return {"room_id": "den", "user_id": "7", "user_name": "ann"} | changed


def refusal(text: str) -> ParleyError:
    with pytest.raises(ParleyError) as refused:
        DIALECT.command(text, "")
    return refused.value


PAYLOADS: dict[str, dict[str, Any]] = {
    "create_room": person(room_name="The Den"),
    "join": person(),
    "message": {"room_id": "den", "message": "hi"},
    "leave": {"room_id": "den"},
}
FIELDS = [(kind, field) for kind, payload in PAYLOADS.items() for field in payload]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_an_invalid_or_missing_field_is_named_as_in_this_dialect(kind: str, field: str) -> None:
    payload = PAYLOADS[kind]
    without = {name: value for name, value in payload.items() if name != field}
    values: list[Any] = [7, None, True, [], {}, 1.5]
    for wrong in (without, *({**payload, field: value} for value in values)):
        error = refusal(json.dumps({"type": kind, "payload": wrong}))
        assert (error.code, error.field) == ("bad_field", field)
        assert error.message.startswith(f"{field} ")


@pytest.mark.parametrize("type", PAYLOADS)
@pytest.mark.parametrize("payload", ["", ',"payload":null', ',"payload":[]', ',"payload":"den"', ',"payload":7'])
def test_an_invalid_payload_is_named(type: str, payload: str) -> None:
    error = refusal(f'{{"type":"{type}"{payload}}}')
    assert (error.code, error.field) == ("bad_field", "payload")


@pytest.mark.parametrize("type", ["create_room", "join"])
@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("user_id", "", "bad_field"),
        ("user_id", "x" * 65, "bad_field"),
        ("user_id", "a\x00b", "bad_field"),
        ("user_id", "a\u202eb", "bad_field"),
        ("user_name", "", "bad_field"),
        ("user_name", "x" * 65, "bad_field"),
        ("user_name", "a\u200bb", "bad_field"),
        ("user_name", "S.Y.S.T.E.M", "reserved_name"),
    ],
)
def test_ids_and_names_are_checked(type: str, field: str, value: str, code: str) -> None:
    error = refusal(json.dumps({"type": type, "payload": {**PAYLOADS[type], field: value}}))
    assert (error.code, error.field) == (code, field)
    assert code != "bad_field" or error.message.startswith(f"{field} ")


@pytest.mark.parametrize("type", ["", "Join", "welcome", "claim", "Claim", "history", "x` - at `$.payload.room_id`"])
def test_an_unknown_type_is_unknown_type(type: str) -> None:
    assert refusal(json.dumps({"type": type, "payload": person()})).code == "unknown_type"


@pytest.mark.parametrize("text", ["{}", '{"type":null}', '{"type":5}', '{"type":[]}', '{"payload":{}}'])
def test_an_invalid_type_is_bad_field(text: str) -> None:
    error = refusal(text)
    assert (error.code, error.field) == ("bad_field", "type")


NO_OBJECTS = [
    "",
    "x",
    "[]",
    "null",
    '"ping"',
    '{"type":"ping"',
    "{" * 5000,
    '{"type":"ping","x":' + "[" * 100_000,
    '{"a":"\\ud800"}',
]


@pytest.mark.parametrize("text", NO_OBJECTS, ids=lambda text: ascii(text[:20]))
def test_a_frame_that_is_not_a_json_object_is_bad_json(text: str) -> None:
    assert refusal(text).code == "bad_json"


def code_of(text: str) -> str | None:
    """Return the error code of the frame; None for a command. Any other exception fails the test."""
    try:
        DIALECT.command(text, "")
    except ParleyError as error:
        return error.code
    return None


@given(st.text())
def test_any_text_is_a_command_or_a_named_error(text: str) -> None:
    assert code_of(text) in {None, *ERRORS}


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from([*PAYLOADS, "ping"]) | values,
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("room_id", "room_name", "user_id", "user_name", "message"), values)
    )
    | values,
)
def test_any_json_is_a_command_or_a_named_error(type: Any, payload: Any) -> None:
    code = code_of(json.dumps({"type": type, "payload": payload}))
    assert code in (None, "bad_json", "bad_field", "unknown_type", "reserved_name")


# --- out -------------------------------------------------------------------------------------------------------------

TOLD: list[tuple[Any, str]] = [
    (
        Message("den", 5, 5, "ann", "w_7", 'say "hé"', WHEN, "m"),
        '{"type":"message","payload":{"room_id":"den","user_id":"7","user_name":"ann","message":"say \\"hé\\"","seq":5,'
        f'"timestamp":"{WHEN}","kind":"claimed"}}}}',
    ),
    (
        Message("den", 6, 6, "carl", "u_42", "hi", WHEN),
        '{"type":"message","payload":{"room_id":"den","user_id":"u_42","user_name":"carl","message":"hi","seq":6,'
        f'"timestamp":"{WHEN}"}}}}',
    ),
    (
        RoomState(room="den", action="create_room", info=TITLED, role="owner"),
        '{"type":"room_created","payload":{"room_id":"den","room_name":"The Den"}}',
    ),
    (
        RoomState(room="den", action="create_room", info=ROOM),
        '{"type":"room_created","payload":{"room_id":"den","room_name":"den"}}',
    ),
    (
        Joined("den", "e_1", 5, True, "member", [ANN, BEN], 2, TITLED),
        '{"type":"joined","payload":{"room_id":"den","room_name":"The Den","users":['
        '{"user_id":"7","user_name":"ann","kind":"claimed"},'
        '{"user_id":"g_b","user_name":"ben","kind":"guest"}]}}',
    ),
    (
        Joined("den", "e_1", 0, True, "member", [], 0, ROOM),
        '{"type":"joined","payload":{"room_id":"den","room_name":"den","users":[]}}',
    ),
    (Left(room="den"), '{"type":"left","payload":{"room_id":"den"}}'),
    (
        Left(room="den", reason="kicked", by=BEN, text="spam"),
        '{"type":"left","payload":{"room_id":"den","reason":"kicked"}}',
    ),
    (Left(room="den", reason="deleted"), '{"type":"left","payload":{"room_id":"den","reason":"deleted"}}'),
    (
        Entered("den", ANN),
        '{"type":"user_joined","payload":{"room_id":"den","user_id":"7","user_name":"ann","kind":"claimed"}}',
    ),
    (
        Exited("den", BEN),
        '{"type":"user_left","payload":{"room_id":"den","user_id":"g_b","user_name":"ben","kind":"guest"}}',
    ),
    (
        Edited("den", 5, 9, "ann", "hello", WHEN),
        '{"type":"message_edited","payload":{"room_id":"den","seq":5,"message":"hello"}}',
    ),
    (Deleted("den", 5, 9, "ann", WHEN), '{"type":"message_deleted","payload":{"room_id":"den","seq":5}}'),
    (Retracted(room="den", seq=5, sender="ann"), '{"type":"message_deleted","payload":{"room_id":"den","seq":5}}'),
    (Pong(timestamp=WHEN), f'{{"type":"pong","payload":{{"timestamp":"{WHEN}"}}}}'),
    (
        Announcement(content="closing soon", sender=User("u_1", "root"), timestamp=WHEN),
        f'{{"type":"announcement","payload":{{"message":"closing soon","user_name":"root","timestamp":"{WHEN}"}}}}',
    ),
    (
        Error(code="not_joined", message="join the room first", retryable=False, field="room", room="den"),
        '{"type":"error","payload":{"code":"not_joined","message":"join the room first"}}',
    ),
]


@pytest.mark.parametrize(("event", "frame"), TOLD, ids=range(len(TOLD)))
def test_each_event_is_encoded_as_a_frame(event: Any, frame: str) -> None:
    data = DIALECT.frame(event)
    assert data is not None
    assert data.endswith(frame.encode())
    assert unframe(data) == [json.loads(frame)]


@pytest.mark.parametrize(
    ("field", "message", "told"),
    [
        ("room", "room has more than 64 characters", "room_id has more than 64 characters"),
        ("content", "content contains a control character", "message contains a control character"),
        ("title", "title: too long", "room_name: too long"),
        ("room", "rooms are closed today", "rooms are closed today"),
        ("content", "a message can have at most 4000 characters", "a message can have at most 4000 characters"),
        ("user_id", "user_id must be a string", "user_id must be a string"),
        (None, "room is what it is", "room is what it is"),
    ],
)
def test_an_error_names_the_field_as_in_this_dialect(field: str | None, message: str, told: str) -> None:
    data = DIALECT.frame(Error(code="bad_field", message=message, retryable=False, field=field))
    assert data is not None
    assert unframe(data) == [{"type": "error", "payload": {"code": "bad_field", "message": told}}]


@pytest.mark.parametrize(
    "event",
    [
        Welcome("s_1", ANN, True, "t", "e_1", Limits(), 20.0),
        RoomState(room="den", action="update_room", info=ROOM),
        Members(room="den", members=[], count=0),
        MemberChanged(room="den", action="mute", member=MemberInfo("g_b", "ben"), by=ANN),
        Reaction("den", 5, 9, ANN, "👍", True, 1),
        Pinned("den", 5, 9, True, ANN, WHEN),
        Adopted("den", "g_1", ANN),
        Typing("den", ANN, 5.0),
        Read("den", ANN, 5),
        Ack(ids=[]),
        Presence(room="den", count=1, joined=[ANN]),
        Synced(room="den", head=5),
        HistoryPage(room="den", messages=[], has_older=False, has_newer=False),
        SearchPage(messages=[], has_older=False),
        Goodbye(reason="shutting_down", reconnect_after=1.0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_other_events_are_not_sent_in_this_dialect(event: Any) -> None:
    assert DIALECT.frame(event) is None
