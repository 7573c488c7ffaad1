"""`/api/rooms/{room}/export`: all messages, as fast as they are read, and visibly aborted if it cannot continue."""

import asyncio
import json
import socket
from typing import Any

import pytest

from chat.one_shot import CommandRunner
from model.room import FOREVER
from server.app import Server
from server.http import parts, sending
from storage.ports.errors import StorageUnavailable
from tests.contract.records import until
from tests.integration.conftest import ON_BOTH
from tests.support.accounts import noted
from tests.support.client import Client
from tests.support.edges import Way, make_edge
from tests.support.process import PATIENCE
from tests.support.rawws import RawClient, request
from tests.support.serving import Serve, owner_of
from tests.support.signed import now_us
from tests.support.web import Web, code

EXPORT = "/api/rooms/plans/export"


async def talk(ann: Web, count: int, size: int = 0) -> list[str]:
    """Post many messages to "plans" quickly, and return them."""
    contents = [f"message {number} ".ljust(size, "x") for number in range(count)]
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=ann.token) as client:
        for number, content in enumerate(contents):
            await client.say(content, id=str(number), room="plans")
        unanswered = count
        while unanswered > 0:  # each ack has its own deadline
            unanswered -= len((await client.expect("ack"))["ids"])
    return contents


def lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


def send_little(server: Server) -> None:
    """Limit the kernel's send buffer on the server's side to a few kilobytes; by default it would take megabytes."""
    assert server._listener is not None
    for listener in server._listener.sockets:  # connections inherit it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)


async def begun(who: Web) -> RawClient:
    """Begin an export, and read only its head."""
    client = await RawClient.connect(who.port)
    client.patience = PATIENCE
    client.send(request(EXPORT, [("Authorization", f"Bearer {who.token}")]))
    assert (await client.reply(head_only=True)).status == 200
    return client


def under_way() -> int:
    """Return how many requests over HTTP the servers of this event loop are answering."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return sum(getattr(coro, "__qualname__", "") == "RequestHandler._handle_request" for coro in coroutines)


@pytest.fixture
async def server(storage: dict[str, str], serve: Serve) -> Server:
    """A server with each kind of storage, and a room "plans" of ann's."""
    server = await serve(MEMORY_MESSAGES="100000", **storage)
    await Web(server.port, "ann").create("plans")
    return server


@ON_BOTH
async def test_an_export_is_ordered_oldest_first(server: Server) -> None:
    ann = Web(server.port, "ann")
    contents = await talk(ann, 3000)
    reply = await ann.get(EXPORT)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["transfer-encoding"] == "chunked"
    messages = lines(reply.body)
    assert [message["content"] for message in messages] == contents
    page = await ann.json("/api/rooms/plans/messages?limit=500")
    assert messages[-500:] == page["messages"]


async def test_an_export_includes_changed_and_deleted_messages(server: Server) -> None:
    ann = Web(server.port, "ann")
    first, second = await ann.say("plans", "first"), await ann.say("plans", "second")
    await ann.patch(f"/api/rooms/plans/messages/{first}", {"content": "edited"})
    await ann.delete(f"/api/rooms/plans/messages/{second}")
    edited, deleted = lines((await ann.get(EXPORT)).body)
    assert (edited["content"], "edited_at" in edited) == ("edited", True)
    assert (deleted["content"], "deleted_at" in deleted) == ("second", True)
    whole = await ann.json("/api/rooms/plans/messages?include_deleted=true")
    assert [edited, deleted] == whole["messages"]


async def test_an_empty_room_is_an_empty_file(server: Server) -> None:
    reply = await Web(server.port, "ann").get(EXPORT)
    assert (reply.status, reply.body) == (200, b"")


async def test_head_returns_the_headers_of_the_export(server: Server) -> None:
    ann = Web(server.port, "ann")
    await talk(ann, 10)
    reply = await ann.ask("HEAD", EXPORT)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-ndjson")
    assert code(await Web(server.port, "ben").get(EXPORT)) == "forbidden"


