"""Behind a real proxy with a configuration of docs/deploy, with TLS, as users, strangers and operators see it."""

import asyncio
import json
from collections.abc import Callable
from io import BytesIO

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from playwright.async_api import Page, expect

from tests.browser.chat_page import SECRET, SERVER_AWAY, ChatPage
from tests.browser.conftest import PLAIN, Start
from tests.support.browser import Pages
from tests.support.process import PATIENCE
from tests.support.proxies import FILES, PATH, UNCHECKED, ProxyProcess, example
from tests.support.rawws import NATIVE, RawClient, upgrade
from tests.support.server import ServerProcess
from tests.support.web import token_of

pytestmark = pytest.mark.slow

StartProxy = Callable[..., ProxyProcess]
CLIENT, FORGED = "127.0.0.7", "203.0.113.9"
FORGERIES = {
    "X-Forwarded-For": FORGED,
    "X-Forwarded-Host": FORGED,
    "X-Real-IP": FORGED,
    "Forwarded": f"for={FORGED};host={FORGED}",
    "X-Request-Id": "forged",
}
TOKEN = token_of("olga", secret=SECRET)
SETTINGS = PLAIN | {
    "TRUSTED_PROXIES": "127.0.0.1",
    "LOG_LEVEL": "debug",
    "ACCESS_LOG": "on",
    "MAX_FRAME_BYTES": str(1 << 20),
    "MAX_CONTENT_CHARS": "1000000",
}
# Messages of 1 MB: more than the kernel's buffers on the way take.
LARGE = 40
SPELLINGS = (
    *("/metrics", "/%6detrics", "/metrics?x", "/metrics#x", "/./metrics", "//metrics", "/x/../metrics"),
    *("/ready", "/%72eady?role=edge"),
)


def session(**headers: str) -> ClientSession:
    """Return a client at the address `CLIENT` that forges what it can."""
    connector = TCPConnector(ssl=UNCHECKED, local_addr=(CLIENT, 0))
    timeout = ClientTimeout(total=PATIENCE)
    return ClientSession(connector=connector, timeout=timeout, headers=FORGERIES | headers)


async def raw(proxy: ProxyProcess) -> RawClient:
    """Connect with TLS."""
    opened = await asyncio.open_connection(
        "127.0.0.1", proxy.port, ssl=UNCHECKED, server_hostname="localhost", local_addr=(CLIENT, 0)
    )
    return RawClient(*opened)


async def status(client: ClientSession, url: str) -> int:
    """GET; return the status."""
    async with client.get(url) as reply:
        return reply.status


async def protocols(page: Page) -> set[str]:
    """Return the protocols by which the page and its files came."""
    found: list[str] = await page.evaluate(
        "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind)).map(e => e.nextHopProtocol)"
    )
    return set(found)


async def in_room(new_page: Pages, base: str, name: str) -> ChatPage:
    """Enter the room den."""
    chat = ChatPage(await new_page(f"{base}/client.html?r=den&u={name}", ignore_https_errors=True))
    await chat.connected()
    return chat


