"""Wheels of packages that are installed here, so that a test can have pip install them elsewhere without a network."""

import zipfile
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What pip writes when it installs a wheel, and no wheel has. It makes RECORD anew.
_OF_PIP = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}


def requirements_of(wheel: Path) -> list[str]:
    """Return the `Requires-Dist` of a wheel: all of its requirements, with their extras and conditions."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])


def required(requirements: Iterable[str], extras: Iterable[str] = ()) -> Iterator[Distribution]:
    """Yield the installed packages that these requirements need with these extras, and what they need, each once.

    Raises PackageNotFoundError for one that is not installed here.
    """
    seen: set[str] = set()
    todo = [(list(requirements), frozenset(extras))]
    while todo:
        lines, wanted = todo.pop()
        for requirement in map(Requirement, lines):
            name = canonicalize_name(requirement.name)
            applies = any(
                requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in wanted | {""}
            )
            if applies and (key := f"{name}{sorted(requirement.extras)}") not in seen:
                package = distribution(name)
                todo.append((package.requires or [], frozenset(requirement.extras)))
                if not any(other.startswith(f"{name}[") for other in seen):
                    yield package
                seen.add(key)


def wheel_of(package: Distribution, folder: Path) -> Path:
    """Make a wheel from the files of an installed package, in `folder`."""
    files = package.files
    tags = HeaderParser().parsestr(package.read_text("WHEEL") or "").get_all("Tag", [])
    if files is None or not tags:
        raise PackageNotFoundError(f"{package.name} was not installed from a wheel")
    # The Pythons, ABIs and platforms of all tags: py2.py3-none-any.
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*(tag.split("-") for tag in tags), strict=True))
    path = folder / f"{canonicalize_name(package.name).replace('-', '_')}-{package.version}-{tag}.whl"
    record, info = [], ""
    with zipfile.ZipFile(path, "w") as wheel:  # not compressed, as it is read once
        for file in files:
            name = PurePosixPath(file)
            # Programs, which pip makes from entry points, are outside of the folder of packages.
            if ".." in name.parts or name.suffix == ".pyc":
                continue
            if name.parts[0].endswith(".dist-info"):
                info = name.parts[0]
                if name.name in _OF_PIP:
                    continue
            wheel.write(file.locate(), str(name))
            record.append(f"{name},,\n")
        wheel.writestr(f"{info}/RECORD", "".join(record) + f"{info}/RECORD,,\n")
    return path
