"""`parley.v1` as pure functions: text to command or a named refusal, event to frame."""

import json
from typing import Any, get_args

import msgspec
import pytest

from model.commands import (
    AnyCommand,
    DeleteMessage,
    EditMessage,
    Hello,
    Join,
    Leave,
    Ping,
    PostMessage,
    ReadHistory,
)
from model.errors import ParleyError
from model.events import Ack, AckItem, Entered, Error, Exited, Pong, Presence
from model.message import Message
from model.room import User
from server.codec.frames import text_frame
from server.dialects.native import NativeDialect
from utils.encoding import to_json

DIALECT = NativeDialect()

# A value of the wrong type for a field of each type; and, where there are bounds, values beyond them.
WRONG: dict[str, list[str]] = {
    "id": ["7", "true", "[]", "{}", '""', json.dumps("x" * 65)],
    "token": ["7", "null", "false", "{}"],
    "room": ["7", "null", "[]", "true"],
    "content": ["7", "null", "[]", '{"a":1}'],
    "resend": ["1", '"yes"', "null", "[]"],
    "since": ["-1", "1.5", '"1"', "true", "[]", str(2**53), str(2**64), "9" * 400, "1e400"],
    "epoch": ["7", "true", "{}"],
    "limit": ["0", "501", "-1", "1.5", '"5"', "null", "9" * 400],
    "seq": ["-1", "1.5", '"1"', "null", str(2**53)],
    "before": ["-1", str(2**53), '"x"'],
    "after": ["-1", str(2**53), '"x"'],
    "sender": ["7", "[]", "true"],
    "q": ["7", "[]", "true"],
    "password": ["7", "[]", "true", json.dumps("x" * 129)],
    "create": ["7", '"yes"', "null"],
    "quit": ["7", '"yes"', "null"],
    "reply_to": ["-1", "1.5", '"1"', "true", str(2**53)],
    "emoji": ["7", "null", "[]"],
    "on": ["7", '"yes"', "null"],
    "around": ["-1", str(2**53), '"x"'],
    "start": ["7", "[]", "true"],
    "end": ["7", "[]", "true"],
    "pinned": ["7", '"yes"', "null"],
    "include_deleted": ["7", '"yes"', "null"],
    "cursor": ["7", "[]", "true"],
    "title": ["7", "[]", "true"],
    "topic": ["7", "[]", "true"],
    "private": ["7", '"yes"'],
    "guests": ["-1", "86401", "1e10", '"1"', '"some"', "true", "[]"],  # seconds of a sanction, or a room's access
    "slow_mode": ["-1", '"1"', "true", "86401"],
    "retention_days": ["-1", "1.5", '"1"', "true", "36501"],
    "user": ["7", "null", "[]"],
    "mine": ["7", '"yes"', "null"],
    "banned": ["7", '"yes"', "null"],
    "invited": ["7", '"yes"', "null"],
    "reason": ["7", "null", "[]", json.dumps("x" * 501)],
    "seconds": ["0", "-1", '"1"', "true", "1e10"],
    "role": ["7", "null", '"king"', '"admin"'],
}
NEEDED: dict[str, dict[str, str]] = {
    "hello": {"token": '"t"'},
    "join": {"room": '"r"'},
    "leave": {"room": '"r"'},
    "message": {"room": '"r"', "content": '"c"'},
    "edit": {"room": '"r"', "seq": "1", "content": '"c"'},
    "delete": {"room": '"r"', "seq": "1"},
    "react": {"room": '"r"', "seq": "1", "emoji": '"x"'},
    "pin": {"room": '"r"', "seq": "1"},
    "typing": {"room": '"r"'},
    "read": {"room": '"r"', "seq": "1"},
    "history": {"room": '"r"'},
    "search": {"q": '"q"'},
    "create_room": {"room": '"r"'},
    "update_room": {"room": '"r"'},
    "delete_room": {"room": '"r"'},
    "invite": {"room": '"r"', "user": '"u"'},
    "decline": {"room": '"r"'},
    "rooms": {},
    "members": {"room": '"r"'},
    "direct": {"user": '"u"'},
    "kick": {"room": '"r"', "user": '"u"'},
    "ban": {"room": '"r"', "user": '"u"'},
    "unban": {"room": '"r"', "user": '"u"'},
    "mute": {"room": '"r"', "user": '"u"'},
    "unmute": {"room": '"r"', "user": '"u"'},
    "set_role": {"room": '"r"', "user": '"u"', "role": '"member"'},
    "announce": {"content": '"c"'},
    "ping": {},
}


