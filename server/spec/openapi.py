"""``/openapi.json``: the HTTP API as an OpenAPI 3.1 document, generated from the table of endpoints."""

from collections.abc import Iterable, Mapping
from typing import Any

from model.errors import ERRORS
from server.http.endpoints import FILE, Answer, Endpoint, ErrorBody, Nothing
from server.http.parameters import JSON, Parameters
from server.spec.schemas import VERSION, Schema, components

_BEARER = "bearer"
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An account token, or a guest token from `welcome`.",
}
# The security of a row by its ``auth``, if a token is not simply required.
_SECURITY: dict[str, list[dict[str, list[str]]]] = {"optional": [{_BEARER: []}, {}]}
_TEXT = (
    "Rooms, messages, people, health and the page. HEAD is answered like GET, without the body. Other methods get 405 "
    "with `Allow`, other paths 404, both in plain text. Errors are JSON with a `code` from the table of errors. "
    "A request that is not valid HTTP gets 400, a head larger than `HEAD_BYTES` 431, and a head that takes longer than "
    "`HEAD_SECONDS`, or a body that takes too long, 408. `/asyncapi.json` describes the WebSocket side."
)


def openapi(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document of the endpoints that are served."""
    rows = [(row, row.parameters()) for row in endpoints]
    records = list(dict.fromkeys(row.params for row, _ in rows))
    bodies = [parameters.body for _, parameters in rows if parameters.body is not None]
    answers = [answer.body for row, _ in rows for answer in row.answers if answer.body not in (None, str, bytes)]
    types = list(dict.fromkeys([ErrorBody, *answers, *bodies]))
    found, schemas = components([*types, *records], sent=bodies)
    schema_of = dict(zip(types, found, strict=False))
    fields_of = {
        record: schemas.pop(schema["$ref"].rpartition("/")[2])
        for record, schema in zip(records, found[len(types) :], strict=True)
    }
    paths: dict[str, dict[str, Any]] = {}
    for row, parameters in rows:
        operation = _operation(row, parameters, fields_of[row.params], schema_of)
        paths.setdefault(row.path, {})[row.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": VERSION, "description": _TEXT, "license": {"name": "MIT"}},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {_BEARER: _TOKEN}},
        "x-errors": [{"code": code, **kind._asdict()} for code, kind in ERRORS.items()],
    }


def _operation(
    row: Endpoint, parameters: Parameters, fields: Schema, schema_of: Mapping[Any, Schema]
) -> dict[str, Any]:
    words = [part.strip("{}").replace(".", "_") for part in row.path.split("/") if part]
    operation: dict[str, Any] = {
        "operationId": "_".join([row.method.lower(), *(words or ["root"])]),
        "summary": row.summary,
    }
    if row.text:
        operation["description"] = row.text
    if auth := row.auth or row.handshake:
        operation["security"] = _SECURITY.get(auth, [{_BEARER: []}])
    needed = fields.get("required", ())
    listed = [
        _parameter(parameters.name_of(field), fields["properties"][field], place, field in needed)
        for field, place in parameters.places.items()
        if place != "body"
    ]
    if listed:
        operation["parameters"] = listed
    if parameters.body is not None:
        content = {JSON: {"schema": schema_of[parameters.body]}}
        operation["requestBody"] = {"required": parameters.body_required, "content": content}
    operation["responses"] = {str(answer.status): _answer(answer, schema_of) for answer in row.answers}
    for status, codes in _refusals(row, parameters).items():
        assert str(status) not in operation["responses"], f"{row.path} has two kinds of {status}"
        operation["responses"][str(status)] = _refusal(codes, schema_of[ErrorBody], row)
    return operation


def _parameter(name: str, schema: Schema, place: str, needed: bool) -> dict[str, Any]:
    schema = dict(schema)
    parameter: dict[str, Any] = {"name": name, "in": place, "required": needed or place == "path", "schema": schema}
    if (text := schema.pop("description", None)) is not None:
        parameter["description"] = text
    return parameter


def _answer(answer: Answer, schema_of: Mapping[Any, Schema]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.text}
    if answer.headers:
        response["headers"] = {name.rstrip("?"): _header(name, text) for name, text in answer.headers.items()}
    if answer.body is not None:
        # A file has no schema: JSON Schema describes JSON, and the content type is enough.
        texts = {str: {"schema": {"type": "string"}}, bytes: {}}
        content = texts[answer.body] if answer.body in texts else {"schema": schema_of[answer.body]}
        response["content"] = dict.fromkeys(answer.media, content)
    return response


def _header(name: str, text: str) -> dict[str, Any]:
    return {"description": text, "required": not name.endswith("?"), "schema": {"type": "string"}}


def _refusals(row: Endpoint, parameters: Parameters) -> dict[int, list[str]]:
    codes = dict.fromkeys(row.refusals)
    if row.params is not Nothing and FILE not in row.path:
        codes.setdefault("bad_field")
    if parameters.body is not None:
        codes |= dict.fromkeys(("bad_json", "too_large"))
    codes.setdefault("unsupported")  # a body with a Content-Encoding, even if none is expected
    if all(answer.status != ERRORS["blocked"].status for answer in row.answers):
        codes.setdefault("blocked")
    if row.method != "GET":
        codes |= dict.fromkeys(("forbidden", "csrf"))
    if row.auth:
        codes |= dict.fromkeys(
            ("unauthorized", "forbidden", "suspended", "rate_limited", "overloaded", "unavailable", "internal")
        )
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    return dict(sorted(by_status.items()))


def _refusal(codes: list[str], body: Schema, row: Endpoint) -> dict[str, Any]:
    headers = {}
    if row.auth == "optional" and row.method == "GET":
        headers["Access-Control-Allow-Origin"] = _header("?", "set as `ALLOWED_ORIGINS` says, unless a token was used")
    if "unauthorized" in codes:
        headers["WWW-Authenticate"] = _header("", "`Bearer`")
    if "unsupported" in codes:
        headers["Accept-Encoding"] = _header("?", "`identity`, if the body had a `Content-Encoding`")
    if any(ERRORS[code].retryable for code in codes):
        headers["Retry-After"] = _header("?", "seconds to wait before retrying")
    return {
        "description": "; ".join(f"`{code}`: {ERRORS[code].message}" for code in codes),
        "headers": headers,
        "content": {JSON: {"schema": body}},
        "x-codes": codes,
    }