async def test_an_export_waits_for_a_reader_that_pauses(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes queued for it are bounded by the sockets' buffers, not by the room."""
    monkeypatch.setattr("chat.queries.history.EXPORT_PAGE", 50)
    ann = Web(server.port, "ann")
    contents = await talk(ann, 2000, size=2000)
    send_little(server)
    history, calls = owner_of(server).chat.parts.storage.messages.history, 0

    async def counted(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return await history(*args, **named)

    monkeypatch.setattr(owner_of(server).chat.parts.storage.messages, "history", counted)
    async with await begun(ann) as client:
        for _ in range(50):
            assert (await ann.get("/health")).status == 200
        assert calls < 30  # of forty: four megabytes do not fit
        body = b"".join([chunk async for chunk in client.chunks()])
    assert calls == 41
    assert [message["content"] for message in lines(body)] == contents


async def test_a_storage_failure_aborts_the_export(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Web(server.port, "ann")
    await talk(ann, 1500)
    _fail_after(server, monkeypatch, 1)
    async with await begun(ann) as client:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            async for _ in client.chunks():
                pass
    monkeypatch.undo()
    assert len(lines((await ann.get(EXPORT)).body)) == 1500


async def test_a_request_of_http_1_0_is_refused(server: Server) -> None:
    """An HTTP/1.0 body ends with its connection, so a truncated one would look complete."""
    ann = Web(server.port, "ann")
    await talk(ann, 1)
    async with await RawClient.connect(server.port) as client:
        client.send(request(EXPORT, [("Authorization", f"Bearer {ann.token}")], version="HTTP/1.0"))
        assert (await client.reply()).status == 505


def _fail_after(server: Server, monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    history = owner_of(server).chat.parts.storage.messages.history
    left = pages

    async def failing(*args: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise StorageUnavailable("unplugged")
        return await history(*args, **named)

    monkeypatch.setattr(owner_of(server).chat.parts.storage.messages, "history", failing)


async def test_a_former_moderator_gets_no_more_of_the_export(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, ben = Web(server.port, "ann"), Web(server.port, "ben")
    await ben.create("of ben")
    await Web(ann.port, "root", "admin").put("/api/rooms/plans/members/u_ben")
    await ann.put("/api/rooms/plans/members/u_ben", {"role": "moderator"})
    await talk(ann, 1500)
    history = owner_of(server).chat.parts.storage.messages.history

    async def meanwhile(*args: Any, **named: Any) -> Any:
        page = await history(*args, **named)
        if not named["after"]:
            return page  # the first one
        monkeypatch.undo()
        assert (await ann.put("/api/rooms/plans/members/u_ben", {"role": "member"})).status == 204
        return page

    monkeypatch.setattr(owner_of(server).chat.parts.storage.messages, "history", meanwhile)
    async with await begun(ben) as client:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            async for _ in client.chunks():
                pass


async def test_a_suspended_user_gets_no_more_of_the_export(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.queries.history.EXPORT_PAGE", 50)
    ann = Web(server.port, "ann")
    await talk(ann, 200)
    history = owner_of(server).chat.parts.storage.messages.history

    async def meanwhile(*args: Any, **named: Any) -> Any:
        page = await history(*args, **named)
        if named["after"]:  # not the first one
            monkeypatch.undo()
            await server.accounts.storage.access.suspend("u_ann", FOREVER, "", noted("suspend", at=now_us()))
            await server.accounts.follower.catch_up()
        return page

    monkeypatch.setattr(owner_of(server).chat.parts.storage.messages, "history", meanwhile)
    async with await begun(ann) as client:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            async for _ in client.chunks():
                pass


async def test_a_client_that_does_not_read_its_export_is_disconnected(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sending, "STALL_SECONDS", 0.2)
    ann = Web(server.port, "ann")
    await talk(ann, 1000, size=4000)
    send_little(server)
    async with await RawClient.connect(server.port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport
        client.send(request(EXPORT, [("Authorization", f"Bearer {ann.token}")]))
        await until(lambda: "stopped reading" in caplog.text)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]


async def test_concurrent_downloads_are_limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per user, and in total; finished ones do not count."""
    monkeypatch.setattr(parts, "EXPORTS", 3)
    ann, ben = Web(server.port, "ann"), Web(server.port, "ben")
    await talk(ann, 1000, size=4000)
    await ben.create("others")
    for _ in range(parts.EXPORTS_EACH + 1):
        assert (await ann.get(EXPORT)).status == 200
    send_little(server)
    clients = [await begun(ann) for _ in range(parts.EXPORTS_EACH)]
    refused = await ann.get(EXPORT)
    assert (refused.status, code(refused)) == (503, "overloaded")
    assert refused.headers["retry-after"] == "10"
    assert (await ben.get("/api/rooms/others/export")).status == 200
    monkeypatch.setattr(parts, "EXPORTS", 2)
    assert (await ben.get("/api/rooms/others/export")).status == 503
    await until(lambda: under_way() == len(clients))
    for client in clients:
        await client.close()
    await until(lambda: not under_way())

    async def again() -> bool:
        return (await ann.get(EXPORT)).status == 200

    while not await again():
        pass


async def test_downloads_of_the_guests_of_one_address_are_limited(storage: dict[str, str], serve: Serve) -> None:
    """A new guest identity costs nothing, and each could run two exports at a time."""
    server = await serve(MEMORY_MESSAGES="100000", GUEST_ROLE="moderator", **storage)
    ann = Web(server.port, "ann")
    await ann.create("plans")
    await talk(ann, 1000, size=4000)
    tokens = []
    for number in range(3):
        async with Client(f"ws://127.0.0.1:{server.port}", f"guest {number}", "plans") as guest:
            tokens.append(guest.token)
    send_little(server)
    clients, statuses = [], []
    for token in tokens:
        for _ in range(parts.EXPORTS_EACH):
            client = await RawClient.connect(server.port)
            client.send(request(EXPORT, [("Authorization", f"Bearer {token}")]))
            statuses.append((await client.reply(head_only=True)).status)
            clients.append(client)
    assert statuses == [200] * parts.GUEST_EXPORTS + [503] * 2
    assert (await ann.get(EXPORT)).status == 200
    for client in clients:
        await client.close()


async def test_a_stopping_server_aborts_the_export(serve: Serve) -> None:
    server = await serve()
    ann = Web(server.port, "ann")
    await ann.create("plans")
    await talk(ann, 1000, size=4000)
    send_little(server)
    async with await begun(ann) as client:
        await server.stop()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            async for _ in client.chunks():
                pass


async def test_a_client_that_disconnects_ends_the_download(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    ann = Web(server.port, "ann")
    await talk(ann, 1000, size=4000)
    send_little(server)
    async with await begun(ann):
        await until(lambda: under_way() == 1)
    await until(lambda: not under_way())
    assert (await ann.get("/health")).status == 200
    assert "Traceback" not in caplog.text


# --- through a server without rooms ----------------------------------------------------------------------------------


@pytest.fixture
async def edge(serve: Serve, server: Server) -> Server:
    """A server whose requests about rooms go to ``server``."""
    edge = await serve()
    make_edge(edge, server)
    return edge


def way_of(edge: Server) -> Way:
    way = edge.chat.elsewhere
    assert isinstance(way, Way)
    return way


@pytest.mark.one_server("it has an edge of its own")
async def test_an_edge_exports_page_by_page(server: Server, edge: Server) -> None:
    ann = Web(server.port, "ann")
    await talk(ann, 1000, size=2000)
    direct = await ann.get(EXPORT)
    reply = await Web(edge.port, "ann").get(EXPORT)
    assert (reply.status, reply.body) == (200, direct.body)
    assert len(lines(reply.body)) == 1000
    answers = way_of(edge).answers
    assert len(answers) > 4
    assert max(map(len, answers)) < 600 << 10


@pytest.mark.one_server("it has an edge of its own")
async def test_an_edge_asks_for_no_page_before_its_reader_has_the_last(server: Server, edge: Server) -> None:
    """So nothing waits at the server that has the rooms."""
    ann = Web(edge.port, "ann")
    await talk(Web(server.port, "ann"), 1000, size=4000)
    send_little(edge)
    answers = way_of(edge).answers
    async with await begun(ann) as client:
        for _ in range(50):
            assert (await ann.get("/health")).status == 200
        assert len(answers) < 4  # of nine: four megabytes do not fit
        body = b"".join([chunk async for chunk in client.chunks()])
    assert len(answers) == 9
    assert len(lines(body)) == 1000


@pytest.mark.one_server("it has an edge of its own")
async def test_head_asks_for_the_first_page_only(server: Server, edge: Server) -> None:
    await talk(Web(server.port, "ann"), 1000, size=2000)
    reply = await Web(edge.port, "ann").ask("HEAD", EXPORT)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-ndjson")
    assert len(way_of(edge).answers) == 1


@pytest.mark.one_server("it has an edge of its own")
@pytest.mark.parametrize("fault", ["the storage fails", "the server with the rooms is lost"])
async def test_an_edge_aborts_an_export_that_cannot_continue(
    server: Server, edge: Server, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ann = Web(edge.port, "ann")
    await talk(Web(server.port, "ann"), 1500)
    way = way_of(edge)
    if fault == "the storage fails":
        _fail_after(server, monkeypatch, 2)
    else:
        way.lost = lambda number: number > 2
    async with await begun(ann) as client:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            async for _ in client.chunks():
                pass
    assert "was cut off: unavailable" in caplog.text
    monkeypatch.undo()
    way.lost = lambda number: False
    assert len(lines((await ann.get(EXPORT)).body)) == 1500


@pytest.mark.one_server("it has an edge of its own")
async def test_an_export_continues_at_the_next_server_that_has_the_rooms(
    server: Server, edge: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost page is asked for once more. All pages together count as one request."""
    monkeypatch.setattr("chat.queries.history.EXPORT_PAGE", 100)
    contents = await talk(Web(server.port, "ann"), 1000)
    monkeypatch.setattr("chat.one_shot.COMMANDS_BURST", 3)
    server.shared.runner = edge.shared.runner = CommandRunner(server.chat)
    way = way_of(edge)
    way.lost = lambda number: number % 2 == 0
    reply = await Web(edge.port, "ann").get(EXPORT)
    assert [message["content"] for message in lines(reply.body)] == contents


@pytest.mark.one_server("it has an edge of its own")
async def test_downloads_of_an_edge_are_limited_there(server: Server, edge: Server) -> None:
    await talk(Web(server.port, "ann"), 1000, size=4000)
    send_little(edge)
    ann = Web(edge.port, "ann")
    clients = [await begun(ann) for _ in range(parts.EXPORTS_EACH)]
    refused = await ann.get(EXPORT)
    assert (refused.status, code(refused)) == (503, "overloaded")
    for client in clients:
        await client.close()
