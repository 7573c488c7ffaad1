"""The events dialect, as a page of an application with accounts speaks it: JWT before the upgrade, one room."""

import json
import time
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.rawws import NATIVE, RawClient, Reply, command, fetch, text, upgrade
from tests.support.serving import Serve
from utils.clock import microseconds

SECRET = "the secret of an application, 32 characters or more"


def token(secret: str = SECRET, **changed: Any) -> str:
    claims = {"userid": "7", "username": "ann", "role": "user", "exp": int(time.time()) + 3600, **changed}
    return jwt.encode({name: value for name, value in claims.items() if value is not ...}, secret, algorithm="HS256")


def bearer(**claims: Any) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token(**claims)}")


async def enter(port: int, room: str | None = "den", **claims: Any) -> RawClient:
    """Connect and read up to the client's own `join`; others who joined in the same second may be named before."""
    client = await RawClient.open(port, "/api/chat" + ("" if room is None else f"?room={room}"), [bearer(**claims)])
    while (first := await client.message())["userid"] != claims.get("userid", "7"):
        assert first["event"] == "join"
    assert first["event"] == "join"
    return client


def say(event: str, **fields: Any) -> bytes:
    return text(json.dumps({"event": event, **fields}))


@pytest.fixture
async def port(serve: Serve) -> int:
    return (await serve(JWT_SECRET=SECRET, PRESENCE_GRACE="0")).port


# --- messages --------------------------------------------------------------------------------------------------------


async def test_users_in_a_room_receive_each_others_messages(port: int) -> None:
    async with await enter(port) as ann:
        async with await enter(port, userid="8", username="ben", role="organizer") as ben:
            assert await ann.message() == {"event": "join", "userid": "8", "username": "ben"}
            ann.send(say("message", content="hi\nall"))
            for client in (ann, ben):
                message = await client.message()
                seq, timestamp = message.pop("id"), message.pop("timestamp")
                assert message == {
                    "event": "message",
                    "room": "den",
                    "userid": "7",
                    "username": "ann",
                    "content": "hi\nall",
                }
                assert abs(microseconds(timestamp) - time.time() * 1e6) < 60e6
                assert isinstance(seq, int)
        assert await ann.message() == {"event": "leave", "userid": "8", "username": "ben"}


async def test_a_message_is_edited_and_deleted_by_its_id(port: int) -> None:
    async with await enter(port) as ann, await enter(port, userid="8", username="ben") as ben:
        await ann.message()
        ann.send(say("message", content="one"))
        seq = (await ben.message())["id"]
        await ann.message()
        ann.send(say("edit", id=seq, content="two") + say("delete", id=str(seq)))
        for client in (ann, ben):
            edited, deleted = await client.message(), await client.message()
            assert microseconds(edited.pop("edited_at")) <= microseconds(deleted.pop("deleted_at"))
            assert edited == {"event": "edit", "id": seq, "content": "two"}
            assert deleted == {"event": "delete", "id": seq}
        ben.send(say("delete", id=seq))
        assert await ben.message() == {"event": "error", "content": "this message does not exist or was deleted"}
        assert (await fetch(port, "/history?r=den")).json() == []


async def test_only_the_author_may_change_a_message(port: int) -> None:
    async with await enter(port) as ann, await enter(port, userid="8", username="ann") as namesake:
        await ann.message()
        ann.send(say("message", content="mine"))
        seq = (await namesake.message())["id"]
        await ann.message()
        for change in (say("edit", id=seq, content="yours"), say("delete", id=seq)):
            namesake.send(change)
            assert await namesake.message() == {"event": "error", "content": "only the author of a message can do this"}
        async with await RawClient.open(port, "/api/chat?room=den", [bearer()]) as elsewhere:  # their other session
            elsewhere.send(say("edit", id=seq, content="still mine"))
            assert (await namesake.message())["content"] == "still mine"


async def test_two_connections_of_an_account_are_one_user(port: int) -> None:
    async with await enter(port, userid="8", username="ben") as ben:
        async with await enter(port) as ann:
            assert (await ben.message())["event"] == "join"
            async with await RawClient.open(port, "/api/chat?room=den", [bearer()]) as again:
                again.send(say("message", content="from here"))
                assert (await again.message())["content"] == "from here"
                assert (await ann.message())["content"] == "from here"
            ann.send(say("message", content="and there"))
            await ann.message()
        assert [(await ben.message())["event"] for _ in range(3)] == ["message", "message", "leave"]


async def test_the_room_is_general_by_default(port: int) -> None:
    async with await enter(port, None) as ann:
        ann.send(say("message", content="hi"))
        assert (await ann.message())["room"] == "general"


