"""`ALLOWED_ORIGINS`: which pages may connect, read and write, over HTTP and WebSocket alike."""

import pytest

from server.app import Server
from tests.support.page import static
from tests.support.rawws import RawClient, Reply, fetch, upgrade
from tests.support.serving import Serve
from tests.support.web import SECRET, token_of

pytestmark = pytest.mark.one_server("origins are checked by the node to which the client is connected")

GOOD, EVIL = "https://app.example", "https://evil.example"
PUBLIC = ["/history?r=den", "/api/rooms", "/api/rooms/den", "/openapi.json", "/asyncapi.json", "/history?limit=x"]


async def read(server: Server, path: str, origin: str | None, *more: tuple[str, str]) -> Reply:
    return await fetch(server.port, path, [*(() if origin is None else [("Origin", origin)]), *more])


async def connect(server: Server, origin: str | None, *more: tuple[str, str]) -> int:
    """Return the statuses of a handshake as a connection's first request and as a later one."""
    host = f"Host: localhost:{server.port}".encode()
    head = upgrade("/chat", [*(() if origin is None else [("Origin", origin)]), *more])
    seen = set()
    for later in (False, True):
        async with await RawClient.connect(server.port) as client:
            if later:
                client.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                await client.reply()
            client.send(head.replace(b"Host: localhost", host))
            seen.add((await client.reply()).status)
    (status,) = seen
    return status


async def post(server: Server, origin: str | None, *more: tuple[str, str]) -> int:
    headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {token_of('ann')}"), *more]
    if origin is not None:
        headers.append(("Origin", origin))
    reply = await fetch(server.port, "/api/direct/u_nobody", headers, method="POST", body=b"")
    return reply.status


@pytest.mark.parametrize("path", PUBLIC)
async def test_only_allowed_pages_may_read(serve: Serve, path: str) -> None:
    server = await serve(ALLOWED_ORIGINS=f"https://APP.example:443/, {GOOD}:8443")
    for origin, may in ((GOOD, True), (f"{GOOD}:8443", True), (EVIL, False), ("null", False), (None, False)):
        reply = await read(server, path, origin)
        assert reply.headers.get("access-control-allow-origin") == (origin if may else None)
        assert reply.headers["vary"] == "Origin", "a cache must not give one page's answer to another"
        assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize("path", PUBLIC)
async def test_any_page_may_read_public_data_by_default(serve: Serve, path: str) -> None:
    server = await serve()
    reply = await read(server, path, EVIL)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "vary" not in reply.headers


@pytest.mark.parametrize("allowed", ["*", GOOD])
async def test_other_pages_may_not_read_with_a_token_or_private_data(serve: Serve, allowed: str) -> None:
    server = await serve(ALLOWED_ORIGINS=allowed, JWT_SECRET=SECRET)
    token = ("Authorization", f"Bearer {token_of('ann')}")
    for path in ("/history?r=den", "/api/rooms", "/api/users", "/search?q=x"):
        assert "access-control-allow-origin" not in (await read(server, path, GOOD, token)).headers
    for path in ("/health", "/ready", "/metrics", "/client.html", static("main.js")):
        assert "access-control-allow-origin" not in (await read(server, path, GOOD)).headers


async def test_pages_of_other_origins_cannot_write(serve: Serve) -> None:
    """Whatever their token; programs send no origin."""
    server = await serve(ALLOWED_ORIGINS=GOOD, JWT_SECRET=SECRET)
    assert [await post(server, origin) for origin in (EVIL, "null", f"{GOOD}.evil.example", f"{GOOD}:8443")] == [
        403
    ] * 4
    assert await post(server, GOOD, ("Origin", GOOD)) == 403, "two of them"
    assert [await post(server, origin) for origin in (GOOD, None, "http://localhost")] == [404] * 3
    open_to_all = await serve(JWT_SECRET=SECRET)
    assert await post(open_to_all, EVIL) == 404


async def test_the_servers_own_pages_are_always_allowed(serve: Serve) -> None:
    server = await serve(ALLOWED_ORIGINS=GOOD)
    mine = f"http://localhost:{server.port}"
    assert await connect(server, mine) == 101
    assert await connect(server, GOOD) == 101
    assert await connect(server, None) == 101
    for other in (EVIL, f"https://localhost:{server.port}", "http://localhost", "http://localhost.evil.example"):
        assert await connect(server, other) == 403
    reply = await fetch(server.port, "/api/rooms", [("Origin", "http://localhost")])
    assert reply.headers["access-control-allow-origin"] == "http://localhost"


async def test_behind_a_trusted_proxy_own_pages_are_those_the_proxy_serves(serve: Serve) -> None:
    server = await serve(ALLOWED_ORIGINS=GOOD, TRUSTED_PROXIES="127.0.0.1", FORWARDED_HOST="on")
    forwarded = (
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "Chat.example:443"),
    )
    assert await connect(server, "https://chat.example", *forwarded) == 101
    assert await connect(server, "http://chat.example", *forwarded) == 403
    assert await connect(server, f"http://localhost:{server.port}", *forwarded) == 403
    alone = await serve(ALLOWED_ORIGINS=GOOD)
    assert await connect(alone, "https://chat.example", *forwarded) == 403, "nobody is trusted there"