def spell(kind: str, fields: dict[str, str]) -> str:
    """Return a command as JSON; values are JSON already, so that any number can be written."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in {"type": json.dumps(kind), **fields}.items()) + "}"


def refusal(text: str) -> ParleyError:
    with pytest.raises(ParleyError) as refused:
        DIALECT.command(text, "")
    return refused.value


def tag_of(record: type) -> str:
    info = msgspec.inspect.type_info(record)
    assert isinstance(info, msgspec.inspect.StructType)
    assert isinstance(info.tag, str)
    return info.tag


FIELDS = [(tag_of(record), field.name) for record in get_args(AnyCommand) for field in msgspec.structs.fields(record)]


def test_every_command_and_field_is_tested_here() -> None:
    assert {tag_of(record) for record in get_args(AnyCommand)} == set(NEEDED)
    assert {name for _, name in FIELDS} == set(WRONG)


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_an_invalid_value_is_bad_field_and_names_the_field(kind: str, field: str) -> None:
    for value in WRONG[field]:
        error = refusal(spell(kind, {"id": '"7"', **NEEDED[kind], field: value}))
        assert (error.code, error.field) == ("bad_field", field), value
        assert error.message.startswith(f"{field} ")
        assert error.id == (None if field == "id" else "7")


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, fields in NEEDED.items() for field in fields])
def test_a_missing_field_is_bad_field_and_names_the_field(kind: str, field: str) -> None:
    fields = {name: value for name, value in NEEDED[kind].items() if name != field}
    error = refusal(spell(kind, {**fields, "id": '"7"'}))
    assert (error.code, error.field, error.id) == ("bad_field", field, "7")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"hello","token":"t"}', Hello(token="t")),
        ('{"type":"join","room":"r","id":"7"}', Join(room="r", id="7")),
        ('{"type":"join","room":"r","since":5,"epoch":"e"}', Join(room="r", since=5, epoch="e")),
        ('{"type":"join","room":"r","since":null}', Join(room="r")),
        ('{"room":"r","type":"leave"}', Leave(room="r")),
        ('{"type":"message","room":"r","content":"c","resend":true}', PostMessage(room="r", content="c", resend=True)),
        ('{"type":"message","room":"r","content":"\\ud83d\\ude00\\u0000"}', PostMessage(room="r", content="😀\x00")),
        ('{"type":"edit","room":"r","seq":5,"content":"c"}', EditMessage(room="r", seq=5, content="c")),
        ('{"type":"delete","room":"r","seq":0,"id":"7"}', DeleteMessage(room="r", seq=0, id="7")),
        ('{"type":"history","room":"r"}', ReadHistory(room="r", limit=50)),
        (
            '{"type":"history","room":"r","limit":500,"before":9007199254740991}',
            ReadHistory(room="r", limit=500, before=2**53 - 1),
        ),
        (' \n{"type":"ping","id":"' + "x" * 64 + '","more":[1,{}]}\t', Ping(id="x" * 64)),
    ],
)
def test_a_valid_command_is_decoded_to_its_record(text: str, command: Any) -> None:
    assert DIALECT.command(text, "home") == command


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "[]",
        "[{}]",
        "1",
        "null",
        '"ping"',
        '{"type":"ping"',
        '{"type":"ping"}}',
        '{"type":"ping","id":"\\ud800"}',
        "{" * 5000,
        "[" * 100_000,
        '{"type":"ping","x":' + "[" * 100_000 + "]" * 100_000 + "}",
        "\ufeff{}",
        '{"type":NaN}',
        "{type:'ping'}",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_frame_that_is_not_a_json_object_is_bad_json(text: str) -> None:
    assert refusal(text).code == "bad_json"


@pytest.mark.parametrize("escape", ["\\ud800", "\\uD83D", "x\\udc00x"])
def test_a_lone_surrogate_is_refused_with_the_id_of_the_command(escape: str) -> None:
    """Otherwise its author would wait for a response, and retry forever."""
    error = refusal(spell("message", {"id": '"7"', "room": '"r"', "content": f'"{escape}"'}))
    assert (error.code, error.id) == ("bad_json", "7")
    assert "unpaired surrogate" in error.message
    for unreadable in ('"\\ud800"', "7", '""', '"' + "x" * 65 + '"', "[1]"):
        assert refusal(spell("message", {"id": unreadable, "content": f'"{escape}"'})).id is None
    assert refusal(f'["{escape}"]').id is None


@pytest.mark.parametrize("kind", ["", "Ping", "ping ", "welcome", "error", "`ping`", "$.type", "x` - at `$.room`"])
def test_an_unknown_type_is_unknown_type(kind: str) -> None:
    error = refusal(spell(kind, {"id": '"7"'}))
    assert (error.code, error.id) == ("unknown_type", "7")


@pytest.mark.parametrize("text", ["{}", '{"type":null}', '{"type":5}', '{"type":[]}', '{"type":true}'])
def test_an_invalid_type_is_bad_field(text: str) -> None:
    error = refusal(text)
    assert (error.code, error.field) == ("bad_field", "type")


@pytest.mark.parametrize("id", ["` - at `$.zz`", "missing required field `q`", "` - at `$`"])
def test_text_from_the_client_does_not_change_the_field_named(id: str) -> None:
    """The field is parsed from the validator's message, which must contain nothing of the frame."""
    error = refusal(spell("message", {"room": json.dumps(id), "content": "5", "id": json.dumps(id)}))
    assert (error.code, error.field, error.id) == ("bad_field", "content", id)


