"""Try what a server does when it starts: listen, and connect to NATS and to the mail server."""

import asyncio
import contextlib
import errno
import http.client
import os
from typing import TYPE_CHECKING, NamedTuple

from chat.link.bus import LEAST_BYTES
from server.commands.health import ask
from server.settings.readers import UNIX
from server.settings.values import Settings
from server.wire.listener import bound, is_left

if TYPE_CHECKING:
    from server.bus.nats import NatsBus

SECONDS = 5.0
# How long NATS has after a first problem: another server of the cluster may accept the connection.
MORE_SECONDS = 1.5
# Time limit for what listens on a port to say whether it is Parley.
ASK_SECONDS = 2.0
_INSTALLATION_BYTES = 16
_NODE_BYTES = 8


class Listening(NamedTuple):
    """Whether a server could listen on an address.

    Attributes:
        address: for an operator: ``HOST 127.0.0.1, PORT 8080``.
        port: 0 if the server picks one.
        problem: why it could not; empty if it could.
        parley: the reason is that a Parley listens there, as far as is known.
    """

    address: str
    port: int
    problem: str = ""
    parley: bool = False


async def probe_listening(settings: Settings) -> list[Listening]:
    """Bind each address, as a start does, and free it again. Nobody can connect meanwhile."""
    found = [await _probe_port(settings, "")]
    if settings.admin_port is not None:
        found.append(await _probe_port(settings, "ADMIN_"))
    return found


async def _probe_port(settings: Settings, prefix: str) -> Listening:
    hosts, port = (settings.admin_host, settings.admin_port) if prefix else (settings.host, settings.port)
    address = f"{prefix}HOST {hosts}, {prefix}PORT {port}"
    try:
        for host in hosts.split(","):
            if host.startswith(UNIX):
                is_left(host.removeprefix(UNIX))
        with contextlib.ExitStack() as opened:
            async for each in bound([host for host in hosts.split(",") if not host.startswith(UNIX)], port):
                opened.enter_context(each)
    except OSError as error:
        problem = error.strerror or str(error)
        taken = error.errno == errno.EADDRINUSE
        proxied = settings.proxy_protocol and not prefix
        is_parley = taken and any([await _is_parley(host, port, proxied=proxied) for host in hosts.split(",")])
        return Listening(address, port, problem.lower(), is_parley)
    return Listening(address, port)


async def _is_parley(host: str, port: int, *, proxied: bool) -> bool:
    """Return whether what listens on a port answers as a Parley does. With the PROXY protocol, one may not trust us."""
    try:
        status, body = await asyncio.to_thread(ask, host, port, "/health", ASK_SECONDS, proxy_header=proxied)
    except (OSError, http.client.HTTPException):
        return False
    return status == http.client.OK and '"status": "ok"' in body


async def probe_bus(settings: Settings, installation: bytes | None) -> tuple[str, str]:
    """Connect to NATS and use the subjects of a node, which no other node hears.

    Args:
        settings: with ``NATS_URL``.
        installation: what the subjects contain; None if the database has none yet.

    Returns:
        what is wrong, empty if nothing is; and the name of the NATS server.
    """
    from server.bus.nats import NatsBus  # only a server with NATS_URL needs the client

    bus = NatsBus(
        settings.nats_url,
        f"{settings.nats_prefix}.{(installation or os.urandom(_INSTALLATION_BYTES)).hex()}",
        name="parley check",
        credentials=settings.nats_creds,
        authorities=settings.nats_ca,
    )
    up = asyncio.Event()
    await bus.start(os.urandom(_NODE_BYTES).hex(), lambda data: None, up.set)
    try:
        problem = "" if await _comes_up(bus, up) else bus.problem or f"{bus.server} does not answer"
        if problem and bus.max_bytes < LEAST_BYTES:
            problem = (
                f"{bus.server} carries at most {bus.max_bytes} bytes in one message, and at least {LEAST_BYTES} are"
                " needed: raise max_payload"
            )
    finally:
        await bus.close()
    return problem, bus.server


async def _comes_up(bus: "NatsBus", up: asyncio.Event) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS
    while loop.time() < until and not up.is_set():
        if bus.problem or bus.max_bytes < LEAST_BYTES:
            until = min(until, loop.time() + MORE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await up.wait()
    return up.is_set()


async def probe_mail(settings: Settings) -> str:
    """Log in to the mail server and name the sender. Return what is wrong, empty if nothing is."""
    from server.accounts.mail import MailProblem, try_mail

    try:
        await try_mail(settings.smtp_url, settings.mail_from, SECONDS)
    except MailProblem as problem:
        return str(problem)
    return ""
