"""The addresses of clients behind real proxies and the PROXY protocol. All of 127.0.0.0/8 is this machine: clients
connect from 127.0.0.7, proxies forward from 127.0.0.1.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from urllib.request import urlopen

import pytest

from server.app import Server
from tests.support.debian import ProgramMissingError
from tests.support.process import poll_until
from tests.support.proxies import FILES, PATH, ProxyProcess, example
from tests.support.rawws import NATIVE, RawClient, Reply, request, upgrade
from tests.support.server import ServerProcess
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("the client's address is determined by the node to which it is connected")

StartProxy = Callable[..., ProxyProcess]
CLIENT = "127.0.0.7"
FORGED = "203.0.113.9"
TRUSTED = {"TRUSTED_PROXIES": "127.0.0.1"}

NGINX, HAPROXY = example("nginx"), example("haproxy")
SEND_PROXY_V2 = HAPROXY.replace("127.0.0.1:8080", "127.0.0.1:8080 send-proxy-v2")
# Behind another proxy: what docs/deploy.md says to change.
CHAINED = NGINX.replace("$remote_addr", "$proxy_add_x_forwarded_for")
BEHIND: dict[str, tuple[str, str, dict[str, str]]] = {
    "nginx": ("nginx", NGINX, TRUSTED),
    "nginx, X-Real-IP": (
        "nginx",
        NGINX.replace('X-Real-IP ""', "X-Real-IP $remote_addr"),
        {**TRUSTED, "FORWARDED_HEADER": "X-Real-IP"},
    ),
    "haproxy": ("haproxy", HAPROXY, TRUSTED),
    "haproxy, Forwarded": (
        "haproxy",
        HAPROXY.replace("del-header Forwarded", "set-header Forwarded for=%[src];proto=http"),
        {**TRUSTED, "FORWARDED_HEADER": "Forwarded"},
    ),
    "haproxy, send-proxy-v2": ("haproxy", SEND_PROXY_V2, {"PROXY_PROTOCOL": "on"}),
    "haproxy, send-proxy": (
        "haproxy",
        SEND_PROXY_V2.replace("send-proxy-v2", "send-proxy"),
        {**TRUSTED, "PROXY_PROTOCOL": "on"},
    ),
    "caddy": ("caddy", example("caddy"), TRUSTED),
}


def addresses(server: Server) -> list[str]:
    """Return the addresses of all connected clients, as the server sees them."""
    return [session.address for session in server.chat.parts.hub.sessions]


async def address_of(
    server: Server, port: int, *said: tuple[str, str], source: str = CLIENT, before: bytes = b""
) -> str:
    """Return the address of a client that connects to `port` with these headers, as the server sees it."""
    async with await RawClient.open(port, "/chat", [*NATIVE, *said], source=source, before=before) as client:
        await client.expect("welcome")
        (address,) = addresses(server)
    while server.chat.parts.hub.sessions:
        await server.shared.connection_gone()
    return address


async def start(start_proxy: StartProxy, name: str, text: str, port: int, **listen: str) -> ProxyProcess:
    """Start a proxy in front of `port`."""
    return await asyncio.to_thread(lambda: start_proxy(name, text, port, **listen))


# --- real proxies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", BEHIND)
async def test_a_client_behind_a_proxy_is_known_by_its_own_address(
    serve: Serve, start_proxy: StartProxy, behind: str
) -> None:
    name, text, settings = BEHIND[behind]
    server = await serve(**settings)
    proxy = await start(start_proxy, name, text, server.port)
    forged = [("X-Forwarded-For", FORGED), ("Forwarded", f"for={FORGED}"), ("X-Real-IP", FORGED)]
    assert await address_of(server, proxy.port) == CLIENT
    assert await address_of(server, proxy.port, *forged) == CLIENT
    assert (
        await address_of(server, proxy.port, ("X-Forwarded-For", "127.0.0.1, unknown"), source="127.0.0.8")
        == "127.0.0.8"
    )


async def test_a_proxy_that_nobody_trusts_is_reported_once(
    serve: Serve, start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the operator learns of it when one client uses up the limits of all."""
    server = await serve()
    proxy = await start(start_proxy, "nginx", NGINX, server.port)
    assert [await address_of(server, proxy.port) for _ in range(3)] == ["127.0.0.1"] * 3
    (said,) = [record.getMessage() for record in caplog.records if record.name == "server.access.addresses"]
    assert said.startswith("requests of 127.0.0.1 have X-Forwarded-For, as of a proxy, and TRUSTED_PROXIES is not set")


