"""A row of the table of endpoints: what is decoded, what is refused, and what the document says of it."""

import json
from typing import Annotated, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from chat.ports import Identity
from model.errors import ParleyError
from model.room import User
from server.http.endpoints import IDENTITY, Answer, Asker, Endpoint, add_routes
from server.spec import openapi


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


class MoreParts(Struct, frozen=True):
    """What may be left out.

    Attributes:
        times: how often.
    """

    times: int | None = None


class AddParts(Struct, frozen=True):
    """Parts to add.

    Attributes:
        room: where.
        idempotency_key: for sending it again.
    """

    room: str
    body: MoreParts = MoreParts()
    idempotency_key: Annotated[str, Meta(max_length=5)] | None = None


def someone(request: web.Request, asker: Asker) -> Identity | None:
    """Whoever says a name."""
    if "X-Name" in request.headers:
        return Identity(User("u_1", request.headers["X-Name"]), guest=False)
    if asker == "somebody":
        raise ParleyError("unauthorized")
    return None


async def add(body: bytes = b"", asker: Asker = "", **headers: str) -> tuple[Any, Any]:
    """What the handler is given, and who asks."""
    given: list[tuple[Any, Any]] = []

    async def handler(request: web.Request, asked: AddParts) -> web.StreamResponse:
        given.append((asked, request.get(IDENTITY)))
        return web.Response()

    app = web.Application()
    add_routes(app, [Endpoint("PUT", "/rooms/{room}/parts", "Add parts", handler, AddParts, asker=asker)], someone)
    (route,) = app.router.routes()
    called: Handler = route.handler
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("PUT", "/rooms/x/parts", headers=named, match_info={"room": "den"})
    request._read_bytes = body
    await called(request)
    return given[0]


async def test_a_body_with_a_default_may_be_left_out() -> None:
    assert (await add())[0] == AddParts("den")
    assert (await add(b'{"times":3}'))[0] == AddParts("den", MoreParts(3))
    assert (await add(b'{"times":null}'))[0] == AddParts("den")


async def test_a_field_may_be_a_header() -> None:
    assert (await add(Idempotency_Key="k-1"))[0].idempotency_key == "k-1"
    with pytest.raises(ParleyError) as refused:
        await add(Idempotency_Key="k-1234")
    assert (refused.value.code, refused.value.field) == ("bad_field", "Idempotency-Key")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_that_says_that_it_is_no_json_is_unsupported(media: str) -> None:
    with pytest.raises(ParleyError, match="unsupported"):
        await add(b"{}", Content_Type=media)


async def test_who_asks_is_told_to_the_handler_before_anything_is_read() -> None:
    assert (await add(X_Name="ann"))[1] is None  # a row that does not look
    assert (await add(asker="anybody"))[1] is None
    assert (await add(asker="somebody", X_Name="ann"))[1].user.name == "ann"
    with pytest.raises(ParleyError, match="unauthorized"):
        await add(b"{", asker="somebody")


def test_the_document_says_who_may_ask_and_what_may_be_null() -> None:
    async def handler(request: web.Request, asked: AddParts) -> web.StreamResponse:
        return web.Response()

    askers: list[Asker] = ["", "anybody", "somebody", "account"]
    rows = [Endpoint("PUT", f"/{asker or 'x'}/{{room}}", "", handler, AddParts, asker=asker) for asker in askers]
    document = json.loads(json.dumps(openapi(rows, version="1")))
    operations = {path.split("/")[1]: methods["put"] for path, methods in document["paths"].items()}
    assert "security" not in operations["x"]
    assert operations["anybody"]["security"] == [{"bearer": []}, {}]
    assert operations["somebody"]["security"] == operations["account"]["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for asker in askers[1:]:
        responses = operations[asker]["responses"]
        assert "WWW-Authenticate" in responses["401"]["headers"]
        assert responses["403"]["x-codes"] == ["forbidden"]
    (key,) = [one for one in operations["x"]["parameters"] if one["in"] == "header"]
    assert (key["name"], key["required"]) == ("Idempotency-Key", False)
    assert not operations["x"]["requestBody"]["required"]
    times = document["components"]["schemas"]["MoreParts"]["properties"]["times"]
    assert {"type": "null"} in times["anyOf"]
