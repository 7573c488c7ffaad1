"""``/asyncapi.json``: the WebSocket API as an AsyncAPI 3.0 document, generated from its records."""

from collections.abc import Iterable
from typing import Any

import msgspec

from model.errors import CLOSE_CODES, ERRORS
from model.limits import Limits
from server.spec.described import Description, Frame
from server.spec.existing import EVENTS, PLAIN, ROOMS
from server.spec.native import PARLEY_V1
from server.spec.schemas import VERSION, Schema, components, summary_of, text_of

DIALECTS = (PARLEY_V1, PLAIN, ROOMS, EVENTS)
_TEXT = (
    "Rooms over WebSocket. Clients of all dialects share the same rooms. `x-errors` lists the errors, `x-close-codes` "
    "the close codes, and `x-limits` the limits of this server. `/openapi.json` describes the HTTP side."
)


def asyncapi(*, host: str, limits: Limits) -> dict[str, Any]:
    """Return the document.

    Args:
        host: the ``host:port`` it listens on; clients behind a proxy use another one, so it is only a default.
        limits: the limits in force.
    """
    frames = [frame for dialect in DIALECTS for frame in (*dialect.client, *dialect.server)]
    queries = [dialect.query for dialect in DIALECTS]
    payloads = [frame.payload for frame in frames]
    names = {frame.payload: frame.name for frame in frames if frame.payload is not str}
    found, schemas = components([*payloads, *queries], names)
    payload_of = dict(zip((frame.name for frame in frames), found, strict=False))
    addresses = [schemas.pop(schema["$ref"].rpartition("/")[2]) for schema in found[len(payloads) :]]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Parley", "version": VERSION, "description": _TEXT, "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "servers": {
            "parley": {
                "host": "{host}",
                "protocol": "ws",
                "description": "As clients reach it; `wss` behind a proxy with TLS.",
                "variables": {"host": {"default": host}},
            }
        },
        "channels": {
            dialect.dialect: _channel(dialect, address) for dialect, address in zip(DIALECTS, addresses, strict=True)
        },
        "operations": {name: operation for dialect in DIALECTS for name, operation in _operations(dialect)},
        "components": {
            "messages": {frame.name: _message(frame, payload_of[frame.name]) for frame in frames},
            "schemas": schemas,
        },
        "x-errors": [{"code": code, **kind._asdict()} for code, kind in ERRORS.items()],
        "x-close-codes": close_codes(),
        "x-limits": msgspec.to_builtins(limits),
    }


def _channel(dialect: Description, address: Schema) -> dict[str, Any]:
    binding: dict[str, Any] = {"method": "GET", "query": address, "bindingVersion": "0.1.0"}
    if dialect.headers:
        binding["headers"] = {
            "type": "object",
            "properties": {name.rstrip("?"): schema for name, schema in dialect.headers.items()},
            "required": [name for name in dialect.headers if not name.endswith("?")],
        }
    return {
        "address": dialect.path,
        "title": dialect.title,
        "description": dialect.text,
        "servers": [{"$ref": "#/servers/parley"}],
        "messages": {
            frame.name: {"$ref": f"#/components/messages/{frame.name}"} for frame in (*dialect.client, *dialect.server)
        },
        "bindings": {"ws": binding},
    }


def _operations(dialect: Description) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield operations from the server's point of view, as AsyncAPI requires: it receives what clients send."""
    channel = {"$ref": f"#/channels/{dialect.dialect}"}

    def messages(names: Iterable[str]) -> list[dict[str, str]]:
        return [{"$ref": f"#/channels/{dialect.dialect}/messages/{name}"} for name in names]

    for frame in dialect.client:
        operation: dict[str, Any] = {
            "action": "receive",
            "channel": channel,
            "summary": _summary(frame),
            "messages": messages([frame.name]),
        }
        if frame.answers:
            operation["reply"] = {"channel": channel, "messages": messages(frame.answers)}
        yield f"{dialect.dialect}.receive.{frame.name}", operation
    yield (
        f"{dialect.dialect}.send",
        {
            "action": "send",
            "channel": channel,
            "summary": "Frames that the server sends.",
            "messages": messages(frame.name for frame in dialect.server),
        },
    )


def _message(frame: Frame, payload: Schema) -> dict[str, Any]:
    message: dict[str, Any] = {"name": frame.name, "summary": _summary(frame), "payload": payload}
    if frame.payload is str:
        # In AsyncAPI 3.0 the payload of an example is an object, so the example of a text is part of its schema.
        return message | {"contentType": "text/plain", "payload": {**payload, "examples": [frame.example]}}
    return message | {
        "description": text_of(frame.payload),
        "contentType": "application/json",
        "examples": [{"payload": msgspec.to_builtins(frame.example)}],
    }


def _summary(frame: Frame) -> str:
    return frame.summary or summary_of(frame.payload)


def close_codes() -> list[dict[str, Any]]:
    """Return every close code, with ``reconnect``: false for 4100 to 4199, where the same would happen again."""
    return [
        {"code": close.code, "description": close.when}
        # A code without a reason is for a faulty frame of the client: whether to reconnect depends on the fault.
        | ({"reason": close.reason, "reconnect": not 4100 <= close.code < 4200} if close.reason else {})
        for close in CLOSE_CODES
    ]
