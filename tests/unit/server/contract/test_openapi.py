"""`/openapi.json` is a valid document, and covers every route."""

import json
from typing import Any
from unittest.mock import Mock

from aiohttp import web
from openapi_spec_validator import validate

from model.errors import ERRORS
from server.spec.openapi import openapi
from server.web.app import HttpEndpoints

HTTP = HttpEndpoints(Mock(), Mock(), Mock(), Mock())
DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi(HTTP.endpoints())))
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


async def test_every_route_of_aiohttp_is_documented_and_nothing_else() -> None:
    served = set()
    for route in HTTP.application().router.routes():
        resource = route.resource
        assert resource is not None
        path = f"{resource.canonical}/{{file}}" if isinstance(resource, web.StaticResource) else resource.canonical
        served.add((route.method, path))
    assert {(method, path) for method, path in served if method != "HEAD"} == set(OPERATIONS)


def test_every_operation_is_described() -> None:
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert all(parameter["description"] for parameter in operation.get("parameters", ()))
        assert all(response["description"] for response in operation["responses"].values())
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


def test_errors_are_documented_under_their_status() -> None:
    for operation in OPERATIONS.values():
        for status, response in operation["responses"].items():
            for code in response.get("x-codes", ()):
                assert str(ERRORS[code].status) == status
                assert ERRORS[code].message in response["description"]
    assert OPERATIONS["GET", "/history"]["responses"]["400"]["x-codes"] == ["bad_field"]


def test_required_permissions_are_documented() -> None:
    assert OPERATIONS["GET", "/api/chat"]["security"] == [{"bearer": []}]
    assert OPERATIONS["GET", "/ws"]["security"] == [{"bearer": []}, {}]
    assert "security" not in OPERATIONS["GET", "/health"]


def test_parameters_are_documented_with_bounds_and_defaults() -> None:
    limit = next(one for one in OPERATIONS["GET", "/history"]["parameters"] if one["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    assert (limit["in"], limit["required"]) == ("query", False)
