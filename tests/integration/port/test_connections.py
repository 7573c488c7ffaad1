"""The limits on connections, and the response to one too many. All of 127.0.0.0/8 is this machine."""

import asyncio
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from server.access.capacity import SPARE
from server.app import Server
from tests.contract.records import until
from tests.support.process import ROOT
from tests.support.rawws import NATIVE, RawClient, Reply, command, request, upgrade
from tests.support.server import ServerProcess
from tests.support.serving import Serve
from tests.support.web import SECRET, token_of

HERE, THERE = "127.0.0.7", "127.0.0.8"
LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


async def ask(port: int, data: bytes, source: str = HERE) -> tuple[Reply, bytes]:
    """Send one request on a new connection that the server ends; return the response, and the bytes after it."""
    async with await RawClient.connect(port, source) as client:
        client.send(data)
        return await client.reply(), await client.rest()


async def nobody_is_left(server: Server) -> None:
    await until(lambda: server.chat.parts.counters.sockets == 0)
    assert server.shared.capacity._by_network == {}


async def test_a_connection_over_the_limit_is_refused_for_any_request(serve: Serve) -> None:
    server = await serve(MAX_CONNECTIONS="4")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(await RawClient.open(server.port, "/chat", NATIVE, source=HERE))
        await stack.enter_async_context(await RawClient.open(server.port, "/ws", source=THERE))
        kept = await stack.enter_async_context(await RawClient.connect(server.port, THERE))
        kept.send(request("/health"))
        assert (await kept.reply()).status == 200
        silent = await stack.enter_async_context(await RawClient.connect(server.port, THERE))
        await until(lambda: server.chat.parts.counters.sockets == 4)
        refused, rest = await ask(server.port, upgrade())
        assert (refused.status, rest) == (503, b"")
        assert int(refused.headers["retry-after"]) > 0
        answered, rest = await ask(server.port, request("/health"))
        assert (answered.status, answered.headers["connection"], rest) == (200, "close", b"")
        kept.send(request("/health"))  # existing connections continue
        assert (await kept.reply()).status == 200
        await first.expect("welcome")
        await first.pong()
        await silent.close()
        await until(lambda: server.chat.parts.counters.sockets == 3)
        async with await RawClient.open(server.port, "/chat", source=HERE):
            pass
    await nobody_is_left(server)


async def test_connections_that_are_being_refused_are_bounded(serve: Serve) -> None:
    server = await serve(MAX_CONNECTIONS="2", MAX_CONNECTIONS_PER_ADDRESS="1000")
    async with AsyncExitStack() as stack:
        crowd = [
            await stack.enter_async_context(await RawClient.connect(server.port, HERE)) for _ in range(2 + SPARE + 10)
        ]
        assert [await client.rest() for client in crowd[2 + SPARE :]] == [b""] * 10
        assert server.chat.parts.counters.sockets == 2 + SPARE
    await nobody_is_left(server)


async def test_connections_per_address_are_limited(serve: Serve) -> None:
    server = await serve(MAX_CONNECTIONS_PER_ADDRESS="2")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(await RawClient.open(server.port, "/chat", source=HERE))
        refused, rest = await ask(server.port, upgrade())
        assert (refused.status, rest) == (429, b"")
        assert int(refused.headers["retry-after"]) > 0
        answered, rest = await ask(server.port, request("/health"))
        assert (answered.status, rest) == (200, b"")
        await stack.enter_async_context(await RawClient.open(server.port, "/chat", source=THERE))
    await nobody_is_left(server)


async def test_behind_a_proxy_connections_count_for_their_clients(serve: Serve) -> None:
    server = await serve(MAX_CONNECTIONS_PER_ADDRESS="2", TRUSTED_PROXIES=HERE)

    async def status(address: str, stack: AsyncExitStack) -> int:
        client = await stack.enter_async_context(await RawClient.connect(server.port, HERE))
        client.send(request("/health"))  # on a connection that the proxy keeps
        assert (await client.reply()).status == 200
        client.send(upgrade("/chat", [("X-Forwarded-For", address)]))
        return (await client.reply()).status

    async with AsyncExitStack() as stack:
        assert [await status("2001:db8::1", stack) for _ in range(2)] == [101, 101]
        assert await status("2001:db8::2", stack) == 429
        assert await status("192.0.2.1", stack) == 101
    await nobody_is_left(server)


