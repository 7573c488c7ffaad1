"""The log of a running server: its format, the life of a session, refusals, and the access log."""

import asyncio
import json
import logging
import os
from typing import Any

import pytest

from tests.support.process import PATIENCE
from tests.support.rawws import NATIVE, RawClient, command, fetch, request, upgrade
from tests.support.server import ServerProcess
from tests.support.serving import Serve
from tests.support.web import SECRET, Web, token_of

pytestmark = pytest.mark.one_server("each node logs what its own clients do")


def records_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_the_whole_life_of_a_session_is_logged_at_debug() -> None:
    """Every line names the session, its user and its address; none has a token or what was written."""
    written, token = "what nobody else may read", token_of("ann")
    settings = {"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "JWT_SECRET": SECRET}
    async with ServerProcess(settings) as server:
        async with await RawClient.native(server.port) as client:
            client.send(command(type="hello", id="h", token=token))
            session = (await client.expect("welcome", id="h"))["session"]
            client.send(command(type="join", id="j", room="general"))
            await client.expect("joined")
            client.send(command(type="message", id="m", room="general", content=written))
            await client.expect("ack")
            client.send(command(type="message", id="n", room="elsewhere", content=written))
            await client.refused("not_joined")
            client.send(command(type="leave", id="l", room="general"))
            await client.expect("left")
            client.send_close(1000)
            await client.closing()
        await asyncio.to_thread(server.wait_for_log, "the session has ended")
        text = server.log_text()
    lines = [line for line in records_of(text) if line.get("session") == session]
    assert [(line["message"], line.get("principal", ""), line.get("room", "")) for line in lines][2:] == [
        ("Hello", lines[2]["principal"], ""),
        ("the session acts for user", "u_ann", ""),
        ("Join", "u_ann", "general"),
        ("the session is in the room", "u_ann", "general"),
        ("PostMessage", "u_ann", "general"),
        ("PostMessage", "u_ann", "elsewhere"),
        ("PostMessage was refused: not_joined", "u_ann", "elsewhere"),
        ("Leave", "u_ann", "general"),
        ("the session has left the room", "u_ann", "general"),
        (lines[-2]["message"], "u_ann", ""),
        ("the session has ended", "u_ann", ""),
    ]
    assert lines[2]["principal"].startswith("g_"), "a guest until then"
    assert lines[-2]["message"].startswith("the connection was closed by the client with 1000 after ")
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    assert written not in text
    assert token not in text
    assert SECRET not in text


async def test_refusals_are_logged_with_the_address_and_without_what_was_sent(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "parley.clients")
    server = await serve(JWT_SECRET=SECRET)
    async with await RawClient.connect(server.port) as client:
        client.send(upgrade(headers=[("Authorization", "Bearer not-a-token")]))
        assert (await client.reply()).status == 401
    async with await RawClient.connect(server.port) as client:
        client.send(request("/" + "x" * 20_000))
        assert (await client.reply()).status == 431
    assert (await Web(server.port, token="not-a-token").get("/api/rooms/plans")).status == 401
    assert (await Web(server.port).get("/api/accounts")).status == 401
    assert (await Web(server.port, "ann").get("/api/accounts")).status == 403
    records = [record for record in caplog.records if record.name == "parley.clients"]
    assert [record.getMessage() for record in records] == [
        "a handshake was refused: unauthorized",
        "a request was refused: The request head is too large.",
        "GET /api/rooms/{room} was refused: unauthorized",
        "GET /api/accounts was refused: forbidden",
    ], "a visitor without a token is none"
    assert [vars(record).get("address") for record in records[:2]] == ["127.0.0.1", "127.0.0.1"]


async def test_a_request_has_an_id_in_the_log_and_in_its_answer(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = await serve(TRUSTED_PROXIES="127.0.0.2")
    first, second = [(await fetch(server.port, "/health")).headers["x-request-id"] for _ in range(2)]
    assert first.startswith("r_")
    assert first != second
    given = [("X-Request-Id", "from-the-proxy.1"), ("X-Forwarded-For", "192.0.2.9")]
    assert (await fetch(server.port, "/health", given)).headers["x-request-id"].startswith("r_"), "not from anyone"
    for offered, kept in (("from-the-proxy.1", True), ("a b", False), ("x" * 65, False)):
        async with await RawClient.connect(server.port, "127.0.0.2") as proxy:
            proxy.send(request("/health", [("X-Request-Id", offered)]))
            assert ((await proxy.reply()).headers["x-request-id"] == offered) is kept


@pytest.mark.parametrize("form", ["text", "json"])
async def test_the_access_log_has_every_request_without_its_query(form: str) -> None:
    searched = "what+somebody+searches"
    settings = {"ACCESS_LOG": "on", "LOG_FORMAT": form, "JWT_SECRET": SECRET}
    async with ServerProcess(settings) as server:
        ann = Web(server.port, "ann")
        await ann.create("plans")
        reply = await ann.get(f"/api/rooms/plans/messages?q={searched}", User_Agent="test/1")
        async with await RawClient.open(server.port, "/chat?u=somebody", NATIVE):
            pass
        await asyncio.to_thread(server.wait_for_log, "GET /chat ")
        text = server.log_text()
    assert searched not in text
    assert "somebody" not in text
    if form == "text":
        found = [line for line in text.splitlines() if "/api/rooms/plans/messages" in line]
        assert f'"test/1" [request={reply.headers["x-request-id"]} principal=u_ann address=127.0.0.1]' in found[0]
        assert f"GET /api/rooms/plans/messages {reply.status} " in found[0]
        return
    lines = [line for line in records_of(text) if line["logger"] == "parley.access"]
    told = [line for line in lines if line["access"]["path"].startswith("/api/")]
    assert [(line["access"]["method"], line["access"]["status"], line["principal"]) for line in told] == [
        ("POST", 201, "u_ann"),
        ("GET", reply.status, "u_ann"),
    ]
    assert told[1]["request"] == reply.headers["x-request-id"]
    assert told[1]["access"]["bytes"] > len(reply.body)
    assert [line["access"]["status"] for line in lines if line["access"]["path"] == "/chat"] == [101]


async def test_sighup_switches_the_access_log_and_the_life_of_sessions_on() -> None:
    server = ServerProcess({"PRESENCE_GRACE": "0"})
    try:
        del server.env["PRESENCE_GRACE"]
        await asyncio.to_thread(server.start)
        assert "parley.access" not in server.log_text()
        (server.folder / ".env").write_text("ACCESS_LOG=on\nLOG_LEVEL=debug\n")
        os.kill(server.pid, 1)
        await asyncio.to_thread(server.wait_for_log, "settings were reloaded; changed: .*ACCESS_LOG")
        await fetch(server.port, "/health")
        async with await RawClient.native(server.port) as client:
            client.send(command(type="ping", id="p"))
            await client.expect("pong")
        await asyncio.to_thread(server.wait_for_log, "parley.access: GET /health 200 ", PATIENCE)
        await asyncio.to_thread(server.wait_for_log, "chat.chat: Ping ")
    finally:
        await asyncio.to_thread(server.remove)