async def test_the_client_is_found_behind_a_chain_of_proxies(serve: Serve, start_proxy: StartProxy) -> None:
    server = await serve(**TRUSTED)
    inner = await start(start_proxy, "nginx", CHAINED, server.port)
    outer = await start(start_proxy, "haproxy", HAPROXY, inner.port)
    assert await address_of(server, outer.port, ("X-Forwarded-For", f"{FORGED}, 127.0.0.1")) == CLIENT


async def test_the_client_is_found_behind_a_chain_starting_with_the_proxy_protocol(
    serve: Serve, start_proxy: StartProxy
) -> None:
    """As behind a TCP load balancer: it names the client to nginx, and nginx names it to Parley."""
    server = await serve(**TRUSTED)
    real_ip = "set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;\n" + NGINX
    inner = await start(start_proxy, "nginx", real_ip, server.port, listen=" proxy_protocol")
    outer = await start(start_proxy, "haproxy", SEND_PROXY_V2, inner.port)
    assert await address_of(server, outer.port) == CLIENT


OWN_PAGES = {
    "nginx": ("nginx", NGINX, ""),
    "nginx, below a path": ("nginx", example("nginx", below_a_path=True), PATH),
    "haproxy": ("haproxy", HAPROXY, ""),
    "haproxy, below a path": ("haproxy", example("haproxy", below_a_path=True), PATH),
    "caddy": ("caddy", example("caddy"), ""),
    "caddy, below a path": ("caddy", example("caddy", below_a_path=True), PATH),
}


@pytest.mark.parametrize("behind", OWN_PAGES)
async def test_the_servers_own_page_connects_through_a_proxy_on_any_port(
    serve: Serve, start_proxy: StartProxy, behind: str
) -> None:
    """With its port, which a proxy must pass on; the client also counts by its own address there."""
    name, text, path = OWN_PAGES[behind]
    server = await serve(ALLOWED_ORIGINS="https://app.example", **TRUSTED)
    proxy = await start(start_proxy, name, text, server.port)
    for origin, status in ((proxy.http_url, 101), ("https://app.example", 101), ("http://127.0.0.1", 403)):
        head = upgrade(f"{path}/chat", [*NATIVE, ("Origin", origin)])
        async with await RawClient.connect(proxy.port, CLIENT) as client:
            client.send(head.replace(b"Host: localhost", f"Host: 127.0.0.1:{proxy.port}".encode()))
            assert (await client.reply()).status == status, origin
            if status == 101:
                await client.expect("welcome")
                assert addresses(server) == [CLIENT]
        while server.chat.parts.hub.sessions:
            await server.shared.connection_gone()


@pytest.mark.parametrize("below_a_path", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_proxy_accepts_the_file_without_a_warning(name: str, below_a_path: bool) -> None:
    proxy = ProxyProcess(name, example(name, below_a_path=below_a_path), tls=True)
    try:
        checked = proxy.check()
    except ProgramMissingError as error:
        pytest.fail(str(error), pytrace=False)
    finally:
        proxy.remove()
    assert checked.returncode == 0, checked.stderr
    said = [line for line in checked.stderr.splitlines() if '"listen ... http2" directive is deprecated' not in line]
    assert not re.search(r'\[(WARNING|warn|emerg)\]|"level":"(warn|error)"', "\n".join(said)), said


@pytest.mark.parametrize("name", FILES)
def test_below_a_path_a_file_differs_only_in_what_the_path_takes(name: str) -> None:
    """Every line that forwards is in both files of a proxy."""
    one, other = (
        {line.strip() for line in example(name, below_a_path=below).splitlines() if not re.match(r"\s*(#|$)", line)}
        for below in (False, True)
    )
    of_a_host = re.compile(
        r"Strict-Transport-Security|chat\.example\.com|location |proxy_pass|@internal|@unreached|parley|url_dec"
    )
    assert [line for line in one - other if not of_a_host.search(line)] == []
    of_a_path = re.compile(r"/parley|\$parley_path|example\.org|default /-;|@unreached|frontend web")
    assert [line for line in other - one if not of_a_path.search(line)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "said"), [("haproxy", "Server parley/a is DOWN"), ("caddy", '"status_code":503')])