async def test_with_the_proxy_protocol_connections_count_for_their_clients(serve: Serve) -> None:
    server = await serve(MAX_CONNECTIONS_PER_ADDRESS="1", PROXY_PROTOCOL="on")
    one, other = b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n", b"PROXY TCP4 192.0.2.2 127.0.0.1 1 2\r\n"
    async with await RawClient.open(server.port, before=one), await RawClient.open(server.port, before=other):
        assert (await ask(server.port, one + upgrade()))[0].status == 429
    await nobody_is_left(server)


async def test_one_principal_has_a_limited_number_of_connections(serve: Serve) -> None:
    server = await serve(MAX_CONNECTIONS_PER_PRINCIPAL="2", JWT_SECRET=SECRET)
    authorized = ("Authorization", f"Bearer {token_of('ann')}")
    async with AsyncExitStack() as stack:

        async def client(path: str = "/chat", *headers: tuple[str, str]) -> RawClient:
            return await stack.enter_async_context(await RawClient.open(server.port, path, headers))

        for _ in range(2):
            await (await client("/chat", *NATIVE, authorized)).expect("welcome")
        third = await client("/chat", *NATIVE, authorized)
        await third.refused("too_many_connections")
        assert await third.closing() == (1013, "try again later")
        events = await client("/api/chat?room=x", authorized)
        assert await events.closing() == (1013, "try again later")
        guest = await client("/chat", *NATIVE)
        token = (await guest.expect("welcome"))["token"]
        guest.send(command(type="hello", id="h", token=token_of("ann")))
        await guest.refused("too_many_connections", id="h")
        await guest.pong()  # the guest is still the same
        for accepted in (True, False):
            again = await client("/chat", *NATIVE)
            await again.expect("welcome")
            again.send(command(type="hello", id="h", token=token))
            await (again.expect("welcome", id="h") if accepted else again.refused("too_many_connections", id="h"))
    await nobody_is_left(server)


# --- out of descriptors ----------------------------------------------------------------------------------------------

FEW = 80
STARTER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({few}, {few}))
sys.path.insert(0, {root!r})
from main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("loop", LOOPS)
async def test_without_descriptors_the_listener_pauses_and_logs_it_once(loop: str, tmp_path: Path) -> None:

    starter = tmp_path / "starter.py"
    starter.write_text(STARTER.format(few=FEW, root=str(ROOT)))
    settings = {"EVENT_LOOP": loop, "MAX_CONNECTIONS": "1000", "HEAD_SECONDS": "60"}
    async with ServerProcess(settings, main=starter) as server, AsyncExitStack() as stack:
        client = await stack.enter_async_context(await RawClient.native(server.port))
        crowd = AsyncExitStack()
        for _ in range(2 * FEW):
            await crowd.enter_async_context(await RawClient.connect(server.port))
        await asyncio.to_thread(server.wait_for_log, "accepting no new connections for 1 s")
        for _ in range(20):
            await client.pong()
        await crowd.aclose()
        late = await stack.enter_async_context(await RawClient.native(server.port))
        await late.pong()
        samples = (await ask_metrics(server.port)).decode()
        pauses = float(samples.split("\nparley_accept_pauses_total ")[1].split()[0])
        assert pauses >= 1
        log = await asyncio.to_thread(server.log_text)
    assert log.count("accepting no new connections") == 1
    assert "Traceback" not in log
    assert len(log.splitlines()) < 20, log


async def ask_metrics(port: int) -> bytes:
    async with await RawClient.connect(port) as client:
        client.send(request("/metrics"))
        return (await client.reply()).body
