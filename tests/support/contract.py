"""Validates everything that a test receives from the server against the published schemas: frames and HTTP responses.

The clients of tests/support pass on everything that they read; violations are recorded, and fail the test at its end
(tests/conftest.py). An exception raised at once would end up in a reader's task, or in the server's own callback. The
schemas are those of `/asyncapi.json` and `/openapi.json`, in a strict form: no property that they do not name, no error
code that the table does not have.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

from jsonschema_rs import Validator, validator_for
from msgspec import to_builtins

from model.errors import ERRORS
from model.limits import Limits
from server.dialects import NATIVE
from server.spec.asyncapi import DIALECTS, asyncapi
from server.spec.openapi import openapi
from server.web.app import HttpEndpoints
from tests.support import log_search

BROKEN: list[str] = []
"""Violations that the running test has received."""
# A few are enough to see what is wrong; a load may receive the same thing a thousand times.
_NOTED = 5


def hold(dialect: str, frame: Any) -> None:
    """Validate a received frame of the dialect of this name."""
    log_search.note(frame)
    kind = _kind(frame)
    validator = _frames(dialect).get(kind)
    if validator is None:
        _note(f"{dialect} has no frame of the kind {kind!r}: {frame}")
    elif not validator.is_valid(frame):
        _note(f"{dialect} {kind or ''}: {_why(validator, frame)}: {frame}")


def hold_reply(method: str, target: str, status: int, media: str, body: Any) -> None:
    """Validate a received HTTP response; `body` is its JSON, if any. Paths that no endpoint serves are ignored."""
    log_search.note(body)
    path = urlsplit(target).path
    responses = next((told for one, of, told in _responses() if one == method.lower() and of.fullmatch(path)), None)
    if responses is None:
        return
    response = responses.get(str(status))
    if response is None:
        _note(f"{method} {target} answers {status}, which is not documented")
        return
    content = response.get("content", {})
    if media and media not in content:
        _note(f"{method} {target} answers {status} as {media}, documented are {list(content)}")
    elif (validator := content.get(media)) is not None and not validator.is_valid(body):
        _note(f"{method} {target} answers {status}: {_why(validator, body)}")


def dialect_of(target: str, subprotocol: bool) -> str:
    """Return the name of the dialect at an address."""
    return (
        NATIVE.name
        if subprotocol
        else {described.path: described.dialect for described in DIALECTS}[urlsplit(target).path]
    )


@cache
def json_frames() -> dict[str, Validator]:
    """Return a strict validator for every frame of every dialect except raw text, by its name in `/asyncapi.json`."""
    document = asyncapi(host="localhost", limits=Limits())
    schemas = strict(document["components"]["schemas"])
    schemas["ErrorEvent"]["properties"]["code"] = {"enum": list(ERRORS)}
    return {
        name: _validator(message["payload"], schemas)
        for name, message in document["components"]["messages"].items()
        if "examples" in message
    }


def strict(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Make schemas refuse all properties that they do not name."""

    def closed(node: Any) -> Any:
        if isinstance(node, list):
            return [closed(item) for item in node]
        if not isinstance(node, dict):
            return node
        found = {key: closed(value) for key, value in node.items()}
        return {"additionalProperties": False, **found} if "properties" in node and node.get("type") else found

    return {name: closed(schema) for name, schema in schemas.items()}


def _note(what: str) -> None:
    if len(BROKEN) < _NOTED:
        BROKEN.append(what)


def _why(validator: Validator, value: Any) -> str:
    return "; ".join(f"{'.'.join(map(str, e.instance_path))} {e.message}"[:500] for e in validator.iter_errors(value))


def _kind(frame: Any) -> str:
    """Return the type of a frame; dialects with a single kind of frame have none."""
    return str(frame.get("type") or frame.get("event") or "") if isinstance(frame, dict) else ""


@cache
def _frames(dialect: str) -> dict[str, Validator]:
    (told,) = (described.server for described in DIALECTS if described.dialect == dialect)
    return {_kind(to_builtins(frame.example)): json_frames()[frame.name] for frame in told}


@cache
def _responses() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    """Return methods, paths and statuses, with a validator for each content type that has a schema."""
    document = openapi(HttpEndpoints(Mock(), Mock(), Mock(), Mock()).endpoints())
    schemas = strict(document["components"]["schemas"])
    return [
        (
            method,
            re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))),
            {
                status: {
                    "content": {
                        media: _validator(content["schema"], schemas)
                        if media == "application/json" and "schema" in content  # a file has none
                        else None
                        for media, content in response.get("content", {}).items()
                    }
                }
                for status, response in operation["responses"].items()
            },
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _validator(schema: Any, schemas: dict[str, Any]) -> Validator:
    return validator_for(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": {"schemas": schemas}}
    )
