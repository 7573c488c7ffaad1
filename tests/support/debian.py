"""Find a program of Debian's archive, such as nginx, or fetch it when a test first needs it.

Order: PATH and the folders of system programs; where we are root, `apt-get install`; else `apt-get download` of the
package and of what it needs, unpacked by `dpkg-deb -x` into the virtual environment. PARLEY_NO_APT=1 forbids fetching.
"""

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import programs

_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


class ProgramMissingError(Exception):
    """A program is missing and cannot be fetched; the text is one line of advice."""


@dataclass(frozen=True)
class Program:
    """A program to start, and the variables that it needs in its environment."""

    executable: str
    environment: dict[str, str] = field(default_factory=dict)


def fetch(name: str, package: str = "") -> Program:
    """Return the program `name`, from the package of that name if no other is given. Raises ProgramMissingError."""
    package = package or name
    if program := _installed(name):
        return program
    if os.environ.get("PARLEY_NO_APT") or shutil.which("apt-get") is None:
        raise ProgramMissingError(f"no {name} found: install it (Debian's package {package})")
    home = Path(sys.prefix) / "parley-debian"
    with _alone(home):  # one of several test processes fetches, the others then find the program
        if program := _installed(name) or _unpacked(name, home / package):
            return program
        try:
            if programs.may_use_apt():
                programs.apt_install(package)
            else:
                _unpack(package, home)
        except (programs.SetupError, OSError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ProgramMissingError(f"no {name} found, and {package} cannot be fetched: {reason}") from error
        if program := _installed(name) or _unpacked(name, home / package):
            return program
    raise ProgramMissingError(f"no {name} found, and Debian's package {package} does not contain it")


def _installed(name: str) -> Program | None:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_FOLDERS}")
    return Program(found) if found else None


def _unpacked(name: str, folder: Path) -> Program | None:
    for place in ("usr/sbin", "usr/bin", "sbin", "bin"):
        if (executable := folder / place / name).is_file():
            libraries = sorted({str(library.parent) for library in folder.rglob("*.so*")})
            return Program(str(executable), {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})
    return None


def _unpack(package: str, home: Path) -> None:
    """Unpack a package and whatever it needs that is not installed, without installing anything."""
    lists, archives = home / "lists", home / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    for folder in (lists / "partial", archives / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", f"-oDir::State::Lists={lists}", f"-oDir::Cache={archives}", "-oDebug::NoLocking=1"]
    if not any(lists.glob("*Packages*")):
        programs.quietly([*apt, "update"], cwd=archives)
    needed = programs.quietly([*apt, "install", "--simulate", "--no-install-recommends", package], cwd=archives)
    names = re.findall(r"^Inst (\S+)", needed, re.MULTILINE)
    programs.quietly([*apt, "download", *names], cwd=archives)
    half = home / f"{package}.half"  # what an interrupted run left is not taken for a program
    shutil.rmtree(half, ignore_errors=True)
    for archive in sorted(archives.glob("*.deb")):
        programs.quietly(["dpkg-deb", "-x", str(archive), str(half)])
    half.rename(home / package)
    shutil.rmtree(archives)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
