"""The configurations for several nodes, run by the real programs: nats-server, haproxy, nginx and Caddy."""

import asyncio
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.app import Server
from server.bus.nats import NatsBus
from tests.contract.records import until
from tests.support.certificates import Authority
from tests.support.marks import slow
from tests.support.nats import NatsServer
from tests.support.process import PATIENCE, ROOT, free_port
from tests.support.proxies import ProxyProcess, example
from tests.support.rawws import NATIVE, RawClient, fetch
from tests.support.serving import started

pytestmark = pytest.mark.one_server("it starts the nodes itself")

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(kind, text) for _, kind, text in FENCE.findall((ROOT / "docs" / "cluster.md").read_text("utf-8"))]
ALONE, THREE = (text for kind, text in BLOCKS if kind == "conf")
CLIENT = "127.0.0.7"
StartProxy = Callable[..., ProxyProcess]


def without_listen(configuration: str) -> str:
    """Leave out the line that the test's server has already."""
    text, count = re.subn(r"^ *listen: 0.0.0.0:4222$", "", configuration, flags=re.MULTILINE)
    assert count == 1
    return text


async def are_connected(urls: list[str], **options: str) -> None:
    """Assert that nodes at these servers hear each other, below parley and nowhere else."""
    heard: list[bytes] = []
    buses = [NatsBus(url.split(","), "parley.test", **options) for url in urls]
    other = NatsBus(urls[0].split(","), "other.test", **options)
    try:
        for number, bus in enumerate((*buses, other)):
            await bus.start(f"n{number}", heard.append, lambda: None)
        await until(lambda: all(bus.up for bus in buses) and "permissions violation" in other.problem)

        def all_heard() -> bool:
            buses[0].send_all(b"x")
            return len(heard) >= len(buses) - 1

        await until(all_heard)
        assert not other.up
    finally:
        for bus in (*buses, other):
            await bus.close()


async def test_a_nats_server_alone() -> None:
    with NatsServer(without_listen(ALONE), login="parley:hush") as server:
        await are_connected([server.url, server.url])


async def test_three_nats_servers_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("IP:127.0.0.1")
    routes = [free_port() for _ in range(3)]
    text = without_listen(THREE).replace("/etc/nats/nats1.pem", str(certificate))
    text = text.replace("/etc/nats/nats1.key", str(key)).replace("/etc/nats/ca.pem", str(authority.file))
    for number, port in enumerate(routes, 1):
        text = text.replace(f"nats{number}.example:6222", f"127.0.0.1:{port}")
    with ExitStack() as stack:
        servers: list[NatsServer] = []
        for number, port in enumerate(routes, 1):
            own = text.replace("server_name: nats1", f"server_name: nats{number}")
            server = NatsServer("", scheme="tls", login="parley:hush")
            own = own.replace("nats1.example:4222", f"127.0.0.1:{server.port}")
            server._configuration = own.replace("0.0.0.0:6222", f"127.0.0.1:{port}")
            stack.callback(server.remove)
            servers.append(server)
            await asyncio.to_thread(server.start)
        assert ".example" not in servers[0]._configuration
        await until(lambda: all(len({one["remote_name"] for one in s.ask("routez")["routes"]}) == 2 for s in servers))
        await are_connected([server.url for server in servers], authorities=str(authority.file))


@pytest.mark.parametrize("name", ["haproxy", "nginx", slow("caddy")])
async def test_a_load_balancer_leaves_a_node_that_stops(
    node_settings: dict[str, str], start_proxy: StartProxy, name: str
) -> None:
    """And names the client to each of them."""
    settings = node_settings | {"TRUSTED_PROXIES": "127.0.0.1", "CLOSE_SECONDS": "1"}
    nodes = [await started(settings | {"NODE_NAME": node}) for node in "ab"]
    proxy = await asyncio.to_thread(lambda: start_proxy(name, example(name), *(node.port for node in nodes)))
    seen: set[int] = set()

    async def visit() -> None:
        async with await RawClient.open(proxy.port, "/chat", NATIVE, source=CLIENT) as client:
            await client.expect("welcome")
            for number, node in enumerate(nodes):
                sessions = [session for session in node.chat.parts.hub.sessions if session.remote is None]
                if sessions:
                    assert [session.address for session in sessions] == [CLIENT]
                    seen.add(number)
        for node in nodes:
            await until(lambda node=node: not node.chat.parts.hub.sessions)  # type: ignore[misc]

    while len(seen) < 2:
        await visit()
    await nodes[0].stop()
    seen.clear()
    for _ in range(4):
        await visit()
    assert seen == {1}
    await nodes[1].stop()


async def test_haproxy_leaves_the_owner_to_its_work(node_settings: dict[str, str], start_proxy: StartProxy) -> None:
    """It gives it no clients as long as there is an edge."""
    settings = node_settings | {"TRUSTED_PROXIES": "127.0.0.1", "CLOSE_SECONDS": "1"}
    owner, edge = [await started(settings | {"NODE_NAME": node}) for node in "ab"]
    text = example("haproxy").replace("GET /ready", "GET /ready?role=edge")
    proxy = await asyncio.to_thread(lambda: start_proxy("haproxy", text, owner.port, edge.port))

    async def ready(node: Server) -> tuple[int, str | None]:
        reply = await fetch(node.port, "/ready?role=edge")
        return reply.status, reply.json().get("reason")

    async def visited() -> Server:
        """The node to which a new client is led."""
        async with await RawClient.open(proxy.port, "/chat", NATIVE) as client:
            await client.expect("welcome")
            found = next(node for node in (owner, edge) if any(s.remote is None for s in node.chat.parts.hub.sessions))
        await until(lambda: not owner.chat.parts.hub.sessions and not edge.chat.parts.hub.sessions)
        return found

    assert (await ready(owner), await ready(edge)) == ((503, "owning"), (200, None))
    assert (await fetch(owner.port, "/ready")).status == 200
    async with asyncio.timeout(PATIENCE):
        while await visited() is not edge:  # noqa: ASYNC110  # it is another program's condition
            await asyncio.sleep(0.02)
    assert [await visited() for _ in range(4)] == [edge] * 4
    await edge.stop()
    async with asyncio.timeout(PATIENCE):
        while await ready(owner) != (200, None) or await visited() is not owner:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.02)
    await owner.stop()
