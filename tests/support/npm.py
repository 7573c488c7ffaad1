"""Fetch pinned npm packages and take files out of them. Needs only Python's standard library."""

import base64
import hashlib
import io
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.support.programs import NetworkError, SetupError, quietly

REGISTRY = "https://registry.npmjs.org"
# Seconds for a package to arrive without npm.
PATIENCE = 120.0


@dataclass(frozen=True)
class Package:
    """A version of a package.

    Attributes:
        integrity: as the registry and package-lock.json write it: `sha512-` and the hash in base64.
    """

    name: str
    version: str
    integrity: str


def fetch(package: Package) -> bytes:
    """Return the archive of a package, and check its hash. Raises SetupError, NetworkError if the network is missing.

    npm fetches it, if there is one, so that its settings for registries and proxies count.
    """
    npm = shutil.which("npm")
    archive = _by_npm(npm, package) if npm else _by_https(package)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != package.integrity:
        raise SetupError(f"{package.name} {package.version} has another hash than the pinned one: {found}")
    return archive


def files_of(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the path below the package's folder, and the content, of each file of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            _, *inside = PurePosixPath(member.name).parts
            if inside and ".." not in inside and (file := files.extractfile(member)):
                yield "/".join(inside), file.read()


def unpack(archive: bytes, folder: Path) -> None:
    """Write all files of an archive into a new folder, which appears when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
        made = Path(name) / folder.name
        for path, content in files_of(archive):
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise


def _by_npm(npm: str, package: Package) -> bytes:
    with tempfile.TemporaryDirectory(prefix="parley-npm-") as name:
        folder = Path(name)
        quietly([npm, "pack", "--silent", f"{package.name}@{package.version}"], cwd=folder)
        return next(folder.glob("*.tgz")).read_bytes()


def _by_https(package: Package) -> bytes:
    file = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
    url = f"{REGISTRY}/{package.name}/-/{file}"
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            archive: bytes = answer.read()
    except urllib.error.HTTPError as error:
        raise SetupError(f"{url} answers {error.code}") from error
    except OSError as error:
        raise NetworkError(f"{url} cannot be reached (is there a network?): {error}") from error
    return archive
