"""Pages are bounded in bytes as sent, whatever the messages hold, and paging returns every message once."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.delivery.paging import FIRST_READ, PAGE_BYTES
from model.limits import REACTIONS, REACTORS
from model.message import Message
from server.app import Server
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.storage import Stored
from tests.contract.records import until
from tests.integration.conftest import ON_BOTH
from tests.support.rawws import NATIVE, RawClient, command, links
from tests.support.serving import Serve, owner_of
from tests.support.web import Web, token_of
from utils.clock import rfc3339

BOMB = "\U0001f4a3"
COUNT = 45
HEAVY = range(10, 16)  # those with the maximum number of reactions
# A page plus its envelope.
MOST = PAGE_BYTES + 1024


async def fill(
    server: Server, name: str, count: int = COUNT, heavy: range = HEAVY, reactor: str = "g_{:012}"
) -> list[int]:
    """Store messages of 4,000 four-byte characters and return their seqs."""
    parts = owner_of(server).chat.parts
    record = await parts.storage.rooms.find_room(name)
    assert record is not None
    parts.hub.take_freed(name)  # its state of the room is older than the messages stored here
    first = parts.clock.now_us() - 1_000_000
    reactions = {f":{number}:": [reactor.format(who) for who in range(REACTORS)] for number in range(REACTIONS)}
    writer = parts.storage.writer()
    try:
        for number in range(COUNT):
            seq = first + number
            content = f"needle {number} ".ljust(4000, BOMB)
            message = Message(name, seq, seq, "ann", "u_ann", content, rfc3339(seq))
            writes: list[Any] = [InsertMessage(record.room_id, message)]
            if number in heavy:
                writes.append(ChangeMessage(record.room_id, seq, seq + 100_000, reactions=reactions))
            assert {type(outcome) for outcome in await writer.write(writes)} == {Stored}
    finally:
        await writer.close()
    return [first + number for number in range(COUNT)]


@pytest.fixture
async def server(storage: dict[str, str], serve: Serve) -> Server:
    """A server with each kind of storage, and a room "plans" of ann's."""
    server = await serve(**storage)
    await Web(server.port, "ann").create("plans")
    return server


@pytest.fixture
async def native(server: Server) -> AsyncIterator[RawClient]:
    """Connect Ann to the room, once it is filled."""
    await fill(server, "plans")
    async with await RawClient.open(
        server.port, "/chat?r=plans", [*NATIVE, ("Authorization", f"Bearer {token_of('ann')}")]
    ) as client:
        await client.expect("joined")
        yield client


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages]


@pytest.mark.parametrize("limit", [500, 7])
@pytest.mark.parametrize("target", ["/history?r=plans", "/api/rooms/plans/messages?room=plans"])
@pytest.mark.parametrize("back", [True, False])
async def test_http_pages_return_every_message_once(server: Server, target: str, back: bool, limit: int) -> None:
    stored = await fill(server, "plans")
    ann = Web(server.port, "ann")
    target = f"{target}&limit={limit}{'' if back else '&after=0'}"
    met: list[int] = []
    while target:
        reply = await ann.get(target)
        assert len(reply.body) <= MOST
        body = reply.json()
        page = seqs(body if isinstance(body, list) else body["messages"])
        assert page
        met = page + met if back else met + page
        beside = links(target, reply)
        assert ("prev" in beside) == (page[0] != stored[0])
        assert ("next" in beside) == (page[-1] != stored[-1])
        target = beside.get("prev" if back else "next", "")
    assert met == stored


@ON_BOTH
@pytest.mark.parametrize("back", [True, False])
async def test_native_pages_return_every_message_once(server: Server, native: RawClient, back: bool) -> None:
    met: list[int] = []
    cursor: dict[str, int] = {} if back else {"after": 0}
    while True:
        native.send(command(type="history", id="q", room="plans", limit=500, **cursor))
        page = await native.expect("history")
        assert len(json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()) <= MOST
        found = seqs(page["messages"])
        met = found + met if back else met + found
        if not page["has_older" if back else "has_newer"]:
            break
        cursor = {"before": found[0]} if back else {"after": found[-1]}
    assert met == sorted(set(met))
    assert len(met) == COUNT


async def test_a_page_around_a_message_includes_it(server: Server, native: RawClient) -> None:
    native.send(command(type="history", id="all", room="plans", limit=500, after=0))
    first = (await native.expect("history"))["messages"][0]["seq"]
    for number in (0, 1, 9, 12, 20, COUNT - 1):
        native.send(command(type="history", id="q", room="plans", limit=100, around=first + number))
        page = await native.expect("history")
        found = seqs(page["messages"])
        assert first + number in found
        assert found == list(range(found[0], found[-1] + 1))
        assert page["has_older"] == (found[0] != first)
        assert page["has_newer"] == (found[-1] != first + COUNT - 1)
        reply = await Web(server.port, "ann").get(f"/api/rooms/plans/messages?limit=100&around={first + number}")
        assert len(reply.body) <= MOST
        assert first + number in seqs(reply.json()["messages"])


