"""The rooms dialect, as a client with its own ids uses it, over a real connection."""

import json
from typing import Any

import pytest

from tests.integration.port.test_events_dialect import SECRET, bearer
from tests.support.rawws import BINARY, NATIVE, RawClient, command, frame, text
from tests.support.serving import Serve


def ask(type: str, **payload: Any) -> bytes:
    return text(json.dumps({"type": type, "payload": payload or None}))


async def told(client: RawClient, type: str) -> Any:
    """Skip to the next frame of this type and return its payload. Frames have a type and a payload and nothing else."""
    while True:
        got = await client.message()
        assert list(got) == ["type", "payload"]
        if got["type"] == type:
            return got["payload"]
        assert got["type"] != "error", got


async def test_nothing_is_sent_before_the_clients_first_command(port: int) -> None:
    async with await RawClient.open(port, "/ws") as client:
        client.send(ask("ping"))
        got = await client.message()
        assert got["type"] == "pong"
        assert list(got["payload"]) == ["timestamp"]
        client.send(text('{"type":"ping"}'))
        assert (await client.message())["type"] == "pong"


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (text("hello"), "bad_json", "expected a JSON object"),
        (text('{"type":"shout","payload":{}}'), "unknown_type", "unknown command type"),
        (text('{"type":"join"}'), "bad_field", "payload is missing"),
        (ask("join", room_id="den", user_id=7, user_name="ann"), "bad_field", "user_id must be a string"),
        (ask("join", room_id="den", user_id="7", user_name="SYSTEM"), "reserved_name", "the name 'SYSTEM' is reserved"),
        (ask("message", room_id="den", message="hi"), "not_joined", "join the room first"),
        (ask("leave", room_id="den"), "not_joined", "join the room first"),
        (frame(BINARY, b"x"), "unsupported", "binary frames are not supported; send text"),
    ],
    ids=["text", "type", "no payload", "a number", "name", "message", "leave", "binary"],
)
async def test_an_error_has_its_code_and_keeps_the_connection(port: int, data: bytes, code: str, message: str) -> None:
    async with await RawClient.open(port, "/ws") as client:
        client.send(data)
        assert await client.message() == {"type": "error", "payload": {"code": code, "message": message}}
        client.send(ask("ping"))
        await told(client, "pong")


async def test_users_in_a_room_receive_each_others_messages(port: int) -> None:
    async with (
        await RawClient.native(port, "/chat?u=ben&r=den") as ben,
        await RawClient.open(port, "/ws") as ann,
        await RawClient.open(port, "/ws") as eve,
    ):
        await ben.expect("joined")
        ann.send(ask("join", room_id="den", user_id="7", user_name="ann"))
        joined = await told(ann, "joined")
        assert (joined["room_id"], joined["room_name"]) == ("den", "den")
        assert [user["user_name"] for user in joined["users"]] == ["ben", "ann"]
        assert joined["users"][1]["user_id"] == "7"
        eve.send(ask("join", room_id="den", user_id="8", user_name="eve"))
        await told(eve, "joined")
        assert await told(ann, "user_joined") == {"room_id": "den", **SEVEN}
        assert await told(ann, "user_joined") == {
            "room_id": "den",
            "user_id": "8",
            "user_name": "eve",
            "kind": "claimed",
        }
        ann.send(ask("message", room_id="den", message="hi"))
        message = await told(ann, "message")
        assert await told(eve, "message") == message
        heard = await ben.expect("message")
        assert (message.pop("seq"), message.pop("timestamp")) == (heard["seq"], heard["timestamp"])
        assert message == {"room_id": "den", **SEVEN, "message": "hi"}
        assert heard["sender_id"] == "w_7"
        ben.send(command(type="message", id="m", room="den", content="ho"))
        answer = await told(ann, "message")
        assert answer["user_id"].startswith("g_")
        ben.send(command(type="edit", room="den", seq=answer["seq"], content="ho ho"))
        edited = await told(ann, "message_edited")
        assert edited == {"room_id": "den", "seq": answer["seq"], "message": "ho ho"}
        ben.send(command(type="delete", room="den", seq=answer["seq"]))
        assert await told(ann, "message_deleted") == {"room_id": "den", "seq": answer["seq"]}
        ann.send(ask("leave", room_id="den"))
        assert await told(ann, "left") == {"room_id": "den"}
        assert await told(eve, "user_left") == {"room_id": "den", **SEVEN}


