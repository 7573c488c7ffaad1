"""A schema of the parts of AsyncAPI 3.0 that our document uses, because no Python package has the official schema.

Written from https://www.asyncapi.com/docs/reference/specification/v3.0.0; anything that is not named here is not
allowed. (When this was written, our document was also validated against the official schema in the npm package
@asyncapi/specs 6.11.1.)
"""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_JSON_SCHEMA: Schema = {"type": "object"}


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "patternProperties": {r"^x-[\w.-]+$": {}},
        "additionalProperties": False,
    }


def _map(value: Schema, keys: str = r"^[\w.-]+$") -> Schema:
    return {"type": "object", "propertyNames": {"pattern": keys}, "additionalProperties": value}


def _ref(pattern: str) -> Schema:
    return {
        "type": "object",
        "properties": {"$ref": {"type": "string", "pattern": f"^#/{pattern}$"}},
        "required": ["$ref"],
        "additionalProperties": False,
    }


_CHANNEL = _ref(r"channels/[\w.-]+")
_MESSAGES: Schema = {"type": "array", "items": _ref(r"channels/[\w.-]+/messages/[\w.-]+"), "minItems": 1}

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        ("asyncapi", "info"),
        asyncapi={"const": "3.0.0"},
        info=_object(
            ("title", "version"),
            title=_TEXT,
            version=_TEXT,
            description=_TEXT,
            license=_object(("name",), name=_TEXT, url=_TEXT),
        ),
        defaultContentType=_TEXT,
        servers=_map(
            _object(
                ("host", "protocol"),
                host=_TEXT,
                protocol={"enum": ["ws", "wss"]},
                description=_TEXT,
                variables=_map(_object(default=_TEXT, description=_TEXT)),
            )
        ),
        channels=_map(
            _object(
                ("address", "messages"),
                address={"type": "string", "pattern": "^/"},
                title=_TEXT,
                description=_TEXT,
                servers={"type": "array", "items": _ref(r"servers/[\w.-]+")},
                messages=_map(_ref(r"components/messages/[\w.-]+")),
                # https://github.com/asyncapi/bindings/tree/master/websockets, 0.1.0
                bindings=_object(
                    ws=_object(
                        method={"enum": ["GET", "POST"]},
                        query={"type": "object", "required": ["type", "properties"]},
                        headers={"type": "object", "required": ["type", "properties"]},
                        bindingVersion={"const": "0.1.0"},
                    )
                ),
            )
        ),
        operations=_map(
            _object(
                ("action", "channel"),
                action={"enum": ["send", "receive"]},
                channel=_CHANNEL,
                summary=_TEXT,
                messages=_MESSAGES,
                reply=_object(channel=_CHANNEL, messages=_MESSAGES),
            )
        ),
        components=_object(
            messages=_map(
                _object(
                    name=_TEXT,
                    summary=_TEXT,
                    description=_TEXT,
                    contentType=_TEXT,
                    payload=_JSON_SCHEMA,
                    examples={"type": "array", "items": _object(payload={"type": "object"}), "minItems": 1},
                )
            ),
            schemas=_map(_JSON_SCHEMA),
        ),
    ),
}