@ON_BOTH
@pytest.mark.parametrize("over", ["http", "native"])
async def test_search_pages_return_every_message_once(server: Server, native: RawClient, over: str) -> None:
    met: list[int] = []
    cursor: str | None = None
    while True:
        if over == "http":
            target = "/search?q=needle&limit=500" + (f"&cursor={cursor}" if cursor else "")
            page = await Web(server.port, "ann").json(target)
        else:
            native.send(command(type="search", id="q", q="needle", limit=500, **({"cursor": cursor} if cursor else {})))
            page = await native.expect("search")
        assert len(json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()) <= MOST
        met += seqs(page["messages"])
        cursor = page.get("cursor")
        assert (cursor is not None) == page["has_older"]
        if cursor is None:
            break
    assert met == sorted(set(met), reverse=True)
    assert len(met) == COUNT


@ON_BOTH
async def test_an_export_returns_every_message_once(server: Server) -> None:
    stored = await fill(server, "plans")
    reply = await Web(server.port, "ann").get("/api/rooms/plans/export")
    assert [json.loads(line)["seq"] for line in reply.body.splitlines()] == stored


async def test_a_resume_returns_every_message_once(server: Server) -> None:
    stored = await fill(server, "plans")
    headers = [*NATIVE, ("Authorization", f"Bearer {token_of('ann')}")]
    async with await RawClient.open(server.port, "/chat", headers) as client:
        await client.expect("welcome")
        client.send(command(type="join", room="plans"))
        epoch = (await client.expect("joined"))["epoch"]
        client.send(command(type="leave", room="plans"))
        await client.expect("left")
        client.send(command(type="join", room="plans", since=1, epoch=epoch))
        assert (await client.expect("joined"))["recovered"]
        met = []
        while (event := await client.message())["type"] != "synced":
            met.append(event["seq"])
    assert sorted(met) == stored


async def test_a_page_reads_no_more_than_it_sends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has one of 45 messages with 20,000 reactions each, so storage does not read all of them."""
    await fill(server, "plans", heavy=range(COUNT))
    read, messages = 0, owner_of(server).chat.parts.storage.messages

    def count(method: str) -> None:
        ask = getattr(messages, method)

        async def counted(*args: Any, **named: Any) -> Any:
            nonlocal read
            found = await ask(*args, **named)
            read += len(found)
            return found

        monkeypatch.setattr(messages, method, counted)

    count("history")
    count("search")
    ann = Web(server.port, "ann")
    for target in ("/history?r=plans&limit=500", "/api/rooms/plans/messages?limit=500&after=0"):
        read = 0
        assert len((await ann.get(target)).body) <= MOST
        assert read <= FIRST_READ + 2


async def test_lists_are_bounded_in_bytes(serve: Serve) -> None:
    """For rooms with long topics and users with long names: a part, and where to continue."""
    server = await serve()
    ann = Web(server.port, "ann")
    for number in range(250):
        room = f"{number:03}".ljust(60, BOMB)
        assert (await ann.post("/api/rooms", {"name": room, "topic": BOMB * 500})).status == 201
    for mine in ("", "&mine=true"):
        met: list[str] = []
        target = f"/api/rooms?limit=500{mine}"
        while target:
            reply = await ann.get(target)
            assert len(reply.body) <= MOST
            met += [room["room"] for room in reply.json()["rooms"]]
            target = links(target, reply).get("next", "")
        assert met == sorted(set(met))
        assert len(met) == 250


async def test_a_page_does_not_disconnect_its_reader(server: Server) -> None:
    """Neither with a message that is larger than the send limit, nor with many pages requested at once."""
    await fill(server, "plans", heavy=range(COUNT - 2, COUNT), reactor="u_{:060}")  # 1.3 MB each
    headers = [*NATIVE, ("Authorization", f"Bearer {token_of('ann')}")]
    async with await RawClient.open(server.port, "/chat?r=plans", headers) as client:
        await client.expect("joined")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport
        for number in range(5):
            client.send(command(type="history", id=str(number), room="plans", limit=500))
            client.send(command(type="search", id=f"s{number}", q="needle", limit=500))
        (session,) = server.chat.parts.hub.sessions
        await until(lambda: session.congested)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for number in range(5):
            assert (await client.expect("history"))["id"] == str(number)
            assert (await client.expect("search"))["id"] == f"s{number}"
        assert not session.ended
