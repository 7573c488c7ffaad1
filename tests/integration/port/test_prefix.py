"""Under a path, behind a real proxy: every address that Parley returns resolves correctly."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import quote, urljoin

import pytest
from aiohttp import ClientSession
from yarl import URL

from tests.support.marks import slow
from tests.support.proxies import PATH, ProxyProcess, example
from tests.support.serving import Serve
from tests.support.web import SECRET, token_of

pytestmark = pytest.mark.one_server(
    "what an edge returns is compared in tests/integration/rest/test_edge.py, Location and Link included"
)

ROOM = "a/b #1 ü+%:.."


@pytest.fixture(params=["nginx", "caddy", slow("haproxy")])
async def base(request: pytest.FixtureRequest, serve: Serve) -> AsyncIterator[URL]:
    """The address of Parley under a path."""
    server = await serve(JWT_SECRET=SECRET, RATE_LIMIT_MESSAGES="0")
    proxy = ProxyProcess(request.param, example(request.param, below_a_path=True), server.port)
    await asyncio.to_thread(proxy.start)
    yield URL(f"{proxy.http_url}{PATH}/")
    await asyncio.to_thread(proxy.remove)


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    """A client with an account and a library that resolves and follows links."""
    async with ClientSession(headers={"Authorization": f"Bearer {token_of('ann')}"}, raise_for_status=True) as session:
        yield session


async def test_the_root_redirects_to_the_page_which_finds_its_files(base: URL, client: ClientSession) -> None:
    async with client.get(base.with_query(r="den")) as reply:
        assert reply.url == (base / "client.html").with_query(r="den")
        paths = re.findall(r'(?:href|src)="([^"]+)"', await reply.text())
    assert {path.rpartition("/")[2] for path in paths} >= {"first.js", "first.css", "main.js", "manifest.webmanifest"}
    for path in paths:
        async with client.get(reply.url.join(URL(path))) as file:
            assert file.status == 200


async def test_locations_and_links_resolve(base: URL, client: ClientSession) -> None:
    """Also for a room with a slash in its name, at each depth of path."""
    rooms = base.join(URL("api/rooms"))
    async with client.post(rooms, json={"name": ROOM}) as reply:
        room = URL(urljoin(str(rooms), reply.headers["Location"]), encoded=True)
    async with client.get(room) as reply:
        assert (await reply.json())["room"] == ROOM
    messages = URL(f"{room}/messages", encoded=True)
    message = messages
    for number in range(7):
        async with client.post(messages, json={"content": str(number)}) as reply:
            message = URL(urljoin(str(messages), reply.headers["Location"]), encoded=True)
    async with client.get(message) as reply:
        assert (await reply.json())["content"] == "6"

    history = URL(f"{base}history?r={quote(ROOM, safe='')}&limit=3", encoded=True)
    for first in (history, messages.with_query(limit=3)):
        found: list[str] = []
        target = first
        while True:
            async with client.get(target) as reply:
                page = await reply.json()
                page = page if isinstance(page, list) else page["messages"]
                found = [each["content"] for each in page] + found
                if "prev" not in reply.links:
                    break
                target = URL(reply.links["prev"]["url"])  # resolved by the library
        assert found == [str(number) for number in range(7)]

    for number in range(4):
        async with client.post(rooms, json={"name": f"room {number}"}):
            pass
    names: list[str] = []
    target = rooms.with_query(limit=2)
    while True:
        async with client.get(target) as reply:
            names += [each["room"] for each in (await reply.json())["rooms"]]
            if "next" not in reply.links:
                break
            target = URL(reply.links["next"]["url"])
    assert names == [ROOM, *(f"room {number}" for number in range(4))]


async def test_the_document_names_the_server_under_the_path(base: URL, client: ClientSession) -> None:
    async with client.get(base.join(URL("openapi.json"))) as reply:
        (server,) = (await reply.json())["servers"]
        url = reply.url.join(URL(server["url"]))
    assert url == base
    async with client.get(f"{str(url).rstrip('/')}/health") as reply:
        assert await reply.json() == {"status": "ok"}


async def test_a_websocket_opens_under_the_path(base: URL, client: ClientSession) -> None:
    address = base.join(URL("chat")).with_scheme("ws").with_query(u="ann", r="den")
    async with client.ws_connect(address, protocols=["parley.v1"]) as socket:
        assert json.loads((await socket.receive()).data)["type"] == "welcome"