def test_each_event_is_encoded_as_a_text_frame_of_its_record() -> None:
    message = Message("r", 5, 5, "ann", "g_1", "hé", "2026-01-01T00:00:00.000000Z")
    expected = {"type": "message", "room": "r", "seq": 5, "version": 5, "sender": "ann", "sender_id": "g_1"}
    assert json.loads(to_json(message)) == {**expected, "content": "hé", "timestamp": "2026-01-01T00:00:00.000000Z"}
    assert DIALECT.frame(message) == text_frame(to_json(message))


@pytest.mark.parametrize(
    ("event", "frame"),
    [
        (Pong(timestamp="t"), {"type": "pong", "timestamp": "t"}),
        (Pong(id="7", timestamp="t"), {"type": "pong", "timestamp": "t", "id": "7"}),
        (Ack(ids=[AckItem("7", "r", 5)]), {"type": "ack", "ids": [{"id": "7", "room": "r", "seq": 5}]}),
        (
            Error(code="empty", message="m", retryable=False),
            {"type": "error", "code": "empty", "message": "m", "retryable": False},
        ),
        (Presence(room="r", count=0), {"type": "presence", "room": "r", "count": 0}),
    ],
    ids=["without id", "with id", "ack", "error", "presence"],
)
def test_empty_optional_fields_are_omitted(event: Any, frame: dict[str, Any]) -> None:
    payload = DIALECT.frame(event)
    assert payload is not None
    assert json.loads(payload[2:]) == frame


@pytest.mark.parametrize("record", [Entered, Exited])
def test_presence_lists_who_joined_and_left(record: Any) -> None:
    assert DIALECT.frame(record("r", User("g_1", "ann"))) is None