async def test_clients_of_all_dialects_share_a_room(port: int) -> None:
    async with (
        await RawClient.native(port, "/chat?u=new&r=den") as new,
        await RawClient.open(port, "/chat?u=old&r=den") as old,
        await enter(port) as ann,
    ):
        await new.expect("joined")
        ann.send(say("message", content="to all"))
        while (heard := await ann.message())["event"] == "join":
            pass  # of one who has connected before, and whose row was read later
        seq = heard["id"]
        message = await new.expect("message")
        assert (message["seq"], message["sender"], message["sender_id"]) == (seq, "ann", "u_7")
        while (heard := await old.message())["sender"] == "SYSTEM":
            pass
        assert heard["content"] == "to all"
        new.send(command(type="message", id="m", room="den", content="back"))
        answer = await ann.message()
        assert (answer["username"], answer["content"]) == ("new", "back")
        assert answer["userid"].startswith("g_")


async def test_typing_is_broadcast(port: int) -> None:
    async with await enter(port, userid="8", username="ben") as ben, await enter(port) as ann:
        await ben.message()
        ann.send(say("typing"))
        assert await ben.message() == {"event": "typing", "userid": "7", "username": "ann"}


async def test_a_kicked_user_gets_the_reason(port: int) -> None:
    admin = bearer(userid="1", username="root", role="admin")
    async with await enter(port) as ann, await RawClient.open(port, "/chat?r=den", [*NATIVE, admin]) as root:
        await root.expect("joined")
        assert (await ann.message())["username"] == "root"
        root.send(command(type="announce", content="be kind"))
        announcement = await ann.message()
        del announcement["timestamp"]
        assert announcement == {"event": "announcement", "content": "be kind", "username": "root"}
        root.send(command(type="kick", room="den", user="u_7", reason="spam"))
        assert await ann.message() == {"event": "error", "content": 'you were removed from "den" by "root": "spam"'}


# --- errors in the chat ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ("hello", "expected a JSON object"),
        ('{"event":"shout","content":"hi"}', "unknown command type"),
        ('{"event":"message"}', "content is missing"),
        ('{"event":"edit","id":"x","content":"hi"}', "id must be the id of a message"),
        ('{"event":"delete","id":-1}', "id must be at least 0"),
        ('{"event":"message","content":" "}', "a message must contain at least one visible character"),
        ('{"event":"message","content":"\\u0000"}', "content contains a control character"),
        ('{"event":"delete","id":5}', "this message does not exist or was deleted"),
    ],
)
async def test_an_error_is_sent_only_to_its_author(port: int, frame: str, told: str) -> None:
    async with await enter(port, userid="8", username="ben") as ben, await enter(port) as ann:
        await ben.message()
        ann.send(text(frame) + say("message", content="fine"))
        answers = [await ann.message() for _ in range(2)]
        error = next(answer for answer in answers if answer["event"] == "error")
        assert list(error) == ["event", "content"]
        assert error["content"].startswith(told)
        assert (await ben.message())["content"] == "fine"


@pytest.mark.parametrize("room", ["x" * 65, "%E2%80%AE", "a%0Ab"])
async def test_an_invalid_room_is_reported_and_closed_with_4102(port: int, room: str) -> None:
    async with await RawClient.open(port, f"/api/chat?room={room}", [bearer()]) as client:
        error = await client.message()
        assert (error["event"], error["content"].split()[0]) == ("error", "room")
        assert await client.closing() == (4102, "refused")


# --- authentication --------------------------------------------------------------------------------------------------


async def knock(port: int, *headers: tuple[str, str], target: str = "/api/chat?room=den") -> Reply:
    async with await RawClient.connect(port) as client:
        client.send(upgrade(target, headers))
        reply = await client.reply()
        if reply.status != 101:
            assert await client.rest() == b"", "a refusal ends the connection"
        return reply


WRONG: dict[str, tuple[list[tuple[str, str]], str]] = {
    "nothing": ([], "an account token is required"),
    "no token": ([("Authorization", "Bearer")], "this is not a JSON Web Token"),
    "nonsense": ([("Authorization", "Bearer nonsense")], "this is not a JSON Web Token"),
    "another scheme": ([("Authorization", f"Basic {token()}")], "an account token is required"),
    "no scheme": ([("Authorization", token())], "an account token is required"),
    "expired": ([bearer(exp=int(time.time()) - 1)], "the token has expired"),
    "not yet": ([bearer(nbf=int(time.time()) + 3600)], "the token is not valid yet"),
    "another secret": ([bearer(secret="x" * 40)], "the token is signed with another secret"),
    "no signature": (
        [("Authorization", "Bearer " + jwt.encode({"userid": "7"}, "", algorithm="none"))],
        "this is not a JSON Web Token",
    ),
    "no user": ([bearer(userid=...)], "the token has no claim userid or sub, which must be a string or a whole number"),
    "a fraction": ([bearer(userid=7.5)], "the token's claim userid must be a string or a whole number"),
    "a reserved name": ([bearer(username="SYSTEM")], "the token's claims: the name 'SYSTEM' is reserved"),
}


