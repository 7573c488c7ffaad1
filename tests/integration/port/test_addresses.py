"""The addresses on which the server listens."""

import http.client
import logging

import pytest

from tests.support.process import free_port
from tests.support.server import ServerProcess
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("the addresses on which a node listens")


def status(host: str, port: int) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("host", ["0.0.0.0,::", "127.0.0.1, [::1]"])
def test_one_setting_listens_on_both_families(host: str, loop: str) -> None:
    admin = free_port()
    env = {"HOST": host, "EVENT_LOOP": loop, "ADMIN_HOST": "127.0.0.1,::1", "ADMIN_PORT": str(admin)}
    with ServerProcess(env) as server:
        assert [status(address, server.port) for address in ("127.0.0.1", "::1")] == [200, 200]
        assert [status(address, admin) for address in ("127.0.0.1", "::1")] == [200, 200]
        first, second = host.replace(" ", "").split(",")
        second = second if second.startswith("[") else f"[{second}]"
        server.wait_for_log(rf"listening on http://{first}:{server.port} and http://\{second[:-1]}\]:{server.port},")
        server.wait_for_log(rf"the full /ready on http://127.0.0.1:{admin} and http://\[::1\]:{admin}")


async def test_an_ipv6_address_is_logged_as_an_address(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = await serve(HOST="[::1]")
    assert f"listening on http://[::1]:{server.port}," in caplog.text


async def test_the_address_of_the_page_is_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """It may be another one than those on which the server listens, and pages of those cannot sign in."""
    caplog.set_level(logging.INFO)
    await serve(PUBLIC_URL="http://localhost:8080")
    assert "users open http://localhost:8080/client.html" in caplog.text
