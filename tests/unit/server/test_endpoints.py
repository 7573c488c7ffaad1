"""A row of the table of endpoints: what is decoded, what is refused, and what the document says of it."""

import json
from typing import Annotated, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from model.errors import ParleyError
from server.contract import openapi
from server.endpoints import Answer, Endpoint, add_routes


class NewThing(Struct, frozen=True):
    """A thing.

    Attributes:
        name: what it is called.
    """

    name: Annotated[str, Meta(max_length=5)]
    parts: list[int] = []


class MakeThing(Struct, frozen=True):
    """How to make a thing.

    Attributes:
        room: where.
        dry: only say what would be.
        times: how often.
    """

    room: str
    body: NewThing
    dry: bool = False
    times: Annotated[int, Meta(ge=1, le=9)] | None = None
    sender: str | None = None


async def ask(body: bytes = b'{"name":"x"}', question: str = "", room: str = "den") -> Any:
    """What the handler is given."""
    given: list[Any] = []

    async def handler(request: web.Request, asked: MakeThing) -> web.StreamResponse:
        given.append(asked)
        return web.Response()

    app = web.Application()
    add_routes(app, [Endpoint("POST", "/rooms/{room}/things", "Make a thing", handler, MakeThing)])
    (route,) = app.router.routes()
    called: Handler = route.handler
    request = make_mocked_request("POST", f"/rooms/x/things{question}", match_info={"room": room})
    request._read_bytes = body
    await called(request)
    return given[0]


async def refusal(**asked: Any) -> tuple[str, str | None]:
    with pytest.raises(ParleyError) as refused:
        await ask(**asked)
    return refused.value.code, refused.value.field


async def test_path_query_and_body_make_one_record() -> None:
    asked = await ask(b'{"name":"x","parts":[1]}', "?dry=true&times=3&sender=null&unknown=1", "a b")
    assert asked == MakeThing("a b", NewThing("x", [1]), True, 3, "null")


async def test_what_is_left_out_has_its_default() -> None:
    assert await ask() == MakeThing("den", NewThing("x"))


@pytest.mark.parametrize(
    "value", ["0", "10", "-1", "+5", "5.0", "5e0", "null", "", "1_0", "%D9%A3", " 5", "0x5", "9" * 5000, "1" * 17]
)
async def test_a_wrong_number_is_bad_field(value: str) -> None:
    """Also what msgspec and Python would take for a number."""
    assert await refusal(question=f"?times={value}") == ("bad_field", "times")


@pytest.mark.parametrize("value", ["1", "yes", "True", ""])
async def test_a_wrong_flag_is_bad_field(value: str) -> None:
    assert await refusal(question=f"?dry={value}") == ("bad_field", "dry")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b'{"name":"too long"}', "bad_field", "name"),
        (b'{"name":7}', "bad_field", "name"),
        (b'{"name":"x","parts":["1"]}', "bad_field", "parts[0]"),
        (b"{}", "bad_field", "name"),
        (b"[]", "bad_json", None),
        (b"", "bad_json", None),
        (b"{", "bad_json", None),
        (b'{"name":"x","unknown":"\xff"}', "bad_json", None),
        (b"[" * 60_000, "bad_json", None),
    ],
)
async def test_a_wrong_body_is_refused_by_name(body: bytes, code: str, field: str | None) -> None:
    assert await refusal(body=body) == (code, field)


def test_the_document_knows_where_everything_goes() -> None:
    async def handler(request: web.Request, asked: MakeThing) -> web.StreamResponse:
        return web.Response()

    row = Endpoint(
        "POST",
        "/rooms/{room}/things",
        "Make a thing",
        handler,
        MakeThing,
        (Answer(201, "it is made", NewThing, headers={"Location": "where", "Link?": "more"}),),
        ("no_such_room", "overloaded"),
    )
    document = json.loads(json.dumps(openapi([row], version="1")))
    operation = document["paths"]["/rooms/{room}/things"]["post"]
    places = [(one["name"], one["in"], one["required"]) for one in operation["parameters"]]
    assert places == [
        ("room", "path", True), ("dry", "query", False), ("times", "query", False), ("sender", "query", False),
    ]  # fmt: skip
    body = operation["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewThing"}
    assert list(operation["responses"]) == ["201", "400", "404", "413", "415", "503"]
    assert operation["responses"]["400"]["x-codes"] == ["bad_field", "bad_json"]
    headers = operation["responses"]["201"]["headers"]
    assert (headers["Location"]["required"], headers["Link"]["required"]) == (True, False)
    assert "Retry-After" in operation["responses"]["503"]["headers"]
    assert "Retry-After" not in operation["responses"]["404"]["headers"]
