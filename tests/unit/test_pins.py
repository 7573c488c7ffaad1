"""constraints.txt pins every package that is installed."""

import re
import tomllib
from importlib import metadata
from itertools import chain

from packaging.requirements import Requirement

from tests.support.process import ROOT


def pins() -> dict[str, str]:
    """Return constraints.txt as {normal name: version}."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9_.-]+==[0-9][^\s;]*", line) for line in lines), "one exact pin per line"
    return {normal(line.split("==")[0]): line.split("==")[1] for line in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_of(name: str, extras: set[str]) -> list[Requirement]:
    found = [Requirement(line) for line in metadata.requires(name) or []]
    return [
        one
        for one in found
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def test_every_dependency_is_pinned_including_indirect_ones() -> None:
    """Also the requirements of the packages, according to their metadata."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    waiting = [Requirement(line) for line in [*project["dependencies"], *chain(*extras.values())]]
    seen: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": ""}) and "extra" not in str(one.marker):
            continue
        assert normal(one.name) in pins(), f"{one.name} is not in constraints.txt"
        assert one.specifier.contains(pins()[normal(one.name)]), f"the pin of {one.name} does not satisfy {one}"
        if str(one) not in seen and is_installed(one.name):
            seen.add(str(one))
            waiting += requirements_of(one.name, set(one.extras))


def is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False  # an optional accelerator that has no build here
    return True
