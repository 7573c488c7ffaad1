"""The shape of the repository: its folders, the allowed imports, and that the rules detect a violation."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import ROOT

PACKAGES = ("utils", "model", "storage", "chat", "server")
FOLDERS = {*PACKAGES, "tests", "docs"}
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports_of(source: Path) -> set[str]:
    """Return the top-level names that a file imports, anywhere in it."""
    tree = ast.parse(source.read_text())
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.split(".")[0] for name in found}


def names_used(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each attribute, name in quotes for an attribute, and imported name, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                yield name, node.lineno
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"), args=[_, ast.Constant(str(name)), *_]
            ):
                yield name, node.lineno
            case ast.ImportFrom():
                yield from ((each.name, node.lineno) for each in node.names)


def names_defined(tree: ast.AST) -> Iterator[str]:
    """Yield each attribute of ``self`` or ``cls``, function and method."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls"), attr=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name


def test_the_top_level_folders_are_as_agreed() -> None:
    """Hidden folders belong to tools (.git, .venv, caches), `*.egg-info` and __pycache__ to Python."""
    found = {
        entry.name
        for entry in ROOT.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and not entry.name.endswith((".egg-info", "__pycache__"))
    }
    assert found <= FOLDERS, f"new top-level folders: {found - FOLDERS}"


def test_every_folder_of_a_package_has_its_init_file() -> None:
    """Otherwise mypy and import-linter overlook it."""
    without = {path.parent for path in SOURCES if not (path.parent / "__init__.py").exists()}
    assert not without


def test_main_only_calls_the_server() -> None:
    """import-linter takes packages, not modules, so main.py's half of the layers is checked here."""
    main = ROOT / "main.py"
    assert imports_of(main) - sys.stdlib_module_names <= {"server", "utils", "dotenv", "uvloop"}
    assert len(main.read_text().splitlines()) <= 40


def test_no_exception_is_referenced_by_the_frame_that_raises_it() -> None:
    """`raise refusal` with a name that the function keeps is a reference cycle: exception, traceback, frame, locals."""
    kept: list[str] = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)}  # Python deletes those
        kept += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name)
            if node.exc.id.islower() and node.exc.id not in caught
        ]
    assert not kept


def test_no_module_uses_private_names_of_another() -> None:
    """Above all not of a library: a name with one underscore may disappear in its next release."""
    documented = {"_asdict", "_replace"}  # of named tuples: the underscore keeps them apart from fields
    used: list[str] = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        allowed = documented.union(names_defined(tree))
        used += [
            f"{path.relative_to(ROOT)}:{line}: {name}"
            for name, line in names_used(tree)
            if name.startswith("_") and not name.startswith("__") and name not in allowed
        ]
    assert not used


def test_the_environment_is_read_in_one_place() -> None:
    """Settings are one table, made from the environment at the start; everything below gets keyword arguments."""
    readers = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    readers.discard("server/commands/blocks.py")  # SSH_CONNECTION, by sshd: where the operator is, and no setting
    assert readers <= {"server/cli.py", "server/settings/values.py"}


def test_utils_and_model_use_no_network_and_no_files() -> None:
    forbidden = {"socket", "ssl", "http", "urllib", "subprocess", "selectors", "sqlite3", "tempfile", "shutil"}
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] in ("utils", "model"):
            assert not imports_of(path) & forbidden, path


# --- import-linter detects violations --------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Build a repository with the contracts and the modules, all of them empty, to plant violations in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] in PACKAGES:
            module = tmp_path / path.relative_to(ROOT)
            module.parent.mkdir(parents=True, exist_ok=True)
            module.touch()
    return tmp_path


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env={"PYTHONPATH": str(folder), "PATH": ""},
    )  # fmt: skip


ALLOWED = {
    "server/wire/switch.py": "import aiohttp, websockets, chat.rooms.hub, storage, model, utils",
    "chat/rooms/hub.py": "import model, utils, storage.factory, chat.writes.jobs",
    "chat/rooms/jobs.py": "import chat.rooms.hub",
    "server/bus/nats.py": "import nats, nats.aio.client, nkeys, nacl, nacl.secret, chat.link.bus",
    "storage/factory.py": "import storage.memory, storage.postgres.write.store",
    "storage/postgres/write/store.py": "import psycopg, psycopg_pool, pypika, utils.query, storage.postgres.sql.rooms",
    "storage/postgres/sql/rooms.py": "import model, storage.ports.rooms",
    "utils/query.py": "import pypika",
}

TYPE_CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {}"
PLANTED = [  # one for each contract
    ("storage/factory.py", "import chat", "Imports point one way"),
    ("server/codec/frames.py", "import server.app", "Imports inside server point one way"),
    ("chat/writes/jobs.py", "import chat.rooms.room", "Imports inside chat point one way"),
    ("chat/rooms/hub.py", TYPE_CHECKING.format("chat.rooms.jobs"), "No modules import in a circle"),
    ("chat/rooms/hub.py", "import main", "Nobody imports main or dev"),
    ("server/wire/switch.py", "import psycopg_pool", "psycopg only in storage"),
    ("utils/ids.py", "import pypika", "PyPika only in storage and utils.query"),
    ("chat/rooms/hub.py", "def late():\n    import aiohttp", "aiohttp and websockets only in server"),
    ("server/app.py", "def late():\n    import nats", "NATS and its cryptography only in server.bus"),
    ("chat/link/envelope.py", "import nacl.secret", "NATS and its cryptography only in server.bus"),
    ("server/rest/rooms.py", "from aiohttp import web", "Rooms over HTTP know no connection"),
    ("storage/ports/rooms.py", "import storage.memory", "Only the factory imports the storage backends"),
    ("storage/ports/rooms.py", "import storage.factory", "Imports inside storage point one way"),
    ("storage/postgres/sql/rooms.py", "import storage.postgres.read", "Imports inside storage.postgres point one way"),
]


def plant(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        with (folder / name).open("a") as file:
            file.write(text + "\n")


def test_the_contracts_allow_the_design(copy: Path) -> None:
    plant(copy, ALLOWED)
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "text", "contract"), PLANTED)
def test_a_planted_violation_breaks_its_contract(copy: Path, file: str, text: str, contract: str) -> None:
    plant(copy, ALLOWED)
    plant(copy, {file: text})
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), done.stdout
