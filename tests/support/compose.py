"""The services of our compose files, as processes of this machine: no containers are needed, nor images.

A service keeps its command, its environment and its health check. Only what a container would have of its own is
replaced: the names of other services, ports, and the paths of mounted files.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.debian import Program, fetch
from tests.support.postgres_binaries import find_postgres
from tests.support.process import PATIENCE, ROOT, NotReadyError, inherited_environment, poll_until, spawn

COMPOSE = ROOT / "docs" / "deploy" / "compose"
HOST_NAME = "chat.example.com"


class Composed:
    """A folder with a compose file, after `prepare.sh`, as `docker-compose config` understands it.

    Args:
        folder: an empty one.
        file: the name of the compose file.
        settings: lines of `parley.env`.

    Raises ProgramMissingError if there is no docker-compose.
    """

    def __init__(self, folder: Path, file: str, settings: Sequence[str] = (), host: str = HOST_NAME) -> None:
        self.folder = folder
        shutil.copy(ROOT / file, folder)
        subprocess.run(["sh", COMPOSE / "prepare.sh"], cwd=folder, check=True)
        with (folder / "parley.env").open("a") as more:
            more.writelines(f"{line}\n" for line in settings)
        program = fetch("docker-compose")
        done = subprocess.run(
            [program.executable, "-f", file, "config"],
            cwd=folder, env={**inherited_environment(), **program.environment, "PARLEY_HOST": host},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.said = done.stderr
        self.whole: dict[str, Any] = yaml.safe_load(done.stdout)
        self.services: dict[str, Any] = self.whole["services"]


def dockerfile() -> dict[str, list[str]]:
    """Return the last instruction of each kind of the Dockerfile: ENTRYPOINT, CMD, USER ..., as words.

    The exec form is read as JSON, the words of HEALTHCHECK are those after CMD.
    """
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind and kind != "#":
            rest = rest.partition(" CMD ")[2] if kind == "HEALTHCHECK" else rest.strip()
            found[kind] = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
    return found


def image_environment() -> dict[str, str]:
    """Return the settings in the image: its variables, without those of the system."""
    variables = dict(word.split("=", 1) for word in dockerfile()["ENV"])
    return {name: text for name, text in variables.items() if name != "PATH"}


class ServiceProcess:
    """A service as a process, that dies with pytest.

    Args:
        folder: for its log.
        service: its part of `docker-compose config`.
        replaced: texts that are something else outside of a container, in commands and values.
        more: variables that are not in the compose file.
        entrypoint: the program of the image, if `command` has only its arguments.

    Methods block.
    """

    def __init__(
        self,
        folder: Path,
        service: Mapping[str, Any],
        replaced: Mapping[str, str],
        more: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._replaced = replaced
        ours = "build" in service
        image = dockerfile() if ours else {}
        self._command = [*(image.get("ENTRYPOINT") or entrypoint), *(service.get("command") or image.get("CMD", []))]
        self._check = image["HEALTHCHECK"] if ours else service["healthcheck"]["test"][1:]
        environment = {**(image_environment() if ours else {}), **service.get("environment", {})}
        settings = {name: self._here(str(text)) for name, text in environment.items()}
        self.environment = {**inherited_environment(), **settings, **(more or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until its health check succeeds. Raises NotReadyError with the end of its log."""
        words, environment = self._run(self._command)
        self._process = spawn(words, log=self._folder / "log", env=environment, cwd=self._folder)
        try:
            poll_until(self._healthy, what=f"{' '.join(self._check)} succeeds", every=0.2)
        except NotReadyError as error:
            self.kill()
            raise NotReadyError(f"{error}\n{self.log_text()[-4000:]}") from None
        return self

    def check(self, *words: str) -> int:
        """Run the health check, or another command as in the container; return the exit status."""
        command, environment = self._run(words or self._check)
        return subprocess.run(
            command, env=environment, cwd=self._folder, capture_output=True, check=False, timeout=PATIENCE
        ).returncode

    def stop(self) -> int:
        """End it as `docker stop` does, and return the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """End it without warning. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log_text(self) -> str:
        """Return what it has written."""
        return (self._folder / "log").read_text(errors="replace")

    def _healthy(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise NotReadyError(f"{self._command[0]} ended with status {self._process.returncode}")
        return self.check() == 0

    def _here(self, text: str) -> str:
        for inside, outside in self._replaced.items():
            text = text.replace(inside, outside)
        return text

    def _run(self, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return a command, and its environment, with programs of this machine."""
        name, *arguments = words
        if name == "parley":
            program = [sys.executable, "-P", str(ROOT / "main.py")]
            environment = self.environment
        else:
            found = _program(name)
            program, environment = [found.executable], {**self.environment, **found.environment}
        return [*program, *map(self._here, arguments)], environment


def _program(name: str) -> Program:
    beside = find_postgres() / name if name.startswith("pg_") else Path(sys.prefix) / "bin" / name
    if os.access(beside, os.X_OK):
        return Program(str(beside))
    return fetch(name, {"pg_isready": "postgresql-client"}.get(name, ""))
