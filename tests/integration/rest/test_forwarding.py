"""What an edge does when the server with the rooms is lost, changes, or has much to do."""

import asyncio
import io
import logging
from typing import Any

import pytest

from chat.one_shot import CommandRunner
from model.room import FOREVER
from server.app import Server
from server.http import forwarding
from server.logs.formats import TextFormat
from storage.ports.storage import READER
from tests.contract.records import until
from tests.support.accounts import noted
from tests.support.edges import Way, make_edge
from tests.support.page import static
from tests.support.serving import Serve
from tests.support.web import Web, code
from utils.fairness import Party

pytestmark = pytest.mark.one_server("it has edges of its own")

PLANS = "/api/rooms/plans/messages"


@pytest.fixture
async def owner(serve: Serve) -> Server:
    """A server that has a room of ann's."""
    owner = await serve()
    await Web(owner.port, "ann").create("plans")
    return owner


@pytest.fixture
async def edge(serve: Serve, owner: Server) -> Server:
    edge = await serve()
    make_edge(edge, owner)
    return edge


@pytest.fixture
def way(edge: Server) -> Way:
    way = edge.chat.elsewhere
    assert isinstance(way, Way)
    return way


async def contents(server: Server) -> list[str]:
    return [message["content"] for message in (await Web(server.port).json(PLANS))["messages"]]


async def test_without_the_server_that_has_the_rooms_requests_are_unavailable(edge: Server, way: Way) -> None:
    way.owner = None
    ann = Web(edge.port, "ann")
    for reply in (
        await ann.get(PLANS),
        await ann.post(PLANS, {"content": "hello"}),
        await ann.post(PLANS, {"content": "hello", "id": "m-1"}),
        await ann.get("/api/rooms/plans/export"),
        await Web(edge.port).get("/history?r=plans"),
    ):
        assert (reply.status, code(reply)) == (503, "unavailable")
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.json()["error"]["retry_after"] > 0


async def test_what_needs_no_rooms_is_answered_without_them(edge: Server, way: Way) -> None:
    way.owner = None
    for path in ("/health", "/client.html", static("main.js"), "/openapi.json", "/asyncapi.json", "/metrics"):
        assert (await Web(edge.port).get(path)).status == 200, path
    for path in ("/history?limit=0", "/api/rooms?limit=x", "/api/users", "/nothing"):
        assert 400 <= (await Web(edge.port).get(path)).status < 500, path


async def test_a_body_that_is_too_large_is_refused_by_the_edge(edge: Server, way: Way) -> None:
    reply = await Web(edge.port, "ann").post(PLANS, b"x" * 70_000)
    assert (reply.status, way.questions) == (413, [])


async def test_a_lost_read_is_repeated_once(edge: Server, way: Way) -> None:
    way.lost = lambda number: number == 1
    assert (await Web(edge.port).json(PLANS))["messages"] == []
    assert len(way.questions) == 2
    way.lost = lambda number: True
    assert code(await Web(edge.port).get(PLANS)) == "unavailable"
    assert len(way.questions) == 4


@pytest.mark.parametrize(("body", "headers"), [({"id": "m-1"}, {}), ({}, {"Idempotency_Key": "m-1"})])
async def test_a_lost_message_with_an_id_is_repeated_and_stored_once(
    edge: Server, owner: Server, way: Way, body: dict[str, str], headers: dict[str, str]
) -> None:
    way.lost = lambda number: number == 1
    reply = await Web(edge.port, "ann").post(PLANS, {"content": "hello", **body}, **headers)
    assert (reply.status, reply.json()["id"]) == (201, "m-1")
    assert len(way.questions) == 2
    assert await contents(owner) == ["hello"]


async def test_a_lost_change_without_an_id_is_unavailable(edge: Server, owner: Server, way: Way) -> None:
    """It may have been made: the edge cannot know."""
    way.lost = lambda number: True
    ann = Web(edge.port, "ann")
    for reply in (await ann.post(PLANS, {"content": "hello"}), await ann.patch("/api/rooms/plans", {"topic": "x"})):
        assert (reply.status, code(reply)) == (503, "unavailable")
        assert "retry-after" in reply.headers
    assert len(way.questions) == 2
    assert await contents(owner) == ["hello"]


