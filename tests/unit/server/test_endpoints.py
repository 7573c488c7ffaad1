"""A row of the table of endpoints: what is decoded, what is refused, and how it is documented."""

import json
from collections.abc import Awaitable
from typing import Annotated, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from chat.ports import Identity
from model.commands import CreateRoom, Pin
from model.errors import ParleyError
from model.room import User
from server.access.addresses import Client
from server.http.asked import Answered, Asked
from server.http.endpoints import CALLER, SENDER, Answer, Auth, Endpoint, add_routes
from server.spec.openapi import openapi


class MakeThing(Struct, frozen=True):
    """How to make a thing.

    Attributes:
        room: where.
        name: what it is called.
    """

    room: str
    name: Annotated[str, Meta(max_length=5)]
    parts: list[int] = []


class FindThings(Struct, frozen=True):
    """Which things to find.

    Attributes:
        room: where.
        dry: only say what would be found.
        times: how often.
        sender: whose.
    """

    room: str
    dry: bool = False
    times: Annotated[int, Meta(ge=1, le=9, description="a number")] | None = None
    sender: str | None = None


MAKE = Endpoint("POST", "/rooms/{room}/things", "Make a thing", params=MakeThing)
FIND = Endpoint("GET", "/rooms/{room}/things", "Find things", params=FindThings)


async def ask(row: Endpoint, body: bytes = b"", query: str = "", room: str = "den", **headers: str) -> Any:
    """Return what the handler of a row receives, and who calls it."""
    given: list[Any] = []

    async def handler(asked: Asked, params: Any) -> Answered:
        given.extend((params, asked.identity))
        return Answered(204)

    app = web.Application()
    add_routes(app, [row._replace(rooms_handler=handler)], someone)
    called: Handler = next(iter(app.router.routes())).handler
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request(row.method, f"/rooms/x/things{query}", headers=named, match_info={"room": room})
    request._read_bytes = body
    request[SENDER] = Client("192.0.2.1", "192.0.2.1")
    await called(request)
    return given


def someone(request: web.Request, auth: Auth) -> Identity | None:
    """Identify the caller by a name in a header."""
    if "X-Name" in request.headers:
        return Identity(User("u_1", request.headers["X-Name"]), guest=False)
    if auth == "token":
        raise ParleyError("unauthorized")
    return None


async def make(body: bytes = b'{"name":"x"}', room: str = "den") -> Any:
    return (await ask(MAKE, body, room=room))[0]


async def find(query: str) -> Any:
    return (await ask(FIND, query=query))[0]


async def refusal(asked: Awaitable[Any]) -> tuple[str, str | None]:
    with pytest.raises(ParleyError) as refused:
        await asked
    return refused.value.code, refused.value.field


async def test_path_and_body_make_one_record() -> None:
    assert await make(b'{"name":"x","parts":[1],"unknown":1}', "a b") == MakeThing("a b", "x", [1])


async def test_path_and_query_make_one_record() -> None:
    found = await find("?dry=true&times=3&sender=null&unknown=1")
    assert found == FindThings("den", True, 3, "null")


async def test_an_omitted_parameter_has_its_default() -> None:
    assert await make() == MakeThing("den", "x")
    assert await find("") == FindThings("den")


@pytest.mark.parametrize(
    "value", ["0", "10", "-1", "+5", "5.0", "5e0", "null", "", "1_0", "%D9%A3", " 5", "0x5", "9" * 5000, "1" * 17]
)
async def test_an_invalid_number_is_bad_field(value: str) -> None:
    """Also values that msgspec or Python would accept as a number."""
    assert await refusal(find(f"?times={value}")) == ("bad_field", "times")


@pytest.mark.parametrize("value", ["1", "yes", "True", ""])
async def test_an_invalid_flag_is_bad_field(value: str) -> None:
    assert await refusal(find(f"?dry={value}")) == ("bad_field", "dry")


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
async def test_an_invalid_body_returns_a_named_error(body: bytes, code: str, field: str | None) -> None:
    assert await refusal(make(body)) == (code, field)


async def nothing(request: web.Request, params: Any) -> web.StreamResponse:
    return web.Response()


def test_the_document_says_where_each_parameter_goes() -> None:
    row = MAKE._replace(
        handler=nothing,
        answers=(Answer(201, "it is made", FindThings, headers={"Location": "where", "Link?": "more"}),),
        refusals=("no_such_room", "overloaded"),
    )
    document = json.loads(json.dumps(openapi([row, FIND._replace(handler=nothing)])))
    operations = document["paths"]["/rooms/{room}/things"]
    places = {
        method: [(one["name"], one["in"], one["required"]) for one in operation["parameters"]]
        for method, operation in operations.items()
    }
    assert places == {
        "post": [("room", "path", True)],
        "get": [
            ("room", "path", True), ("dry", "query", False), ("times", "query", False), ("sender", "query", False),
        ],
    }  # fmt: skip
    assert [one["description"] for one in operations["get"]["parameters"]][1:3] == [
        "only say what would be found.", "how often.",
    ]  # fmt: skip
    assert "requestBody" not in operations["get"]
    body = operations["post"]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/MakeThingBody"}
    schema = document["components"]["schemas"]["MakeThingBody"]
    assert (list(schema["properties"]), schema["required"]) == (["name", "parts"], ["name"])
    assert schema["properties"]["name"]["description"] == "what it is called."
    responses = operations["post"]["responses"]
    assert list(responses) == ["201", "400", "403", "404", "413", "415", "503"]
    assert responses["400"]["x-codes"] == ["bad_field", "bad_json"]
    headers = responses["201"]["headers"]
    assert (headers["Location"]["required"], headers["Link"]["required"]) == (True, False)
    assert "Retry-After" in responses["503"]["headers"]
    assert "Retry-After" not in responses["404"]["headers"]


