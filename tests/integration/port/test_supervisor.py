"""What systemd passes to a server and hears from it, and Unix sockets: with real proxies and programs of systemd."""

import asyncio
import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.port.test_proxies import CLIENT
from tests.support.debian import fetch
from tests.support.marks import slow
from tests.support.process import (
    ROOT,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)
from tests.support.proxies import ProxyProcess, example
from tests.support.rawws import NATIVE, RawClient
from tests.support.server import ServerProcess
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("a supervisor starts one process")

StartProxy = Callable[..., ProxyProcess]
UNITS = ROOT / "docs" / "deploy" / "systemd"
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SOCKET = "/run/parley/http.sock"
# As systemd does: the socket is descriptor 3, and the variables have the id of the process that begins to run.
PASS_ON = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
    " os.execv(sys.argv[2], sys.argv[2:])"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A path for a Unix socket: those of pytest's folders may be too long."""
    folder = make_temp_folder("socket")
    yield folder / "s"
    remove_temp_folder(folder)


def asked(path: Path) -> int:
    """Ask a Unix socket for /health; return the status."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(path))
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status


# --- Unix sockets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nginx", slow("haproxy"), slow("caddy")])
async def test_a_client_behind_a_proxy_at_a_unix_socket_is_known(
    serve: Serve, start_proxy: StartProxy, place: Path, name: str
) -> None:
    """Without TRUSTED_PROXIES: the mode of the socket says who may forward addresses."""
    (node,) = re.findall(rf"^\| {name} \| `(\S*{SOCKET})` \|$", DEPLOY, re.IGNORECASE | re.MULTILINE)
    server = await serve(HOST=f"unix:{place}")
    assert server.port == 0
    proxy = await asyncio.to_thread(start_proxy, name, example(name), node.replace(SOCKET, str(place)))
    async with await RawClient.open(proxy.port, "/chat?r=den", NATIVE, source=CLIENT) as client:
        await client.expect("joined")
        (session,) = server.chat.parts.hub.sessions
        assert session.address == CLIENT


async def test_a_unix_socket_is_for_its_owner_and_group_and_goes_with_the_server(serve: Serve, place: Path) -> None:
    server = await serve(HOST=f"127.0.0.1,unix:{place}")
    assert stat.S_IMODE(os.lstat(place).st_mode) == 0o660
    assert await asyncio.to_thread(asked, place) == 200
    async with await RawClient.open(server.port, "/chat?r=den", NATIVE) as client:
        await client.expect("joined")
    await server.stop()
    assert not await asyncio.to_thread(place.exists)


def test_what_a_killed_server_left_is_replaced_and_what_is_in_use_is_not(place: Path) -> None:
    def server() -> ServerProcess:
        return ServerProcess({"HOST": f"127.0.0.1,unix:{place}"})

    with server() as first:
        first.kill()
    assert place.is_socket()
    with server():
        assert asked(place) == 200
        assert f"cannot listen on HOST unix:{place}, PORT" in (log := log_of_a_start_that_fails(place))
        assert "Address already in use" in log
        assert asked(place) == 200
    place.unlink()
    place.write_text("precious")
    assert "it exists, and is no socket" in log_of_a_start_that_fails(place)
    assert place.read_text() == "precious"
    assert "no such folder, or it is not writable" in log_of_a_start_that_fails(place.parent / "missing" / "s")


def log_of_a_start_that_fails(path: Path) -> str:
    server = ServerProcess({"HOST": f"unix:{path}"})
    try:
        assert server.spawn().wait() == 1
        return server.log_text()
    finally:
        server.remove()


def test_health_asks_a_unix_socket(place: Path) -> None:
    with ServerProcess({"HOST": f"127.0.0.1,unix:{place}"}):
        environment = {**inherited_environment(), "HOST": f"unix:{place}"}
        command = [sys.executable, str(ROOT / "main.py"), "health"]
        asked = subprocess.run(command, env=environment, cwd=place.parent, capture_output=True, text=True, check=False)
        assert (asked.returncode, asked.stdout) == (0, '{"status": "ok"}\n')
    asked = subprocess.run(command, env=environment, cwd=place.parent, capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert asked.stderr.startswith(f"no answer from unix:{place}: ")


# --- socket activation -----------------------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield listening


def activated(listening: socket.socket, folder: Path) -> "subprocess.Popen[bytes]":
    descriptor = listening.fileno()
    command = [sys.executable, "-c", PASS_ON, str(descriptor), sys.executable, str(ROOT / "main.py")]
    environment = {**inherited_environment(), "PORT": "1"}  # nobody may listen there: it is not used
    return spawn(command, log=folder / "log", env=environment, cwd=folder, descriptors=[descriptor])


def test_no_connection_is_refused_while_a_server_with_a_passed_socket_restarts(
    listening: socket.socket, tmp_path: Path
) -> None:
    """What connects meanwhile waits, and is answered by the next server."""
    port = listening.getsockname()[1]

    def ask() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/health")
        return connection

    waiting = [ask()]
    for _ in range(3):
        server = activated(listening, tmp_path)
        try:
            for connection in waiting:
                assert connection.getresponse().status == 200
                connection.close()
        finally:
            server.terminate()
        assert server.wait(60) == 0
        waiting = [ask() for _ in range(20)]
    for connection in waiting:
        connection.close()
    assert f"listening on http://127.0.0.1:{port}," in (tmp_path / "log").read_text()


def test_systemd_passes_its_socket(tmp_path: Path) -> None:
    """The real program, which begins with the first connection."""
    port = free_port()
    command = [fetch("systemd-socket-activate", "systemd").executable, f"--listen=127.0.0.1:{port}"]
    command += [sys.executable, str(ROOT / "main.py")]
    server = spawn(command, log=tmp_path / "log", env=inherited_environment(), cwd=tmp_path)
    try:
        poll_until(lambda: "Listening on" in (tmp_path / "log").read_text(), what="systemd-socket-activate listens")
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        server.terminate()
    assert server.wait(60) == 0


def test_a_descriptor_that_is_no_listening_socket_is_named(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        server = activated(deaf, tmp_path)
        assert server.wait(60) == 1
    assert "descriptor 3 of LISTEN_FDS is no listening stream socket" in (tmp_path / "log").read_text()


# --- what a server says ----------------------------------------------------------------------------------------------


def test_systemd_hears_that_a_server_is_ready_alive_reloading_and_stopping(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(60)

        def hears(wanted: str) -> str:
            while wanted not in (said := systemd.recv(4096).decode()):
                pass
            return said

        environment = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "600000"}
        with ServerProcess(environment, new=True) as server:
            hears("READY=1")
            hears("STATUS=ready")
            hears("WATCHDOG=1")
            hears("WATCHDOG=1")
            os.kill(server.pid, signal.SIGHUP)
            assert "\nMONOTONIC_USEC=" in hears("RELOADING=1")
            hears("READY=1")
            server.terminate()
            hears("STOPPING=1")
            assert server.wait() == 0


def test_a_supervisor_that_has_gone_changes_nothing(place: Path) -> None:
    with ServerProcess({"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "600000"}, new=True) as server:
        assert server.get_status("/ready") == 200
        server.terminate()
        assert server.wait() == 0


# --- the units -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_units_are_valid_and_confine_the_server(tmp_path: Path) -> None:
    analyze = fetch("systemd-analyze", "systemd").executable
    for unit in UNITS.iterdir():
        text = unit.read_text("utf-8")
        for program in ("/opt/parley/bin/parley", "/usr/local/bin/parley-backup"):
            text = text.replace(program, "/bin/true")
        (tmp_path / unit.name).write_text(text)
    environment = {**inherited_environment(), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    for arguments in (
        ["verify", *sorted(str(unit) for unit in tmp_path.glob("parley*"))],
        ["security", "--offline=true", "--threshold=15", str(tmp_path / "parley.service")],
    ):
        checked = subprocess.run([analyze, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert not checked.stderr.strip()