SEVEN = {"user_id": "7", "user_name": "ann", "kind": "claimed"}


async def make(client: RawClient, room_id: str = "den", user_id: str = "7", user_name: str = "ann") -> None:
    """Create a room and read the response. An account is shown with its full id."""
    client.send(ask("create_room", room_id=room_id, room_name="The Den", user_id=user_id, user_name=user_name))
    assert await client.message() == {"type": "room_created", "payload": {"room_id": room_id, "room_name": "The Den"}}
    user = {"user_id": user_id, "user_name": user_name}
    if not user_id.startswith("u_"):
        user["kind"] = "claimed"
    joined = {"room_id": room_id, "room_name": "The Den", "users": [user]}
    assert await client.message() == {"type": "joined", "payload": joined}
    assert await client.message() == {"type": "user_joined", "payload": {"room_id": room_id, **user}}


async def test_a_created_room_can_be_joined_by_its_id(port: int) -> None:
    async with await RawClient.open(port, "/ws") as ann, await RawClient.open(port, "/ws") as ben:
        ben.send(ask("join", room_id="den", user_id="8", user_name="ben"))
        assert (await ben.message())["payload"]["code"] == "no_such_room"
        await make(ann)
        ben.send(ask("join", room_id="den", user_id="8", user_name="ben"))
        joined = await told(ben, "joined")
        assert (joined["room_name"], [user["user_id"] for user in joined["users"]]) == ("The Den", ["7", "8"])
        ben.send(ask("create_room", room_id="den", room_name="Mine", user_id="8", user_name="ben"))
        while (answer := await ben.message())["type"] != "error":
            pass
        assert answer["payload"] == {"code": "room_exists", "message": "a room with this name already exists"}


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"room_id": "x" * 65}, "bad_field", "room_id has more than 64 characters"),
        ({"room_id": ""}, "bad_field", "room_id is empty"),
        ({"room_id": "@ann"}, "reserved_name", "a room name cannot begin with @, or be . or .."),
        ({"room_name": "x" * 65}, "bad_field", "room_name has more than 64 characters"),
    ],
)
async def test_errors_about_a_room_use_the_field_names_of_this_dialect(
    port: int, changed: dict[str, str], code: str, message: str
) -> None:
    async with await RawClient.open(port, "/ws") as ann:
        asked = {"room_id": "den", "room_name": "The Den", "user_id": "7", "user_name": "ann", **changed}
        ann.send(ask("create_room", **asked))
        assert await ann.message() == {"type": "error", "payload": {"code": code, "message": message}}


async def test_a_kicked_user_gets_the_reason(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET)
    async with (
        await RawClient.open(server.port, "/ws") as ann,
        await RawClient.open(
            server.port, "/chat", [*NATIVE, bearer(userid="1", username="root", role="admin")]
        ) as root,
    ):
        await make(ann)
        root.send(command(type="join", room="den") + command(type="announce", content="spring cleaning"))
        await root.expect("joined")
        announcement = await told(ann, "announcement")
        assert (announcement["user_name"], announcement["message"]) == ("root", "spring cleaning")
        root.send(command(type="delete_room", room="den"))
        assert await told(ann, "left") == {"room_id": "den", "reason": "deleted"}
        ann.send(ask("message", room_id="den", message="hello?"))
        assert (await ann.message())["payload"]["code"] == "not_joined"
        await make(ann)
        root.send(command(type="join", room="den") + command(type="set_role", room="den", user="u_1", role="owner"))
        root.send(command(type="kick", room="den", user="w_7"))
        assert await told(ann, "left") == {"room_id": "den", "reason": "kicked"}


