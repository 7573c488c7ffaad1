"""`/asyncapi.json` is a valid document, and covers every frame."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema_rs
import pytest

from model.commands import AnyCommand
from model.errors import CLOSE_CODES, ERRORS
from model.events import NativeEvent
from model.limits import Limits
from server.dialects import NATIVE, dialects_by_path
from server.spec.asyncapi import asyncapi
from server.spec.native import PARLEY_V1
from tests.support import contract
from tests.support.asyncapi import SCHEMA
from utils.clock import SystemClock

DOCUMENT: dict[str, Any] = json.loads(json.dumps(asyncapi(host="localhost:8080", limits=Limits(max_content_chars=7))))
MESSAGES = DOCUMENT["components"]["messages"]
SCHEMAS = DOCUMENT["components"]["schemas"]
COMMANDS = {frame.name: frame.payload for frame in PARLEY_V1.client}
EVENTS = {frame.name: frame.payload for frame in PARLEY_V1.server}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_the_document_is_valid_asyncapi() -> None:
    jsonschema_rs.validate(SCHEMA, DOCUMENT)


def test_every_reference_resolves() -> None:
    for reference in set(references(DOCUMENT)):
        found = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_schema_is_valid_json_schema_and_used() -> None:
    for name, schema in SCHEMAS.items():
        jsonschema_rs.meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
        assert f"#/components/schemas/{name}" in set(references(DOCUMENT))


def test_every_dialect_is_a_channel_at_its_path() -> None:
    paths = {NATIVE.name: "/chat", **{dialect.name: path for path, dialect in dialects_by_path(SystemClock()).items()}}
    assert {name: channel["address"] for name, channel in DOCUMENT["channels"].items()} == paths


def test_the_native_channel_has_every_command_and_every_event() -> None:
    assert list(COMMANDS.values()) == list(get_args(AnyCommand))
    assert list(EVENTS.values()) == list(get_args(NativeEvent))
    assert set(DOCUMENT["channels"][NATIVE.name]["messages"]) == {*COMMANDS, *EVENTS}
    received = [name for name in DOCUMENT["operations"] if name.startswith(f"{NATIVE.name}.receive.")]
    assert [name.rpartition(".")[2] for name in received] == list(COMMANDS)
    sent = DOCUMENT["operations"][f"{NATIVE.name}.send"]["messages"]
    assert [message["$ref"].rpartition("/")[2] for message in sent] == list(EVENTS)


@pytest.mark.parametrize("name", [*COMMANDS, *EVENTS])
def test_every_frame_has_a_description_and_an_example(name: str) -> None:
    message = MESSAGES[name]
    assert message["summary"][-1] in ".:"
    assert "``" not in json.dumps(message) + json.dumps(SCHEMAS[name])
    (example,) = message["examples"]
    schema = {**message["payload"], "components": {"schemas": contract.strict(SCHEMAS)}}
    jsonschema_rs.validate(schema, example["payload"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_a_command_is_valid(name: str) -> None:
    (example,) = MESSAGES[name]["examples"]
    assert type(NATIVE.command(json.dumps(example["payload"]), "")) is COMMANDS[name]


def test_an_attribute_of_a_docstring_describes_its_property() -> None:
    message = SCHEMAS["MessageEvent"]
    assert message["description"].startswith("The current state of a message.")
    assert "Attributes" not in message["description"]
    assert message["properties"]["content"]["description"] == "text, as the author sent it."
    assert message["properties"]["reply_to"]["allOf"] == [{"$ref": "#/components/schemas/Quote"}]
    assert "140 characters" in SCHEMAS["Quote"]["properties"]["content"]["description"]


def test_omitted_fields_are_not_nullable() -> None:
    assert SCHEMAS["JoinCommand"]["properties"]["epoch"] == {"type": "string"}
    assert '"null"' not in json.dumps([SCHEMAS[name] for name in (*COMMANDS, *EVENTS)])


def test_the_document_has_all_errors_close_codes_and_limits() -> None:
    assert [row["code"] for row in DOCUMENT["x-errors"]] == list(ERRORS)
    closes = {row["code"]: row for row in DOCUMENT["x-close-codes"]}
    assert {code: row.get("reason", "") for code, row in closes.items()} == {
        close.code: close.reason for close in CLOSE_CODES
    }
    assert closes[4008]["reconnect"]
    assert not closes[4102]["reconnect"]
    assert DOCUMENT["x-limits"]["max_content_chars"] == 7
    assert DOCUMENT["info"]["version"] == "1"