def test_a_server_that_is_not_ready_still_serves_its_page(
    name: str, said: str, start_server: Callable[..., ServerProcess], start_proxy: StartProxy
) -> None:
    """It is as if the proxy did not ask: a server without its database goes on with what it can do."""
    server = start_server({"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    proxy = start_proxy(name, example(name, below_a_path=True), server.port)
    poll_until(lambda: said in proxy.log_text(), what="the proxy knows that the server is not ready")
    with urlopen(f"{proxy.http_url}{PATH}/client.html") as answer:
        assert answer.status == 200


# --- headers, without a proxy ----------------------------------------------------------------------------------------


async def test_an_untrusted_peer_cannot_name_another_client(serve: Serve) -> None:
    said = [("X-Forwarded-For", FORGED), ("Forwarded", f"for={FORGED}"), ("X-Real-IP", FORGED)]
    for settings in ({}, TRUSTED, {**TRUSTED, "FORWARDED_HEADER": "Forwarded"}):
        server = await serve(**settings)
        assert await address_of(server, server.port, *said) == CLIENT


async def test_an_upgrade_on_a_reused_proxy_connection_has_its_own_client(serve: Serve) -> None:
    server = await serve(**TRUSTED)
    async with await RawClient.connect(server.port) as client:
        client.send(request("/health", [("X-Forwarded-For", "192.0.2.1")]))
        assert (await client.reply()).status == 200
        client.send(upgrade("/chat", [*NATIVE, ("X-Forwarded-For", "192.0.2.2")]))
        assert (await client.reply()).status == 101
        await client.expect("welcome")
        assert addresses(server) == ["192.0.2.2"]


# --- the PROXY protocol ----------------------------------------------------------------------------------------------


V1 = b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x21"
    + struct.pack("!H", 36 + 6)
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2
    + struct.pack("!HH", 4711, 80)
    + b"\x04\x00\x03abc"
)
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


@pytest.mark.parametrize(
    ("header", "address"),
    [(V1, "192.0.2.1"), (V2, "2001:db8::1"), (LOCAL, CLIENT), (b"PROXY UNKNOWN\r\n", CLIENT)],
)
async def test_the_proxy_header_comes_before_the_first_byte(serve: Serve, header: bytes, address: str) -> None:
    server = await serve(PROXY_PROTOCOL="on")
    assert await address_of(server, server.port, before=header) == address
    async with await RawClient.connect(server.port, CLIENT) as client:
        await client.send_bytewise(header + request("/health"))
        assert (await client.reply()).status == 200
        await client.send_bytewise(upgrade("/chat", NATIVE))  # the header belongs to the connection, not the request
        assert (await client.reply()).status == 101
        assert addresses(server) == [address]


async def test_the_address_in_the_proxy_header_may_be_a_trusted_proxy(serve: Serve) -> None:
    server = await serve(PROXY_PROTOCOL="on", TRUSTED_PROXIES="127.0.0.1,192.0.2.1")
    said = ("X-Forwarded-For", "198.51.100.4")
    assert await address_of(server, server.port, said, source="127.0.0.1", before=V1) == "198.51.100.4"
    assert await address_of(server, server.port, said, source="127.0.0.1", before=V2) == "2001:db8::1"


async def refused(port: int, data: bytes, source: str = "127.0.0.1") -> Reply:
    async with await RawClient.connect(port, source) as client:
        client.send(data)
        reply = await client.reply()
        assert await client.rest() == b""
        return reply


async def test_a_connection_without_the_header_is_refused(serve: Serve) -> None:
    server = await serve(PROXY_PROTOCOL="on")
    for data in (request("/health"), upgrade(), b"PROXY TCP4 x\r\n", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"):
        reply = await refused(server.port, data)
        assert reply.status == 400
        assert b"PROXY_PROTOCOL is on" in reply.body


async def test_only_trusted_proxies_may_send_the_header(serve: Serve) -> None:
    server = await serve(PROXY_PROTOCOL="on", **TRUSTED)
    assert await address_of(server, server.port, source="127.0.0.1", before=V1) == "192.0.2.1"
    assert (await refused(server.port, V1 + request("/health"), CLIENT)).status == 400


async def test_the_proxy_header_is_refused_if_the_protocol_is_off(serve: Serve) -> None:
    server = await serve(**TRUSTED)
    assert (await refused(server.port, V1 + request("/health"))).status == 400


async def test_the_proxy_header_shares_the_head_deadline(serve: Serve) -> None:
    server = await serve(PROXY_PROTOCOL="on", HEAD_SECONDS="0.05")
    assert (await refused(server.port, b"PROXY TCP4")).status == 408
    for data in (b"", V1):  # no request has started
        async with await RawClient.connect(server.port) as client:
            client.send(data)
            assert await client.rest() == b""
