"""The files for containers agree with the product: settings, paths and times."""

import re
from typing import Any

import pytest
import yaml

from server.settings.table import SETTINGS
from tests.support.compose import COMPOSE, dockerfile, image_environment
from tests.support.process import ROOT

FILES = ("compose.yaml", "compose.cluster.yaml")
NAMES = {setting.name for setting in SETTINGS} | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}


def services(file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["services"]
    return found


def test_the_dockerfile_copies_and_calls_one_script() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("RUN")] == ['RUN ["sh", "/src/docs/deploy/image/build.sh"]']
    image = dockerfile()
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image["USER"][0])
    assert image["HEALTHCHECK"] == ["parley", "health"]
    assert set(image_environment()) - {"PYTHONDONTWRITEBYTECODE"} <= NAMES


@pytest.mark.parametrize("file", FILES)
def test_a_compose_file_uses_settings_and_files_that_there_are(file: str) -> None:
    used = services(file)
    for service in used.values():
        if "build" in service:
            assert set(service["environment"]) <= NAMES
            drain = next(setting.default for setting in SETTINGS if setting.name == "DRAIN_SECONDS")
            assert isinstance(drain, int | float)
            assert int(service["stop_grace_period"].removesuffix("s")) > drain
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
        for volume in service.get("volumes", ()):
            if volume.startswith("./"):
                assert (ROOT / volume.partition(":")[0]).is_file()
    assert (
        services(FILES[0])["postgres"].items()
        >= {name: part for name, part in used["postgres"].items() if name not in ("networks", "logging")}.items()
    )


def test_the_ignored_files_are_no_part_of_an_image() -> None:
    """Only what is named comes in, and secrets are in neither an image nor a repository."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert all((ROOT / name).exists() for name in kept)
    assert not kept & {".env", ".git", ".venv", "secrets", "parley.env", "tests", "docs"}
    assert {"/secrets/", "/parley.env"} <= set((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())


def test_prometheus_and_caddy_know_the_nodes() -> None:
    nodes = [name for name, service in services(FILES[1]).items() if "build" in service]
    scraped = yaml.safe_load((COMPOSE / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == [f"{name}:9090" for name in nodes]
    proxied = " ".join(f"{name}:8080" for name in nodes)
    assert services(FILES[1])["caddy"]["environment"]["PARLEY_NODES"] == proxied
