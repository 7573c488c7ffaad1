"""``/openapi.json``: the HTTP side as an OpenAPI 3.1 document, made from the table of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from model.errors import ERRORS
from server.http.endpoints import BODY, FILE, HEADERS, JSON, Answer, Endpoint, ErrorBody, Nothing
from server.spec.schemas import Schema, components

_BEARER = "bearer"
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The token of an account, or a guest's, of `welcome`.",
}
_ASKERS: dict[str, list[dict[str, list[str]]]] = {"anybody": [{_BEARER: []}, {}]}
"""What a row says of who may ask, where that is not just a token."""
_TEXT = (
    "Rooms, messages, people, health and the page. HEAD is answered as GET is, without the body; another method is 405 "
    "with `Allow`, another path 404, both in plain text. Refusals by name are JSON with a `code` from the table of "
    "errors. A request that is no HTTP is 400, a head larger than `HEAD_BYTES` 431, one that takes longer than "
    "`HEAD_SECONDS` 408, as is one whose body does. The WebSocket side is in `/asyncapi.json`."
)


def openapi(endpoints: Iterable[Endpoint], *, version: str) -> dict[str, Any]:
    """The document.

    Args:
        endpoints: what is served.
        version: the server's.
    """
    rows = list(endpoints)
    asked = list(dict.fromkeys(row.asks for row in rows))
    told = [answer.body for row in rows for answer in row.answers if _is_json(answer)]
    bodies = [field.type for kind in asked for field in msgspec.structs.fields(kind) if field.name == BODY]
    types = list(dict.fromkeys([ErrorBody, *told]))
    found, schemas = components([*types, *asked], sent=bodies)
    schema_of = dict(zip(types, found, strict=False))
    parameters_of = {
        kind: schemas.pop(schema["$ref"].rpartition("/")[2])
        for kind, schema in zip(asked, found[len(types) :], strict=True)
    }
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        operation = _operation(row, parameters_of[row.asks], schema_of)
        paths.setdefault(row.path, {})[row.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": version, "description": _TEXT, "license": {"name": "MIT"}},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {_BEARER: _TOKEN}},
        "x-errors": [{"code": code, **kind._asdict()} for code, kind in ERRORS.items()],
    }


def _operation(row: Endpoint, asks: Schema, schema_of: Mapping[Any, Schema]) -> dict[str, Any]:
    words = [part.strip("{}").replace(".", "_") for part in row.path.split("/") if part]
    operation: dict[str, Any] = {
        "operationId": "_".join([row.method.lower(), *(words or ["root"])]),
        "summary": row.summary,
    }
    if row.text:
        operation["description"] = row.text
    if asker := row.asker or row.handshake:
        operation["security"] = _ASKERS.get(asker, [{_BEARER: []}])
    needed = asks.get("required", ())
    fields = dict(asks["properties"])
    body = fields.pop(BODY, None)
    if fields:
        in_path = row.in_path()
        operation["parameters"] = [
            _parameter(
                HEADERS.get(name, name),
                schema,
                "path" if name in in_path else "header" if name in HEADERS else "query",
                name in needed,
            )
            for name, schema in fields.items()
        ]
    if body is not None:
        operation["requestBody"] = {"required": BODY in needed, "content": {JSON: {"schema": body}}}
    operation["responses"] = {str(answer.status): _answer(answer, schema_of) for answer in row.answers}
    for status, codes in _refusals(row).items():
        assert str(status) not in operation["responses"], f"{row.path} has two kinds of {status}"
        operation["responses"][str(status)] = _refusal(codes, schema_of[ErrorBody], row)
    return operation


def _parameter(name: str, schema: Schema, place: str, needed: bool) -> dict[str, Any]:
    schema = dict(schema)
    parameter: dict[str, Any] = {"name": name, "in": place, "required": needed or place == "path", "schema": schema}
    if (text := schema.pop("description", None)) is not None:
        parameter["description"] = text
    return parameter


def _is_json(answer: Answer) -> bool:
    return answer.body not in (None, str, bytes)


def _answer(answer: Answer, schema_of: Mapping[Any, Schema]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.text}
    if answer.headers:
        response["headers"] = {name.rstrip("?"): _header(name, text) for name, text in answer.headers.items()}
    if answer.body is not None:
        # A file has no schema: JSON Schema speaks of JSON, and its content type says all.
        texts = {str: {"schema": {"type": "string"}}, bytes: {}}
        content = texts[answer.body] if answer.body in texts else {"schema": schema_of[answer.body]}
        response["content"] = dict.fromkeys(answer.media, content)
    return response


def _header(name: str, text: str) -> dict[str, Any]:
    return {"description": text, "required": not name.endswith("?"), "schema": {"type": "string"}}


def _refusals(row: Endpoint) -> dict[int, list[str]]:
    codes = dict.fromkeys(row.refusals)
    if row.asks is not Nothing and FILE not in row.path:
        codes.setdefault("bad_field")
        if BODY in row.asks.__struct_fields__:
            codes |= dict.fromkeys(("bad_json", "too_large"))
    codes.setdefault("unsupported")  # a body in a coding, whether one is wanted or not
    if row.asker:
        codes |= dict.fromkeys(("unauthorized", "forbidden", "rate_limited", "overloaded", "internal"))
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    return dict(sorted(by_status.items()))


def _refusal(codes: list[str], body: Schema, row: Endpoint) -> dict[str, Any]:
    headers = {}
    if row.asker == "anybody" and row.method == "GET":
        headers["Access-Control-Allow-Origin"] = _header("?", "what `ALLOWED_ORIGINS` says, unless a token was used")
    if "unauthorized" in codes:
        headers["WWW-Authenticate"] = _header("", "`Bearer`")
    if "unsupported" in codes:
        headers["Accept-Encoding"] = _header("?", "`identity`, where a body came with a `Content-Encoding`")
    if any(ERRORS[code].retryable for code in codes):
        headers["Retry-After"] = _header("?", "seconds after which the same request may pass")
    return {
        "description": "; ".join(f"`{code}`: {ERRORS[code].message}" for code in codes),
        "headers": headers,
        "content": {JSON: {"schema": body}},
        "x-codes": codes,
    }