async def test_a_server_that_has_the_rooms_no_longer_runs_nothing(
    edge: Server, owner: Server, way: Way, serve: Serve
) -> None:
    """So every request can be repeated at the next one."""
    following = await serve()
    await Web(following.port, "ann").create("plans")
    make_edge(owner, None)
    ask = way.ask

    async def moving(question: bytes, *, reads: bool = False) -> bytes:
        answer = await ask(question)
        way.owner = following
        return answer

    way.ask = moving  # type: ignore[method-assign]
    assert (await Web(edge.port, "ann").post(PLANS, {"content": "hello"})).status == 201
    assert len(way.questions) == 2
    assert await contents(following) == ["hello"]
    owner.chat.elsewhere = None
    assert await contents(owner) == []


async def test_changes_wait_while_the_rooms_move(owner: Server, serve: Serve) -> None:
    following = await serve()
    await Web(following.port, "ann").create("plans")
    ann = Web(owner.port, "ann")
    owner.chat.hold()
    posting = asyncio.create_task(ann.post(PLANS, {"content": "hello"}))
    assert (await ann.json(PLANS))["messages"] == []
    make_edge(owner, following)
    owner.chat.go_on()
    assert (await posting).status == 201
    assert await contents(following) == ["hello"]
    owner.chat.elsewhere = None
    owner.chat.hold()
    posting = asyncio.create_task(ann.post(PLANS, {"content": "they stay"}))
    await ann.get("/health")
    owner.chat.go_on()
    assert (await posting).status == 201
    assert await contents(owner) == ["they stay"]


async def test_an_accepted_change_is_made_before_the_rooms_move(edge: Server, owner: Server) -> None:
    """They move once it is answered, so it must not wait for that."""
    owner.chat.hold()
    assert (await Web(edge.port, "ann").post(PLANS, {"content": "hello"})).status == 201
    owner.chat.go_on()
    assert await contents(owner) == ["hello"]


async def test_the_rooms_may_move_to_the_edge(edge: Server, way: Way) -> None:
    ask = way.ask

    async def moving(question: bytes, *, reads: bool = False) -> bytes:
        edge.chat.elsewhere = None
        way.owner = None
        return await ask(question)

    way.ask = moving  # type: ignore[method-assign]
    assert (await Web(edge.port).get("/api/rooms/plans")).status == 404  # the edge has no such room
    assert not way.questions


