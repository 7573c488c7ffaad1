"""``health``: ask a running server whether it is healthy, or ready; for containers and supervisors without curl."""

import http.client
import socket
import sys
from argparse import SUPPRESS, ArgumentTypeError, Namespace

from server.commands.opening import Nouns, add_command
from server.settings.readers import UNIX, number
from server.settings.values import SettingError, Settings

# What to connect to where a server listens on all addresses.
_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def add(nouns: Nouns) -> None:
    """Add the parser."""
    parser = add_command(
        nouns,
        "health",
        "ask a running server with these settings whether it is healthy",
        "Ask the running server with these settings for /health, at ADMIN_PORT if it is set. The exit status is 0 if it"
        " is as asked for, else 1.",
    )
    parser.add_argument(
        "--ready", action="store_true", help="ask for /ready instead: whether messages are accepted and stored"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=5.0, metavar="SECONDS", help="how long to wait for the answer (default: 5)"
    )
    # None would override an option before the command.
    parser.add_argument("--host", default=SUPPRESS, help="address of the server (setting HOST)")
    parser.add_argument("--port", default=SUPPRESS, help="port of the server (setting PORT)")


def _seconds(text: str) -> float:
    try:
        return number(0.01, 3600)(text)
    except ValueError:
        raise ArgumentTypeError("must be a number of seconds above 0") from None


def run_health(settings: Settings, options: Namespace) -> int:
    """Ask, print the answer, and return the exit status: 0 if it is as hoped."""
    path = "/ready" if options.ready else "/health"
    admin = settings.admin_port is not None
    hosts, port = (settings.admin_host, settings.admin_port) if admin else (settings.host, settings.port)
    check_port(hosts, port, "ADMIN_PORT" if admin else "PORT")
    try:
        status, body = ask(
            hosts.split(",")[0], port, path, options.timeout, proxy_header=settings.proxy_protocol and not admin
        )
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from {where(hosts, port)}: {error}", file=sys.stderr)
        return 1
    print(body)
    return 0 if status == http.client.OK else 1


def ask(host: str, port: int, path: str, seconds: float, *, proxy_header: bool = False) -> tuple[int, str]:
    """Ask a server on this machine for a path; return the status and the body.

    Args:
        host: the address on which it listens, which may be that of all addresses, or ``unix:`` and a path.
        port: its port.
        path: what to ask for.
        seconds: time limit of each step.
        proxy_header: begin with a PROXY header, as a proxy does that asks for itself.

    Raises:
        OSError, http.client.HTTPException: there is no answer.
    """
    connection = connection_to(host, port, seconds, proxy_header=proxy_header)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        answer = connection.getresponse()
        return answer.status, answer.read(10_000).decode(errors="replace").strip()
    finally:
        connection.close()


def check_port(hosts: str, port: int, name: str) -> None:
    """Check that a running server with these settings can be found.

    Raises:
        SettingError: its port, the setting ``name``, is 0.
    """
    if not port and not hosts.startswith(UNIX):
        raise SettingError(f"{name} is 0: the server picks a free port, which cannot be known here")


def where(hosts: str, port: int) -> str:
    """Return the place of a server in words."""
    return hosts if hosts.startswith(UNIX) else f"{hosts}, port {port}"


def connection_to(host: str, port: int, seconds: float, *, proxy_header: bool = False) -> http.client.HTTPConnection:
    """Return a connection to a server on this machine, which connects when it is first used. See `ask`."""
    connection = _Connection(_THIS_MACHINE.get(host, host), port, timeout=seconds)
    connection.proxy_header = b"PROXY UNKNOWN\r\n" if proxy_header else b""
    return connection


class _Connection(http.client.HTTPConnection):
    """To an address or a Unix socket, behind a PROXY header if there is one."""

    proxy_header = b""

    def connect(self) -> None:
        if self.host.startswith(UNIX):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.host.removeprefix(UNIX))
        else:
            super().connect()
        self.sock.sendall(self.proxy_header)
