"""Run pip, apt and other programs, and say in one line what is missing. Needs only Python's standard library."""

import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# How apt, pip and npm report an unreachable server: no name server, no route, no answer, no proxy.
UNREACHABLE = re.compile(
    r"failure in name resolution|failure resolving|could not resolve|name or service not known|network is unreachable"
    r"|no route to host|failed to establish a new connection|connection refused|could not connect|unable to connect"
    r"|timed out|\bENOTFOUND\b|\bEAI_AGAIN\b",
    re.IGNORECASE,
)
# How they report a certificate that they do not trust, such as that of a proxy that looks into TLS.
UNTRUSTED = re.compile(r"certificate[ _]verif\w+[ _]failed|SELF_SIGNED_CERT|unable to get local issuer", re.IGNORECASE)
APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}
# Seconds between progress lines of an installation.
SILENCE = 5.0
# What pip prints of a package from an index, of one from a folder, and of a file that it downloads.
_PACKAGE = re.compile(r"^(?:Collecting ([\w.-]+)|Processing (?:\S*/)?([\w.]+)-\S+\.whl)", re.MULTILINE)
_DOWNLOAD = re.compile(r"^ *Downloading \S+ \(([\d.]+) (bytes|kB|MB|GB)\)", re.MULTILINE)
_MEGABYTES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


class SetupError(Exception):
    """Something that this command needs is missing. The text says what to do, in one line (or is pip's own output)."""


class NetworkError(SetupError):
    """Something is missing because a server cannot be reached. The attempt changed nothing."""


def say(line: str) -> None:
    """Print a progress line to stderr, apart from the output of pytest and the server."""
    print(f"dev.py: {line}", file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def quietly(command: Sequence[str], cwd: Path | str = ROOT, environment: dict[str, str] | None = None) -> str:
    """Run a program without input and return its output.

    Raises SetupError with the end of the output if it fails, NetworkError with one line if the network is missing.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be started: {error.strerror}") from error
    with process:
        try:
            output = _output_of(process, Path(command[0]).name)
        except BaseException:  # Ctrl-C as well: it would run on
            process.kill()
            raise
    if process.returncode != 0:
        raise failure(command, output, process.returncode)
    return output


def _output_of(process: "subprocess.Popen[str]", name: str) -> str:
    """Return all output of a program once it has ended; say from time to time that it still runs."""
    began = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=SILENCE)[0]
        except subprocess.TimeoutExpired:
            say(f"... {name} is still running ({time.monotonic() - began:.0f} s)")


def failure(command: Sequence[str], output: str, status: int) -> SetupError:
    """Return the exception for a program that failed with this output."""
    changed = "\nInstalling collected packages" in output  # pip had downloaded everything
    program = "pip" if "pip" in command else Path(command[0]).name
    for line in [] if changed else reversed(output.splitlines()):
        if UNTRUSTED.search(line):
            advice = "PIP_CERT=FILE" if program == "pip" else "its own setting for certificates"
            return NetworkError(
                f"{program} does not trust the certificate of a server (does a proxy look into TLS? then give it the"
                f" proxy's CA, by {advice}): {line.strip()[:300]}"
            )
        if UNREACHABLE.search(line):
            return NetworkError(f"{program} cannot reach a server (is there a network?): {line.strip()[:300]}")
    return SetupError(f"{' '.join(command)}\n{output[-4000:].strip()}\nfailed with status {status}")


def with_progress(pip: Sequence[str]) -> None:
    """Run a `pip install` without input and print its progress. Raises SetupError and NetworkError."""
    process = subprocess.Popen(
        pip, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    output, more, said = b"", b"more", time.monotonic()
    try:
        while more:
            if select.select([process.stdout], [], [], SILENCE)[0]:
                more = os.read(process.stdout.fileno(), 1 << 16)
                output += more
            if time.monotonic() - said >= SILENCE:
                said = time.monotonic()
                say(f"... {progress(output.decode(errors='replace'))}")
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdout.close()
        process.wait()
    if process.returncode != 0:
        raise failure(pip, output.decode(errors="replace"), process.returncode)


def progress(output: str) -> str:
    """Say what pip is doing, given what it has printed: ``16 packages, 12 MB so far, now psycopg-pool``."""
    packages = ["".join(names) for names in _PACKAGE.findall(output)]
    if not packages:
        return "starting pip"
    size = sum(float(number) * _MEGABYTES[unit] for number, unit in _DOWNLOAD.findall(output))
    count = f"{len(packages)} package{'s' if len(packages) > 1 else ''}" + (f", {size:.0f} MB" if size >= 1 else "")
    doing = "unpacking" if "\nInstalling collected packages" in output else f"now {packages[-1]}"
    return f"{count} so far, {doing}"


def may_use_apt() -> bool:
    """Return whether system packages may be installed: as root, with apt-get, unless PARLEY_NO_APT is set."""
    return os.getuid() == 0 and shutil.which("apt-get") is not None and not os.environ.get("PARLEY_NO_APT")


def apt_install(*packages: str) -> None:
    """Install Debian packages, refreshing apt's lists only if needed. Raises SetupError."""
    say(f"installing {' '.join(packages)} with apt-get")
    wait = "-oDPkg::Lock::Timeout=120"  # another apt may be running
    command = [wait, "install", "-y", "--no-install-recommends", *packages]
    try:
        quietly(["apt-get", *command], environment=APT_ENVIRONMENT)
    except SetupError:  # the lists are missing (container images) or outdated
        apt_with_fresh_lists(command)


def apt_with_fresh_lists(command: Sequence[str], cwd: Path | str = ROOT) -> None:
    """Refresh apt's lists, then run an apt-get command, whose options come first. Raises SetupError, NetworkError.

    A list that cannot be refreshed is not a failure by itself: the package may be in another one.
    """
    options = [word for word in command if word.startswith("-o")]
    unreachable: NetworkError | None = None
    try:
        quietly(["apt-get", *options, "-oAPT::Update::Error-Mode=any", "update"], cwd, APT_ENVIRONMENT)
    except NetworkError as error:
        unreachable = error
    except SetupError:
        pass
    try:
        quietly(["apt-get", *command], cwd, APT_ENVIRONMENT)
    except SetupError as error:
        raise unreachable or error from None
