"""Malformed requests, and clients that disconnect before the response."""

import asyncio
from functools import partial

import pytest

from server.app import Server
from storage.ports.errors import StorageUnavailable
from tests.contract.records import until
from tests.support.rawws import RawClient, request
from tests.support.serving import Serve, owner_of
from tests.support.web import Web, code, token_of

PLANS = "/api/rooms/plans/messages"
TOKEN = ("Authorization", f"Bearer {token_of('ann')}")
JSON = ("Content-Type", "application/json")


@pytest.fixture
async def server(serve: Serve) -> Server:
    server = await serve()
    await Web(server.port, "ann").create("plans")
    return server


async def test_a_chunked_body_is_accepted(server: Server) -> None:
    async with await RawClient.connect(server.port) as client:
        client.send(request(PLANS, [TOKEN, JSON, ("Transfer-Encoding", "chunked")], method="POST"))
        await client.send_bytewise(b'4\r\n{"co\r\nf\r\nntent":"hello"}\r\n0\r\n\r\n')
        assert (await client.reply()).status == 201
    page = await Web(server.port, "ann").json(PLANS)
    assert [message["content"] for message in page["messages"]] == ["hello"]


@pytest.mark.parametrize("chunks", [b"x\r\n", b"-1\r\n", b"2\r\n{}xx"])
async def test_a_malformed_chunked_body_is_refused(
    server: Server, chunks: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with await RawClient.connect(server.port) as client:
        client.send(request(PLANS, [TOKEN, JSON, ("Transfer-Encoding", "chunked")], method="POST") + chunks)
        assert (await client.reply()).status == 400
    assert (await Web(server.port, "ann").get("/health")).status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("more", [b"x\r\n", b"", b"1\r\nx"], ids=["broken", "nothing", "unfinished"])
async def test_a_body_that_does_not_arrive_times_out(
    server: Server, more: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.http.parameters.BODY_SECONDS", 0.2)
    monkeypatch.setattr("server.http.sending.DROP_SECONDS", 0.2)
    async with await RawClient.connect(server.port) as client:
        client.send(request(PLANS, [TOKEN, JSON, ("Transfer-Encoding", "chunked")], method="POST") + b"2\r\n{}\r\n")
        await Web(server.port).get("/health")  # by now the server waits for the rest
        client.send(more)
        assert (await client.reply()).status == 408
        assert await client.rest() == b""
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_empty_chunked_body_counts_as_no_body(server: Server) -> None:
    ann = Web(server.port, "ann")
    await Web(server.port, "ben").create("of ben")
    async with await RawClient.connect(server.port) as client:
        head = request("/api/rooms/plans/members/u_ben", [TOKEN, ("Transfer-Encoding", "chunked")], method="PUT")
        client.send(head + b"0\r\n\r\n")
        assert (await client.reply()).status == 202
    assert (await ann.json("/api/rooms/plans/members?invited=true"))["count"] == 1


async def test_a_client_that_disconnects_during_its_body_leaves_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        async with await RawClient.connect(server.port) as client:
            client.send(request(PLANS, [TOKEN, JSON, ("Content-Length", "100")], method="POST") + b'{"content":')
            await client.drain()
            await until(lambda: any("RequestHandler" in str(task) for task in asyncio.all_tasks()))
    assert (await Web(server.port, "ann").json(PLANS))["messages"] == []
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.fixture
def no_freed_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every command about a room read it from storage first."""
    monkeypatch.setattr("chat.rooms.freed.ROOMS", 0)


@pytest.mark.usefixtures("no_freed_rooms")
async def test_a_message_is_posted_even_if_the_client_disconnects_before_the_response(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing of the request is left in memory."""
    owner = owner_of(server).chat.parts
    before = owner.counters.acks
    asked, gone = asyncio.Event(), asyncio.Event()
    find_room = owner.storage.rooms.find_room

    async def held(name: str) -> object:
        asked.set()
        await gone.wait()
        return await find_room(name)

    monkeypatch.setattr(owner.storage.rooms, "find_room", held)
    for number in range(20):
        asked.clear()
        gone.clear()
        owner.hub.take_freed("plans")  # so the request loads the room
        async with await RawClient.connect(server.port) as client:
            body = b'{"content":"%d"}' % number
            client.send(request(PLANS, [TOKEN, JSON, ("Content-Length", str(len(body)))], method="POST") + body)
            await asked.wait()
        await until(partial(_is_alone, server))  # by now the server knows that the client is gone
        gone.set()
        await until(partial(_is_done, server))
        assert owner.counters.acks == before + number + 1, "what was asked for is dropped with who asked"
        assert not owner.hub.rooms
    monkeypatch.undo()
    page = await Web(server.port, "ann").json(PLANS)
    assert [message["content"] for message in page["messages"]] == [str(number) for number in range(20)]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def _is_alone(server: Server) -> bool:
    """Return whether no client is connected; a command may still be running."""
    assert server._runner.server is not None
    return all(handler.transport is None for handler in server._runner.server.connections)


def _is_done(server: Server) -> bool:
    """Return whether no command of a disconnected client is running."""
    assert server._runner.server is not None
    return not server._runner.server.connections


async def test_a_thousand_requests_leave_nothing_in_memory(server: Server) -> None:
    ann, nobody = Web(server.port, "ann"), Web(server.port)

    async def some(number: int) -> None:
        for _ in range(10):
            assert (await ann.get(f"/api/rooms/{number}")).status == 404
            assert code(await ann.post(f"/api/rooms/{number}/messages", {"content": "x"})) == "no_such_room"
            assert (await nobody.get(f"/history?r={number}")).json() == []
            assert (await ann.get(PLANS)).status == 200

    await asyncio.gather(*(some(number) for number in range(25)))
    for node in (server, owner_of(server)):
        hub, people = node.chat.parts.hub, node.chat.parts.directory.people
        assert [hub.rooms, hub.ending, people, hub.sessions, hub.loaded] == [{}, {}, {}, {}, {}]
        assert len(node.shared.runner._commands) <= 1


async def test_only_created_rooms_count_toward_the_address_limit(serve: Serve) -> None:
    """A request to a missing room does not create it, however often."""
    server = await serve(ADDRESS_ROOMS="2")
    ann = Web(server.port, "ann")
    for number in range(5):
        assert (await ann.post(f"/api/rooms/nothing{number}/messages", {"content": "x"})).status == 404
    for number in range(2):
        await ann.create(f"room {number}")
    refused = await ann.post("/api/rooms", {"name": "room 2"})
    assert (refused.status, code(refused)) == (429, "too_many_rooms")


async def test_a_missing_storage_response_is_unavailable(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage hangs for longer than a request waits: a named error; a retry with the same id posts one message."""
    server = await serve()
    ann = Web(server.port, "ann")
    await ann.create("plans")
    monkeypatch.setattr("chat.one_shot.ANSWER_SECONDS", 0.2)  # not before: that has to be stored
    parts = owner_of(server).chat.parts
    record = await parts.storage.rooms.find_room("plans")
    assert record is not None
    worker = parts.pool.of(record.room_id)
    write = worker._writer.write
    monkeypatch.setattr(worker._writer, "write", _away)
    for content in ("hello", "refused at once, as it is known by now that nothing is stored"):
        reply = await ann.post(PLANS, {"content": content, "id": "m"})
        assert (reply.status, code(reply)) == (503, "unavailable")
        assert int(reply.headers["retry-after"]) >= 1
    monkeypatch.setattr(worker._writer, "write", write)
    monkeypatch.setattr("chat.one_shot.ANSWER_SECONDS", 10.0)
    await until(lambda: worker.problem is None)
    again = await ann.post(PLANS, {"content": "hello", "id": "m"})
    assert again.status == 201
    page = await ann.json(PLANS)
    assert [(message["content"], message["seq"]) for message in page["messages"]] == [("hello", again.json()["seq"])]


async def _away(batch: object) -> None:
    raise StorageUnavailable("unplugged")
