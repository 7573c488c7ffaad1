"""``check``: what would happen if a server started with these settings."""

import argparse
import asyncio
import logging
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

from server.commands.opening import Nouns, add_command
from server.commands.output import Output
from server.commands.probes import Listening, probe_bus, probe_listening, probe_mail
from server.settings.values import Settings
from storage.factory import inspect_storage
from storage.ports.errors import StorageUnavailable
from storage.ports.inspection import Inspection
from utils.clock import SystemClock
from utils.version import installed_version
from utils.wording import counted

Level = Literal["ok", "warning", "error"]
_WORST: tuple[Level, ...] = ("ok", "warning", "error")
# Connections to PostgreSQL besides those of the workers: of the lease, of work in the background, for reads, for
# accounts (docs/storage.md).
_CONNECTIONS = 1 + 3 + 4 + 2
# Seconds by which the clocks of this machine and of the database may differ: more than an answer takes.
_CLOCK_SECONDS = 10


class Finding(NamedTuple):
    """One line of the answer: what it is about, whether that is good, and a sentence for an operator."""

    part: str
    result: Level
    text: str


def add(nouns: Nouns) -> argparse.ArgumentParser:
    """Add the parser."""
    parser = add_command(
        nouns,
        "check",
        "say what would happen if a server started with these settings",
        "Check the settings, the addresses to listen on, the database, NATS and the mail server, and say what would"
        " happen if a server started now. Nothing is changed, and servers may run. The exit status is 0 if nothing is"
        " wrong, 1 if something is, 2 if settings are invalid.",
        json=True,
    )
    parser.add_argument("--offline", action="store_true", help="check the settings alone, and connect to nothing")
    return parser


def run_check(settings: Settings, options: argparse.Namespace) -> int:
    """Print what was found, and return the exit status."""
    # Libraries log what is reported here in words.
    logging.getLogger().addHandler(logging.NullHandler())
    findings = [_program(settings), *_settings(settings)]
    if not options.offline:
        found, waits = asyncio.run(_connect(settings))
        findings += found
        findings.append(_conclusion(findings, waits=waits))
    Output(json=options.json).rows(("part", "result", "text"), [finding._asdict() for finding in findings])
    return int(any(finding.result == "error" for finding in findings))


def _program(settings: Settings) -> Finding:
    loop = "asyncio"
    if settings.event_loop != "asyncio":
        try:
            loop = f"uvloop {version('uvloop')}"
        except PackageNotFoundError:
            pass
    return Finding(
        "program", "ok", f"parley {installed_version()}, Python {platform.python_version()}, event loop {loop}"
    )


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding("settings", "ok", "the settings are valid")
    for oddity in settings.oddities():
        yield Finding("settings", "warning", oddity)


async def _connect(settings: Settings) -> tuple[list[Finding], bool]:
    """Return what was found, and whether a server would wait until another one stops."""
    ports = await probe_listening(settings)
    findings = [Finding("listen", *_listening(port)) for port in ports]
    waits = any(port.parley for port in ports)
    installation = None
    if not settings.database_url:
        findings.append(Finding("database", "ok", "none: messages are kept in memory until the server stops"))
    else:
        try:
            found = await inspect_storage(settings.database_url)
        except StorageUnavailable as error:
            findings.append(Finding("database", "error", str(error)))
        else:
            installation = found.installation
            waits |= bool(found.writer) and not found.writer_is_node
            findings += [Finding("database", *said) for said in _database(settings, found)]
    if settings.nats_url:
        problem, server = await probe_bus(settings, installation)
        findings.append(Finding("bus", "error" if problem else "ok", problem or server))
    if settings.smtp_url:
        problem = await probe_mail(settings)
        where = f"{settings.smtp_url.host}:{settings.smtp_url.port}"
        text = f"the mail server at {where} cannot be used: {problem}" if problem else f"{where} takes mail"
        findings.append(Finding("mail", "error" if problem else "ok", text))
    return findings, waits


def _listening(found: Listening) -> tuple[Level, str]:
    if not found.problem:
        return "ok", f"{found.address} is free" if found.port else f"{found.address} picks a free port"
    if found.parley:
        return "warning", f"{found.address} is taken, by a Parley that runs: stop it first"
    return "error", f"cannot listen on {found.address}: {found.problem}"


def _database(settings: Settings, found: Inspection) -> Iterator[tuple[Level, str]]:
    yield "ok", f"{found.server} at {found.place}"
    for error in found.errors:
        yield "error", error
    for warning in (*found.warnings, *_short_of(settings, found)):
        yield "warning", warning
    if found.errors:
        return
    if found.alone and found.nodes:
        yield "warning", f"{', '.join(found.alone)} waits until no other server runs"
    if found.newer:
        yield "ok", "a newer version has changed the tables, in a way that this one can use"
    elif not found.to_apply:
        yield "ok", f"the tables are those of this version ({found.applied} migrations)"
    elif not found.applied:
        yield "ok", "the database is empty: the server would create its tables"
    else:
        files = ", ".join(found.to_apply)
        use = "can use" if found.additive else "refuse"
        yield "warning", f"the server would apply {files}: back up first, as older versions {use} the database then"
    yield _rooms(settings, found)


def _short_of(settings: Settings, found: Inspection) -> Iterator[str]:
    needed = settings.workers + _CONNECTIONS
    if found.free_connections < needed:
        free = counted(found.free_connections, "connection is", "connections are")
        yield f"{free} free, and a server opens up to {needed}"
    ahead = round((SystemClock().now_us() - found.now_us) / 1e6)
    if abs(ahead) > _CLOCK_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        yield f"the clock of this machine is {abs(ahead)} seconds {side} that of the database"


def _rooms(settings: Settings, found: Inspection) -> tuple[Level, str]:
    """Return which server would have the rooms."""
    lives = f"{counted(found.nodes, 'node lives', 'nodes live')}, {found.on_bus} of them on the bus"
    if not settings.nats_url and found.nodes:
        return "error", f"{lives}: this server has no NATS_URL, and would wait until no node lives"
    if not found.writer:
        return "ok", "no server writes to the database: this one would"
    if found.writer_is_node:
        return "ok", f"{lives}: this one would join them; {found.writer} has the rooms"
    return "warning", f"{found.writer} writes to the database: this server would wait until that one stops"


def _conclusion(findings: list[Finding], *, waits: bool) -> Finding:
    wrong = {finding.part for finding in findings if finding.result == "error"}
    level = _WORST[max(_WORST.index(finding.result) for finding in findings)]
    if "listen" in wrong:
        text = "a server would not start"
    elif wrong & {"database", "bus"}:
        text = "a server would start, but not accept messages until this is corrected"
    elif wrong:
        text = "a server would be ready, but could not send mail"
    elif waits:
        text = "a server would be ready as soon as the one that runs has stopped"
    else:
        text = "a server would be ready"
    return Finding("result", level, text)