@pytest.mark.parametrize(("headers", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_without_a_valid_token_the_status_is_401(port: int, headers: list[tuple[str, str]], reason: str) -> None:
    reply = await knock(port, *headers)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.body.decode().startswith(reason)


async def test_a_numeric_user_id_is_accepted(port: int) -> None:
    async with await RawClient.open(port, "/api/chat?room=den", [bearer(userid=7)]) as client:
        assert await client.message() == {"event": "join", "userid": "7", "username": "ann"}


async def test_a_role_that_is_not_admitted_is_403(port: int) -> None:
    reply = await knock(port, bearer(role="spectator"))
    assert (reply.status, reply.body) == (403, b"accounts with this role are not admitted\n")
    assert "www-authenticate" not in reply.headers


async def test_the_operator_chooses_the_admitted_roles(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET, CHAT_ROLES="spectator, bot")
    assert (await knock(server.port, bearer(role="bot"))).status == 101
    assert (await knock(server.port, bearer())).status == 403


async def test_a_missing_secret_is_given_as_the_reason(port: int, serve: Serve) -> None:
    unset = await serve()
    reply = await knock(unset.port, bearer())
    assert (reply.status, reply.body[:21]) == (401, b"JWT_SECRET is not set")


async def test_a_later_upgrade_on_a_connection_checks_the_token(port: int) -> None:
    """As behind a proxy, where the connection was used for HTTP before."""
    for headers, status in (([bearer()], 101), ([], 401)):
        async with await RawClient.connect(port) as client:
            client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await client.reply()
            client.send(upgrade("/api/chat?room=den", headers))
            assert (await client.reply()).status == status
            if status == 101:
                assert await client.message() == {"event": "join", "userid": "7", "username": "ann"}


async def test_the_librarys_client_authenticates_by_a_header(port: int) -> None:
    """As shown in the documentation."""
    address = f"ws://127.0.0.1:{port}/api/chat?room=den"
    async with connect(address, additional_headers={"Authorization": f"Bearer {token()}"}, proxy=None) as socket:
        assert json.loads(await socket.recv())["event"] == "join"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, proxy=None):
            pass
    assert refused.value.response.status_code == 401
    assert b"token is required" in bytes(refused.value.response.body)


# --- the same token in the other dialects ----------------------------------------------------------------------------


async def test_the_same_token_works_in_the_native_protocol(serve: Serve) -> None:
    """In `hello` or before the upgrade; also with guests disabled."""
    server = await serve(JWT_SECRET=SECRET, GUESTS="off")
    async with await RawClient.open(server.port, "/chat?r=den", NATIVE) as ann:
        ann.send(command(type="hello", id="1", token=token(role="spectator")))
        await ann.refused("forbidden", id="1")
        ann.send(command(type="hello", id="2", token=token()))
        welcome = await ann.expect("welcome", id="2")
        assert (welcome["user"], welcome["guest"], welcome["token"]) == ({"id": "u_7", "name": "ann"}, False, "")
        assert (await ann.expect("joined"))["members"] == [{"id": "u_7", "name": "ann"}]
    async with await RawClient.open(server.port, "/chat?r=den&u=x", [*NATIVE, bearer()]) as ann:
        assert (await ann.expect("welcome"))["user"] == {"id": "u_7", "name": "ann"}
        await ann.expect("joined")
        ann.send(command(type="hello", id="1", token=token(userid="8")))
        await ann.refused("principal_fixed", id="1")


async def test_the_same_token_works_in_the_plain_dialect(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET, GUESTS="off")
    async with await RawClient.open(server.port, "/chat?r=den&u=x", [bearer()]) as ann:
        assert (await ann.message())["content"] == "User ann entered the chat"


async def test_a_guest_token_is_accepted_before_the_upgrade(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET)
    async with await RawClient.open(server.port, "/chat?u=ann", NATIVE) as first:
        welcome = await first.expect("welcome")
    header = ("Authorization", f"Bearer {welcome['token']}")
    async with await RawClient.open(server.port, "/chat", [*NATIVE, header]) as again:
        assert (await again.expect("welcome"))["user"] == welcome["user"]
    assert (await knock(server.port, header)).status == 401, "events are for accounts"
    without = await serve(JWT_SECRET=SECRET, GUESTS="off")
    assert (await knock(without.port, header, target="/chat")).status == 401


async def test_a_plain_get_is_426(port: int) -> None:
    for path in ("/ws", "/api/chat"):
        reply = await fetch(port, path)
        assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")