async def test_a_read_during_which_the_rooms_move_is_repeated(
    edge: Server, owner: Server, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, tries = owner.chat.parts.storage.messages.history, 0

    async def moving(*args: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            make_edge(owner, None)
            owner.chat.parts.hub.tenure += 1
        return await history(*args, **named)

    monkeypatch.setattr(owner.chat.parts.storage.messages, "history", moving)
    ask = way.ask

    async def asked(question: bytes, *, reads: bool = False) -> bytes:
        answer = await ask(question)
        owner.chat.elsewhere = None
        return answer

    way.ask = asked  # type: ignore[method-assign]
    assert (await Web(edge.port).get(PLANS)).status == 200
    assert len(way.questions) == 2


async def test_an_edge_waits_for_an_answer_for_a_limited_time(
    edge: Server, owner: Server, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "ANSWER_SECONDS", 0.1)
    never = asyncio.Event()

    async def silent(question: bytes, *, reads: bool = False) -> bytes:
        await never.wait()
        raise AssertionError

    way.ask = silent  # type: ignore[method-assign]
    reply = await Web(edge.port).get(PLANS)
    assert (reply.status, code(reply)) == (503, "unavailable")


async def test_the_rate_of_a_principal_is_counted_where_the_rooms_are(
    serve: Serve, owner: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all edges together."""
    monkeypatch.setattr("chat.one_shot.COMMANDS_BURST", 10)
    monkeypatch.setattr("chat.one_shot.COMMANDS_PER_SECOND", 0.001)
    owner.shared.runner = CommandRunner(owner.chat)
    edges = [await serve(), await serve()]
    for edge in edges:
        make_edge(edge, owner)
    replies = [await Web(edges[number % 2].port, "ben").get(PLANS) for number in range(12)]
    assert [reply.status for reply in replies] == [200] * 10 + [429] * 2
    assert (code(replies[-1]), "retry-after" in replies[-1].headers) == ("rate_limited", True)
    assert (await Web(edges[0].port, "cay").get(PLANS)).status == 200


async def test_reads_take_their_turns_for_the_caller_and_the_address_at_the_edge(
    edge: Server, owner: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_room, readers = owner.chat.parts.storage.rooms.find_room, []

    async def find(name: str) -> Any:
        readers.append(READER.get())
        return await find_room(name)

    monkeypatch.setattr(owner.chat.parts.storage.rooms, "find_room", find)
    await Web(edge.port, "ann").get("/api/rooms/some")
    await Web(edge.port).get("/api/rooms/some")
    assert readers == [Party("u_ann"), Party("127.0.0.1", "")]


async def test_questions_of_an_edge_are_bounded(edge: Server, way: Way) -> None:
    """In total, and for the clients of one address, so that these do not delay an account; reads delay no change."""
    ask, turn = way.ask, asyncio.Event()

    async def held(question: bytes, *, reads: bool = False) -> bytes:
        asking.append(question)
        await turn.wait()
        return await ask(question)

    asking: list[bytes] = []
    way.ask = held  # type: ignore[method-assign]
    guests = [asyncio.create_task(Web(edge.port).get(PLANS)) for _ in range(30)]
    await until(lambda: len(asking) == forwarding.EACH_READS)
    accounts = [asyncio.create_task(Web(edge.port, f"user {number}").get(PLANS)) for number in range(30)]
    await until(lambda: len(asking) == forwarding.AT_ONCE)
    await Web(edge.port).get("/health")
    assert len(asking) == forwarding.AT_ONCE
    change = asyncio.create_task(Web(edge.port, "ann").post(PLANS, {"content": "not behind them"}))
    await until(lambda: len(asking) == forwarding.AT_ONCE + 1)
    turn.set()
    assert (await change).status == 201
    replies = await asyncio.gather(*guests, *accounts)
    assert [reply.status for reply in replies] == [200] * 60
    assert way.most <= forwarding.AT_ONCE + 1


async def test_an_answer_that_is_too_large_is_an_internal_error(
    edge: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forwarding, "ANSWER_BYTES", 50)
    reply = await Web(edge.port).get(PLANS)
    assert (reply.status, code(reply)) == (500, "internal")
    assert "GET /api/rooms/{room}/messages of another server failed" in caplog.text


@pytest.mark.parametrize("question", [b"", b"\x93\xa1x\xc0\x94\xc0\xa0\xa0\x90"])
async def test_a_question_that_cannot_be_read_is_an_internal_error(owner: Server, question: bytes) -> None:
    assert b"internal" in await owner._http.answer(question)


async def test_a_handler_that_fails_is_an_internal_error(
    edge: Server, owner: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(name: str) -> Any:
        raise LookupError(name)

    monkeypatch.setattr(owner.chat.parts.storage.rooms, "find_room", broken)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormat())
    logging.getLogger("server.http.forwarding").addHandler(handler)
    try:
        reply = await Web(edge.port, "ann").get("/api/rooms/some")
    finally:
        logging.getLogger("server.http.forwarding").removeHandler(handler)
    assert (reply.status, code(reply)) == (500, "internal")
    assert "LookupError" in caplog.text
    told = f"[request={reply.headers['x-request-id']} principal=u_ann address=127.0.0.1]"
    assert told in stream.getvalue(), "the owner names the request that the edge has received"


async def test_a_user_who_was_suspended_on_the_way_to_the_rooms_does_nothing(edge: Server, owner: Server) -> None:
    """A request waits at the edge for its turn, and the owner may know more than the edge knew then."""
    ann = Web(edge.port, "ann")
    assert (await ann.post(PLANS, {"content": "before"})).status == 201
    await owner._storage.access.suspend("u_ann", FOREVER, "", noted("suspend"))
    await owner.accounts.follower.catch_up()
    for reply in (await ann.post(PLANS, {"content": "after"}), await ann.get(PLANS)):
        assert (reply.status, code(reply)) == (403, "suspended")
    assert await contents(owner) == ["before"]