async def test_a_private_room_is_closed_to_claimed_ids(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET)
    async with (
        await RawClient.open(server.port, "/ws") as seven,
        await RawClient.open(
            server.port, "/chat?r=den", [*NATIVE, bearer(userid="1", username="eve", role="admin")]
        ) as eve,
    ):
        await eve.expect("joined")
        seven.send(ask("join", room_id="den", user_id="7", user_name="ann"))
        await told(seven, "joined")
        eve.send(command(type="invite", id="i", room="den", user="w_7") + command(type="direct", id="d", user="w_7"))
        assert [(await eve.expect("error"))["code"] for _ in range(2)] == ["forbidden"] * 2
        eve.send(command(type="update_room", room="den", private=True))
        assert await told(seven, "left") == {"room_id": "den", "reason": "kicked"}
        seven.send(ask("join", room_id="den", user_id="7", user_name="ann"))
        assert (await told(seven, "error"))["code"] == "no_such_room"


async def test_an_account_owns_the_rooms_it_creates(serve: Serve) -> None:
    """Its `user_id` is that of the token; a client that only claims to be 7 does not own the rooms of account 7."""
    server = await serve(JWT_SECRET=SECRET)
    async with await RawClient.open(server.port, "/ws", [bearer()]) as ann:
        await make(ann, user_id="u_7")
        for user_id, codes in (("8", ["principal_fixed"]), ("7", [])):
            ann.send(ask("join", room_id="den", user_id=user_id, user_name="ann"))
            answer = await ann.message()
            assert [answer["payload"]["code"]] == codes if codes else answer["type"] == "joined"
        async with await RawClient.open(server.port, "/chat?r=den", [*NATIVE, bearer()]) as native:
            assert (await native.expect("joined"))["role"] == "owner"
        async with await RawClient.open(server.port, "/ws") as other:
            other.send(ask("join", room_id="den", user_id="7", user_name="ben"))
            assert len((await told(other, "joined"))["users"]) == 2


async def test_a_connection_is_bound_to_its_first_id(port: int) -> None:
    async with (
        await RawClient.native(port, "/chat?u=ben&r=den") as ben,
        await RawClient.open(port, "/ws") as ann,
    ):
        await ben.expect("joined")
        ann.send(ask("join", room_id="den", user_id="7", user_name="ann"))
        await told(ann, "joined")
        ann.send(ask("join", room_id="den", user_id="8", user_name="eve"))
        refusal = {"code": "principal_fixed", "message": "a connection cannot switch to another user"}
        while (answer := await ann.message())["type"] == "user_joined":
            assert answer["payload"]["user_id"] == "7"  # the notice of the first join
        assert answer == {"type": "error", "payload": refusal}
        ann.send(ask("message", room_id="den", message="still me"))
        assert (await told(ann, "message"))["user_id"] == "7"


async def test_too_many_messages_at_once_return_a_named_error(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_MESSAGES="1")
    async with (
        await RawClient.native(server.port, "/chat?u=ben&r=den") as ben,
        await RawClient.open(server.port, "/ws") as ann,
    ):
        await ben.expect("joined")
        ann.send(ask("join", room_id="den", user_id="7", user_name="ann"))
        await told(ann, "joined")
        ann.send(b"".join(ask("message", room_id="den", message=str(number)) for number in range(4)))
        got = [await ann.message() for _ in range(5)]
        assert sorted(answer["type"] for answer in got) == ["error", "message", "message", "message", "user_joined"]
        assert [a["payload"]["code"] for a in got if a["type"] == "error"] == ["rate_limited"]


async def test_without_guests_claimed_ids_are_refused(serve: Serve) -> None:
    server = await serve(GUESTS="off", HELLO_SECONDS="0.05")
    async with await RawClient.open(server.port, "/ws") as client:
        client.send(ask("join", room_id="den", user_id="7", user_name="ann"))
        assert (await client.message())["payload"]["code"] == "unauthorized"
        assert await client.closing() == (4101, "hello_timeout")


async def test_stopping_closes_with_1001(serve: Serve) -> None:
    server = await serve(CLOSE_SECONDS="0.1")
    async with await RawClient.open(server.port, "/ws") as client:
        client.send(ask("ping"))
        await told(client, "pong")
        await server.stop()
        assert await client.closing() == (1001, "going away")
