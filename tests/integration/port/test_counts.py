"""What a server counts of HTTP, handshakes, closed connections, logins, bytes, storage and itself."""

import asyncio
from asyncio.subprocess import PIPE, STDOUT

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.app import Server
from tests.contract.records import until
from tests.support.accounts import PASSWORD, visitor
from tests.support.debian import fetch as program
from tests.support.rawws import NATIVE, RawClient, command, fetch, frame, request, upgrade
from tests.support.serving import Serve
from tests.support.web import SECRET, Web

pytestmark = pytest.mark.one_server("each node counts what it does itself")

Labelled = dict[tuple[str, ...], float]


async def read(server: Server, name: str) -> Labelled:
    """Return the values of a metric at the admin port, by the values of its labels."""
    text = (await fetch(server.admin_port, "/metrics")).body.decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"parley_{name}"
    }


async def status_of(server: Server, sent: bytes) -> int:
    async with await RawClient.connect(server.port) as client:
        client.send(sent)
        return (await client.reply()).status


async def test_http_requests_are_counted_by_route_and_status(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0", JWT_SECRET=SECRET)
    ann = Web(server.port, "ann")
    await ann.create("plans")
    for _ in range(2):
        assert (await ann.get("/api/rooms/plans")).status == 200
    assert (await ann.get("/api/rooms/none")).status == 404
    assert (await Web(server.port).post("/api/rooms", {"name": "x"})).status == 401
    assert await status_of(server, request("/no/such/path")) == 404
    assert await status_of(server, request("/health", method="PUT")) == 405
    assert await status_of(server, request("/health", [("Host", "a")])) == 400
    assert await status_of(server, request("/" + "x" * 20_000)) == 431
    requests = await read(server, "http_requests_total")
    assert requests == {
        ("POST", "/api/rooms", "201"): 1,
        ("GET", "/api/rooms/{room}", "200"): 2,
        ("GET", "/api/rooms/{room}", "404"): 1,
        ("POST", "/api/rooms", "401"): 1,
        ("GET", "other", "404"): 1,
        ("PUT", "other", "405"): 1,
        ("other", "other", "400"): 1,
        ("other", "other", "431"): 1,
    }
    assert await read(server, "http_errors_total") == {("internal",): 0, ("no_such_room",): 1, ("unauthorized",): 1}
    took = await read(server, "http_request_duration_seconds_count")
    assert took["GET", "/api/rooms/{room}"] == 3
    sent, received = await read(server, "sent_bytes_total"), await read(server, "received_bytes_total")
    assert sent["http",] > 1000
    assert received["http",] > 1000
    assert (sent["websocket",], received["websocket",]) == (0, 0)


async def test_refused_handshakes_are_counted_by_reason(serve: Serve) -> None:
    server = await serve(
        ADMIN_PORT="0", JWT_SECRET=SECRET, ALLOWED_ORIGINS="https://one.example", RATE_LIMIT_UPGRADES="1/7"
    )
    for sent in (
        upgrade(headers=[("Authorization", "Bearer bad")]),
        upgrade(headers=[("Origin", "https://two.example")]),
        upgrade(without="Sec-WebSocket-Key"),
        upgrade(headers=[("Sec-WebSocket-Version", "12")]),
        upgrade(method="POST"),
        upgrade(headers=[("Host", "other")]),
    ):
        assert await status_of(server, sent) >= 400
    async with await RawClient.open(server.port):
        pass
    assert await status_of(server, upgrade()) == 429
    reasons = {reason: count for (reason,), count in (await read(server, "upgrades_refused_total")).items() if count}
    assert reasons == {"unauthorized": 1, "origin": 1, "malformed": 2, "version": 1, "method": 1, "rate_limited": 1}
    assert await read(server, "http_requests_total") == {}, "they are no HTTP requests"


async def test_an_upgrade_after_a_request_is_counted_as_a_connection_alone(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0")
    async with await RawClient.connect(server.port) as client:
        client.send(request("/health"))
        assert (await client.reply()).status == 200
        client.send(upgrade())
        assert (await client.reply()).status == 101
    await until(lambda: not server.shared.connections)
    assert await read(server, "http_requests_total") == {("GET", "/health", "200"): 1}
    assert await read(server, "connections_opened_total") == {(): 1}


async def test_the_ends_of_connections_are_counted_by_who_and_why(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0")
    async with await RawClient.native(server.port) as gone:
        gone.send_close(1001)
        assert (await gone.closing())[0] == 1001
    async with await RawClient.native(server.port) as odd:
        odd.send_close(4711)
        assert (await odd.closing())[0] == 4711
    async with await RawClient.native(server.port) as wrong:
        wrong.send(frame(0x3))
        assert (await wrong.closing())[0] == 1002
    async with await RawClient.open(server.port, "/chat?u=" + "x" * 200, NATIVE):
        pass
    async with await RawClient.open(server.port, "/chat?u=") as refused:
        refused.send(command(type="x"))
    await until(lambda: not server.shared.connections)
    closed = await read(server, "connections_closed_total")
    assert closed == {("client", "1001"): 1, ("client", "other"): 1, ("server", "1002"): 1, ("lost", "1006"): 2}


async def test_logins_are_counted_by_result(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0")
    web = visitor(server.port)
    given = {"username": "ann", "password": PASSWORD}
    assert (await web.post("/api/register", given)).status == 201
    assert (await web.post("/api/login", given)).status == 200
    assert (await web.post("/api/login", {**given, "password": "another password"})).status == 401
    results = {result: count for (result,), count in (await read(server, "logins_total")).items() if count}
    assert results == {"ok": 1, "wrong_credentials": 1}


async def test_bytes_of_frames_are_counted(serve: Serve) -> None:
    server = await serve(ADMIN_PORT="0")
    async with await RawClient.native(server.port) as ann, await RawClient.native(server.port) as bob:
        for client in (ann, bob):
            client.send(command(type="join", id="j", room="general"))
            await client.expect("joined", id="j")
        before = await read(server, "received_bytes_total"), await read(server, "sent_bytes_total")
        message = command(type="message", id="m", room="general", content="x" * 1000)
        ann.send(message)
        await ann.expect("ack")
        await bob.expect("message", id="m")
        after = await read(server, "received_bytes_total"), await read(server, "sent_bytes_total")
    assert after[0]["websocket",] - before[0]["websocket",] == len(message)
    assert 2000 < after[1]["websocket",] - before[1]["websocket",] < 3000, "to both, and an ack"


async def test_a_server_says_what_it_is(serve: Serve, database_url: str) -> None:
    server = await serve(ADMIN_PORT="0", DATABASE_URL=database_url)
    ((loop, python, version),) = await read(server, "build_info")  # in the order of their names
    assert version
    assert python.startswith("3.")
    assert loop in ("asyncio", "uvloop")
    assert await read(server, "role") == {("owner",): 1, ("edge",): 0, ("standby",): 0}
    assert await read(server, "sockets_limit") == {(): server.shared.capacity.most}
    assert 0 <= (await read(server, "retention_lag_seconds"))[()] < 600
    await until(lambda: server.shared.counts.loop_lag.sum > 0)
    assert (await read(server, "event_loop_lag_seconds_count"))[()] >= 1
    assert await read(server, "database_connections_limit") == {("reads",): 4, ("accounts",): 2}
    used = await read(server, "database_connections")
    assert used.keys() == {("reads", "busy"), ("reads", "idle"), ("accounts", "busy"), ("accounts", "idle")}
    assert used["reads", "busy"] + used["reads", "idle"] >= 1

    second = await serve(ADMIN_PORT="0", DATABASE_URL=database_url)
    await until(lambda: second.chat.not_ready_reason() == "standby")
    assert await read(second, "role") == {("owner",): 0, ("edge",): 0, ("standby",): 1}
    assert await read(second, "retention_lag_seconds") == {}, "it does not remove anything"


async def test_names_follow_the_conventions_of_prometheus(serve: Serve) -> None:
    """`promtool check metrics` reports no violation, also of metrics with labels."""
    server = await serve(ADMIN_PORT="0", JWT_SECRET=SECRET)
    await Web(server.port, "ann").create("plans")
    async with await RawClient.native(server.port, "/chat?u=bob") as bob:
        bob.send(command(type="join", id="j", room="plans"))
        await bob.expect("joined")
    await until(lambda: not server.shared.connections)
    text = (await fetch(server.admin_port, "/metrics")).body
    promtool = program("promtool", "prometheus")
    checking = await asyncio.create_subprocess_exec(
        promtool.executable,
        "check",
        "metrics",
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env=promtool.environment or None,
    )
    assert (await checking.communicate(text))[0] == b""
    assert checking.returncode == 0