class AddParts(Struct, frozen=True):
    """Parts to add.

    Attributes:
        room: where.
        times: how often.
        idempotency_key: for sending it again.
    """

    room: str
    times: int | None = None
    idempotency_key: Annotated[str, Meta(max_length=5)] | None = None


ADD = Endpoint("PUT", "/rooms/{room}/parts", "Add parts", params=AddParts)


async def test_a_body_with_only_defaults_may_be_omitted() -> None:
    assert (await ask(ADD))[0] == AddParts("den")
    assert (await ask(ADD, b'{"times":3}'))[0] == AddParts("den", 3)
    assert (await ask(ADD, b'{"times":null}'))[0] == AddParts("den")


async def test_a_change_requires_a_body() -> None:
    assert await refusal(ask(ADD._replace(method="PATCH"))) == ("bad_json", None)


async def test_a_row_may_have_a_body_with_any_method() -> None:
    row = Endpoint("DELETE", "/rooms/{room}/parts", "Remove parts", params=AddParts, body=True)
    assert (await ask(row, b'{"times":3}', query="?times=4"))[0] == AddParts("den", 3)
    assert "requestBody" in openapi([row._replace(handler=nothing)])["paths"]["/rooms/{room}/parts"]["delete"]


async def test_a_local_row_finds_its_caller_in_the_request() -> None:
    callers = []

    async def answer(request: web.Request, params: Any) -> web.StreamResponse:
        callers.append(request[CALLER])
        return web.Response()

    app = web.Application()
    add_routes(app, [FIND._replace(handler=answer, auth="optional")], someone)
    called: Handler = next(iter(app.router.routes())).handler
    for headers in ({"X-Name": "ann"}, {}):
        await called(make_mocked_request("GET", "/rooms/x/things", headers=headers, match_info={"room": "den"}))
    assert callers == [Identity(User("u_1", "ann"), guest=False), None]


async def test_a_field_may_be_a_header() -> None:
    assert (await ask(ADD, Idempotency_Key="k-1"))[0].idempotency_key == "k-1"
    assert await refusal(ask(ADD, Idempotency_Key="k-1234")) == ("bad_field", "Idempotency-Key")


async def test_command_ids_and_fixed_fields_are_not_parameters() -> None:
    row = Endpoint("PUT", "/rooms/{room}/things", "Pin", params=Pin, fixed={"on": False})
    assert row.parameters().places == {"room": "path", "seq": "body"}
    pin = (await ask(row, b'{"seq":7,"on":true,"id":"x"}'))[0]
    assert pin == Pin(room="den", seq=7, on=False)


async def test_a_field_may_have_another_name_in_the_request() -> None:
    """When it is read, in every error, and in the document."""
    row = Endpoint("POST", "/things", "Make a room", params=CreateRoom, names={"room": "name"})
    assert (await ask(row, b'{"name":"den"}'))[0] == CreateRoom(room="den")
    assert await refusal(ask(row, b'{"room":"den"}')) == ("bad_field", "name")
    assert await refusal(ask(row, b'{"name":7}')) == ("bad_field", "name")

    async def refuse(request: web.Request, params: CreateRoom) -> web.StreamResponse:
        raise ParleyError("bad_field", "room is empty", field="room")

    app = web.Application()
    add_routes(app, [row._replace(handler=refuse)])
    request = make_mocked_request("POST", "/things")
    request._read_bytes = b'{"name":""}'
    with pytest.raises(ParleyError, match="bad_field: room is empty") as refused:
        await next(iter(app.router.routes())).handler(request)
    assert (refused.value.field, refused.value.message) == ("name", "name is empty")
    document = openapi([row._replace(handler=nothing)])
    schema = document["components"]["schemas"]["CreateRoomBody"]
    assert schema["properties"]["name"]["description"] == "1 to 64 characters."
    assert schema["required"] == ["name"]


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_with_another_content_type_is_unsupported(media: str) -> None:
    assert await refusal(ask(ADD, b"{}", Content_Type=media)) == ("unsupported", None)


async def test_the_caller_is_authenticated_before_anything_is_read() -> None:
    assert (await ask(ADD, X_Name="ann"))[1] is None  # a row that does not authenticate
    assert (await ask(ADD._replace(auth="optional")))[1] is None
    assert (await ask(ADD._replace(auth="token"), X_Name="ann"))[1].user.name == "ann"
    assert (await refusal(ask(ADD._replace(auth="token"), b"{")))[0] == "unauthorized"


def test_the_document_says_who_may_call_and_which_fields_are_nullable() -> None:
    auths: list[Auth] = ["", "optional", "token", "account", "own", "admin"]
    rows = [Endpoint("PUT", f"/{auth or 'x'}/{{room}}", "", nothing, AddParts, auth=auth) for auth in auths]
    document = json.loads(json.dumps(openapi(rows)))
    operations = {path.split("/")[1]: methods["put"] for path, methods in document["paths"].items()}
    assert "security" not in operations["x"]
    assert operations["optional"]["security"] == [{"bearer": []}, {}]
    assert all(operations[auth]["security"] == [{"bearer": []}] for auth in auths[2:])
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for auth in auths[1:]:
        responses = operations[auth]["responses"]
        assert "WWW-Authenticate" in responses["401"]["headers"]
        assert sorted(responses["403"]["x-codes"]) == ["blocked", "csrf", "forbidden", "suspended"]
    (key,) = [one for one in operations["x"]["parameters"] if one["in"] == "header"]
    assert (key["name"], key["required"]) == ("Idempotency-Key", False)
    assert not operations["x"]["requestBody"]["required"]
    name = operations["x"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert {"type": "null"} in document["components"]["schemas"][name]["properties"]["times"]["anyOf"]
