"""The installed server: the wheel and the sdist of this repository contain everything that it serves."""

import asyncio
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage, link
from tests.support.browser import Pages
from tests.support.page import CLIENT, static
from tests.support.process import ROOT, inherited_environment
from tests.support.rawws import NATIVE, RawClient, command, fetch
from tests.support.server import ServerProcess
from tests.support.wheels import required, requirements_of, wheel_of

pytestmark = pytest.mark.slow

# Files in a checkout that are not in the repository, or not part of an installation.
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build", "dist", "node_modules"
)
# Decoys: packages of these names are in the folder from which an installed server is started.
OTHERS = ("utils", "model", "server", "chat", "storage", "main")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy to build from, as building writes into the folder."""
    folder = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=LEFT_OUT)
    return folder


def do(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=inherited_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    said = do(*pip, "--verbose", "--wheel-dir", source.parent, source, cwd=source)
    assert "absent from setuptools' `packages`" not in said, "files that a later setuptools would leave out"
    return next(source.parent.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Return the folder of programs of an environment in which pip has installed the wheel, with what it requires."""
    folder = wheel.parent / "environment"
    packages = wheel.parent / "packages"
    packages.mkdir()
    for package in required(requirements_of(wheel), ["cluster"]):
        wheel_of(package, packages)
    venv.create(folder, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    do(*pip, "--no-index", "--find-links", packages, f"{wheel}[cluster]", cwd=wheel.parent)
    return folder / "bin"


def test_the_wheel_has_every_file_that_is_served(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    served = [path for path in (ROOT / "server" / "static").rglob("*") if path.is_file()]
    served += (ROOT / "storage" / "postgres" / "migrations").glob("*.sql")
    assert {path.relative_to(ROOT).as_posix() for path in served} <= names
    assert not [name for name in names if name.startswith("docs/")], "nobody reads documents and pictures there"
    assert zipfile.ZipFile(wheel).read("server/client.html") == (ROOT / "client.html").read_bytes()


def test_the_sdist_has_every_file_the_documents_name(source: Path) -> None:
    """And a wheel can be built from it."""
    build = "from setuptools.build_meta import build_sdist; print(build_sdist('..'))"
    name = do(sys.executable, "-c", build, cwd=source).split()[-1]
    with tarfile.open(source.parent / name) as archive:
        names = {member.partition("/")[2] for member in archive.getnames()}
        archive.extractall(source.parent / "unpacked")  # noqa: S202 - our own archive
    wanted = {"client.html", "constraints.txt", ".env.example", "CHANGELOG.md", "README.md", "LICENSE", "dev.py"}
    wanted |= {"Dockerfile", ".dockerignore", "compose.yaml", "compose.cluster.yaml", "docs/deploy/image/build.sh"}
    files = [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docs").rglob("*.png"),
        *(ROOT / "server" / "static").rglob("*.js"),
    ]
    files += (ROOT / "storage" / "postgres" / "migrations").glob("*.sql")
    assert wanted | {path.relative_to(ROOT).as_posix() for path in files} <= names
    of_tests = {name for name in names if name.startswith("tests/") and name.endswith(".py")}
    assert of_tests == {"tests/support/__init__.py", "tests/support/programs.py"}, "what dev.py run needs"
    unpacked = next((source.parent / "unpacked").iterdir())
    assert (unpacked / "server" / "client.html").read_bytes() == (ROOT / "client.html").read_bytes()
    assert "Usage: python3 dev.py COMMAND" in do(sys.executable, "dev.py", "--help", cwd=unpacked)
    refused = subprocess.run(
        [sys.executable, "dev.py", "test"],
        cwd=unpacked, env=inherited_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = "dev.py: test needs the tests, which only a clone of the repository has\n"
    assert (refused.returncode, refused.stderr) == (1, said)


@pytest.mark.parametrize("program", ["parley", "python -m main"])
def test_an_installed_parley_prints_its_help_its_version_and_a_check(
    installed: Path, tmp_path: Path, program: str
) -> None:
    first, *others = program.split()
    name = first if first == "parley" else "main.py"
    assert f"usage: {name} " in do(installed / first, *others, "--help", cwd=tmp_path)
    assert re.fullmatch(r"parley \d+\.\d+\.\d+\n", do(installed / first, *others, "--version", cwd=tmp_path))
    assert "a server would be ready" in do(installed / first, *others, "check", "--port", "0", cwd=tmp_path)


def test_nothing_is_installed_that_only_tests_need(installed: Path) -> None:
    """And uvloop is, where it has wheels."""
    folders = installed.parent.glob("lib/python*/site-packages/*.dist-info")
    names = {folder.name.partition("-")[0].lower() for folder in folders}
    assert {"parley", "aiohttp", "nats_py"} <= names
    assert names.isdisjoint({"pytest", "playwright", "ruff", "mypy", "psutil", "packaging"})
    if sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64"):
        assert "uvloop" in names


async def test_two_users_of_an_installed_parley_talk_in_a_browser(installed: Path, new_page: Pages) -> None:
    server = ServerProcess(
        {"DATABASE_URL": ""}, python=installed / "python", main=installed / "parley", arguments=("run",)
    )
    async with server:
        ann, bob = [ChatPage(await new_page(link(server, "den", name))) for name in ("ann", "bob")]
        await ann.connected()
        await bob.connected()
        await ann.say("Hello Bob")
        await ann.delivered("Hello Bob")
        await expect(bob.message("Hello Bob")).to_have_count(1)
        await new_page.close()
        assert f"event loop: {'uvloop' if find_spec('uvloop') else 'asyncio'}" in server.log_text()
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0


async def test_an_installed_parley_serves_everything(installed: Path) -> None:
    """From a user's folder that has modules of the same names, which must not interfere."""
    server = ServerProcess(python=installed / "python", main=installed / "parley")
    for name in OTHERS:
        (server.folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    async with server:
        leads = await fetch(server.port, "/")
        assert leads.status == 302
        page = await fetch(server.port, urljoin("/", leads.headers["location"]))
        assert page.body == CLIENT.page.content
        for path, file in CLIENT.files.items():
            assert (await fetch(server.port, static(path))).body == file.content
        assert (await fetch(server.port, "/openapi.json")).status == 200
        assert (await fetch(server.port, "/asyncapi.json")).status == 200
        async with await RawClient.open(server.port, "/chat?u=ann&r=den", NATIVE) as ann:
            await ann.expect("joined")
            ann.send(command(type="message", id="1", room="den", content="hello"))
            assert (await ann.expect("message"))["content"] == "hello"
            await ann.expect("ack")
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0