@pytest.mark.parametrize("path", ["", PATH])
@pytest.mark.parametrize("name", FILES)
async def test_people_talk_through_a_proxy(
    name: str, path: str, start_server: Start, start_proxy: StartProxy, new_page: Pages
) -> None:
    new_page.expect_error(f"{SERVER_AWAY}|50[234]")
    server = await asyncio.to_thread(start_server, SETTINGS)
    text = example(name, below_a_path=bool(path))
    proxy = await asyncio.to_thread(lambda: start_proxy(name, text, server.port, tls=True))
    base = f"{proxy.http_url}{path}"

    ann, ben = await in_room(new_page, base, "ann"), await in_room(new_page, base, "ben")
    assert await protocols(ann.page) == {"h2"}
    await ann.say("hello")
    await ann.delivered("hello")
    await expect(ben.message("hello")).to_have_count(1)
    if not path:
        await streams(server, base)
    await strangers(server, proxy, path)
    async with session() as visitor:
        plain = f"http://127.0.0.1:{proxy.http_port}{path}/client.html"
        async with visitor.get(plain, headers={"Host": "localhost"}, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (308, f"https://localhost{path}/client.html")
        async with visitor.get(f"{base}/health") as reply:
            assert reply.headers.get("Strict-Transport-Security") == (None if path else "max-age=31536000")
        if path:
            async with visitor.get(base, allow_redirects=False) as reply:
                assert (reply.status, reply.headers["Location"].removeprefix(proxy.http_url)) == (308, f"{path}/")

        server.terminate()
        await asyncio.to_thread(server.wait)
        await expect(ann.status).to_have_text("Reconnecting")
        await ann.say("meanwhile")
        asked = asyncio.create_task(status(visitor, f"{base}/health"))
        if name == "nginx":
            assert await asked == 502
        await asyncio.to_thread(server.start)
        assert await asked == (502 if name == "nginx" else 200), "the others wait for the server"
    for page in (ann, ben):
        await page.try_now()
    await ann.delivered("meanwhile")
    await expect(ben.message("meanwhile")).to_have_count(1)


async def streams(server: ServerProcess, base: str) -> None:
    """Large bodies are taken in, too large ones are refused, and an answer is as slow as its reader."""
    async with session(Authorization=f"Bearer {TOKEN}") as owner:
        async with owner.post(f"{base}/api/rooms", json={"name": "large"}) as reply:
            assert reply.status == 201
        messages = f"{base}/api/rooms/large/messages"
        for _ in range(LARGE):
            async with owner.post(messages, json={"content": "x" * 1_000_000}) as reply:
                assert reply.status == 201
        too_large = BytesIO(json.dumps({"content": "x" * 1_100_000}).encode())
        async with owner.post(messages, data=too_large, headers={"Content-Type": "application/json"}) as reply:
            assert reply.status == 413
        async with owner.get(f"{base}/api/rooms/large/export") as export:
            text = await export.content.readany()
            for _ in range(LARGE):  # meanwhile a proxy that does not wait for the reader could fetch all of it
                assert await status(owner, f"{base}/api/rooms/large") == 200
            assert "/export 200" not in server.log_text()
            text += await export.read()
            assert len(text.splitlines()) == LARGE
        await asyncio.to_thread(server.wait_for_log, "/export 200")


async def strangers(server: ServerProcess, proxy: ProxyProcess, path: str) -> None:
    """What they say of themselves is not believed, and what they are not to see is not shown."""
    host = f"localhost:{proxy.port}".encode()
    offer = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
    async with await raw(proxy) as eve, await RawClient.connect(server.port) as direct:
        said = upgrade(f"{path}/chat?u=eve&r=den", [*NATIVE, offer, *FORGERIES.items()])
        eve.send(said.replace(b"Host: localhost", b"Host: " + host))
        direct.send(upgrade("/chat", [*NATIVE, offer]))
        there, here = await eve.reply(), await direct.reply()
        assert there.status == here.status == 101
        assert there.headers.get("sec-websocket-extensions") == here.headers.get("sec-websocket-extensions")
        await eve.expect("welcome")
    for spelling in SPELLINGS:
        async with await raw(proxy) as eve:
            eve.send(f"GET {path}{spelling} HTTP/1.1\r\n".encode() + b"Host: " + host + b"\r\n\r\n")
            assert (await eve.reply()).status in (400, 404), spelling
    async with await RawClient.connect(proxy.port, CLIENT) as eve:
        eve.send(f"PROXY TCP4 {FORGED} 127.0.0.1 4711 443\r\n".encode() + upgrade(f"{path}/chat"))
        assert not (await eve.rest()).startswith(b"HTTP/1.1 101")
    log = server.log_text()
    assert f"address={CLIENT}" in log
    assert FORGED not in log
    assert "forged" not in log
