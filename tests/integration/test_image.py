"""The image without Docker: its build script in a new Debian, and the result as a container would run it."""

import asyncio
import fnmatch
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support.compose import dockerfile, image_environment
from tests.support.debian import ProgramMissingError, fetch
from tests.support.process import ROOT, free_port, make_temp_folder, poll_until, remove_temp_folder, spawn

# Minutes: Debian and all packages are fetched and installed.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MIRROR = "http://deb.debian.org/debian"
# What the build takes of the environment, so that it works where pip and apt need a proxy.
PASSED_ON = re.compile(r"PIP_(INDEX_URL|EXTRA_INDEX_URL|DEFAULT_TIMEOUT)|(http|https|no)_proxy", re.IGNORECASE)
CERTIFICATES = "/etc/certificates-of-the-test.pem"
# The mounts that a container has, in a namespace of its own, which ends with the process: the root is read-only.
CONTAINER = """
set -e
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -o remount,bind,ro "$1"
shift
exec "$@"
"""


def copied(destination: Path) -> None:
    """Copy what COPY would: the files that .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert [line for line in lines if line and line[0] not in "#!"] == ["*", "**/__pycache__"]
    for name in kept:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)


def in_namespace(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run a program whose mounts go away with it; return its output."""
    done = subprocess.run(
        ["unshare", "--mount", *command],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Return the root file system of the image: build.sh in the Debian that the Dockerfile names."""
    if os.getuid() != 0:
        pytest.fail("the image can be built by root only: run this test as root", pytrace=False)
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.fail("the image can be built only where root may mount, as in a privileged container", pytrace=False)
    try:
        debootstrap = fetch("debootstrap")
    except ProgramMissingError as error:
        pytest.fail(str(error), pytrace=False)
    base = re.search(r"^FROM debian:(\w+)-slim AS build$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert base is not None
    folder = make_temp_folder("image")
    root = folder / "root"
    in_namespace(debootstrap.executable, "--variant=minbase", base[1], root, MIRROR)
    copied(root / "src")
    shutil.copy("/etc/resolv.conf", root / "etc")
    environment = {name: text for name, text in os.environ.items() if PASSED_ON.fullmatch(name)}
    if certificates := os.environ.get("PIP_CERT"):
        shutil.copy(certificates, root / CERTIFICATES[1:])
        environment["PIP_CERT"] = CERTIFICATES
    (command,) = [words for kind, words in dockerfile().items() if kind == "RUN"]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    said = in_namespace("chroot", root, *command, environment=environment | path)
    assert re.search(r"^parley \d+\.\d+\.\d+$", said, re.MULTILINE)
    yield root
    remove_temp_folder(folder)


def contained(image: Path, words: Sequence[str], settings: dict[str, str]) -> list[str | Path]:
    """Return the command that runs `words` in the image as Docker would: read-only, its user, no capabilities."""
    uid, gid = dockerfile()["USER"][0].split(":")
    path = next(word for word in dockerfile()["ENV"] if word.startswith("PATH="))
    variables = [path, *(f"{name}={text}" for name, text in (image_environment() | settings).items())]
    user = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    inside: list[str | Path] = ["chroot", image, "env", "-i", *variables, "setpriv", *user, "--pdeathsig=KILL", *words]
    return ["unshare", "--mount", "sh", "-c", CONTAINER, "sh", image, *inside]


def status(image: Path, words: Sequence[str], settings: dict[str, str]) -> int:
    return subprocess.run(contained(image, words, settings), capture_output=True, check=False).returncode


async def test_the_image_serves_as_its_user_on_a_read_only_root(image: Path) -> None:
    settings = {"HOST": "127.0.0.1", "PORT": str(free_port())}
    log = image.parent / "log"
    instructions = dockerfile()
    command = [*instructions["ENTRYPOINT"], *instructions["CMD"]]
    server = spawn(contained(image, command, settings), log=log)
    try:

        def healthy() -> bool:
            assert server.poll() is None, log.read_text()
            return status(image, instructions["HEALTHCHECK"], settings) == 0

        await asyncio.to_thread(poll_until, healthy, what="the health check succeeds", every=0.2)
        url = f"ws://127.0.0.1:{settings['PORT']}/chat?u=ann&r=den"
        async with connect(url, subprotocols=[Subprotocol("parley.v1")]) as ann:
            assert '"welcome"' in str(await ann.recv())
        uid, gid = instructions["USER"][0].split(":")
        running = await asyncio.to_thread(Path(f"/proc/{server.pid}/status").read_text)
        assert re.search(rf"^Uid:\s+{uid}\s.*\nGid:\s+{gid}\s", running, re.MULTILINE)
        assert re.search(r"^CapBnd:\s+0+$", running, re.MULTILINE)
        assert "event loop: uvloop" in log.read_text()
    finally:
        server.terminate()
        assert await asyncio.to_thread(server.wait, 60) == 0, log.read_text()
    assert status(image, instructions["HEALTHCHECK"], settings) == 1
    assert status(image, ["touch", "/tmp/new"], settings) != 0  # noqa: S108 - which all may write otherwise


def test_the_image_has_nothing_that_only_its_build_needs(image: Path) -> None:
    assert not (image / "src").exists()
    programs = {
        path.name for folder in ("usr/bin", "usr/sbin", "opt/parley/bin") for path in (image / folder).iterdir()
    }
    unwanted = ("gcc*", "cc", "g++*", "c++", "*-gcc*", "clang*", "ld", "as", "make", "pip*", "curl", "wget", "git")
    assert {name for pattern in unwanted for name in fnmatch.filter(programs, pattern)} == set()
    assert {"parley", "python3"} <= programs
    packages = {path.name for path in (image / "opt/parley").glob("lib/python3*/site-packages/*.dist-info")}
    assert fnmatch.filter(packages, "nats_py-*"), "the client of NATS"
    assert not [name for name in packages if name.startswith(("pip-", "pytest-", "setuptools-"))]
    assert list((image / "opt/parley").rglob("__pycache__/*.pyc")), "compiled: nothing can be written later"
    held = subprocess.run(
        ["chroot", image, "dpkg-query", "-W", "-f", "${Package}\n"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in held if re.search(r"-dev$|venv|pip|setuptools|^(gcc|g\+\+|cpp)(-\d+)?$", name)]
    assert not list((image / "var/lib/apt/lists").iterdir())


def test_the_build_script_refuses_another_place() -> None:
    """It would install packages into the machine of somebody who tries it."""
    script = ROOT / "docs" / "deploy" / "image" / "build.sh"
    done = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    root = os.getuid() == 0
    reason = (
        "/src is not a copy of Parley's files"
        if root
        else "must run as root, in the root file system that it is to change"
    )
    assert (done.returncode, done.stderr) == (1, f"build.sh: {reason}\n")
