"""The settings of a server that is one node of several."""

import subprocess
import sys
from pathlib import Path

import certifi
import pytest

from server.settings import readers
from server.settings.values import SettingError, Settings
from tests.support.process import ROOT

DATABASE = {"DATABASE_URL": "postgresql://db/chat"}


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("nats://localhost", ("nats://localhost",)),
        ("tls://a:b@nats.example:4222, nats://10.0.0.1:4223", ("tls://a:b@nats.example:4222", "nats://10.0.0.1:4223")),
        ("nats://[::1]:4222/", ("nats://[::1]:4222/",)),
    ],
)
def test_nats_urls(text: str, urls: tuple[str, ...]) -> None:
    assert Settings({"NATS_URL": text, **DATABASE}).nats_url == urls


@pytest.mark.parametrize(
    "text",
    [
        "localhost:4222",
        "http://nats",
        "nats://",
        "nats://h:99999",
        "nats://h/x",
        "nats://h?x",
        "nats://h,,nats://i",
        "nats://@h",
        "nats://:hidden@h",
        "nats://me:hid den@h",
        "nats://h\u00fc",
    ],
)
def test_wrong_nats_urls_are_named_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": text, **DATABASE})
    assert str(error.value).startswith("NATS_URL must be comma-separated URLs of one NATS cluster")


def test_all_nats_urls_have_one_login() -> None:
    assert len(Settings({"NATS_URL": "nats://a:b@h,nats://i,nats://a:b@j", **DATABASE}).nats_url) == 3
    with pytest.raises(SettingError, match=r"^NATS_URL must have the same user and password in each URL, or in one"):
        Settings({"NATS_URL": "nats://a:b@h,nats://a:c@i", **DATABASE})


@pytest.mark.parametrize("missing", ["nats", "nkeys", "nacl"])
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": "nats://h", **DATABASE})
    assert str(error.value) == (
        f"NATS_URL needs packages that are not installed: {sys.executable} -m pip install 'nats-py[nkeys]'"
    )


def test_a_single_server_imports_nothing_of_nats() -> None:
    program = """
import asyncio, sys
from server.app import Server
from server.settings.values import Settings

async def live():
    server = Server(Settings({"PORT": "0"}))
    await server.start()
    await server.stop()

asyncio.run(live())
print(*{name.split(".")[0] for name in sys.modules} & {"nats", "nkeys", "nacl"})
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "\n", done.stdout + done.stderr


def test_nats_url_without_a_database_is_refused() -> None:
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": "nats://me:hidden@localhost"})
    assert str(error.value) == "NATS_URL must not be set without DATABASE_URL: the nodes share a database"


def test_right_settings_of_a_node(tmp_path: Path) -> None:
    given = {
        "NATS_PREFIX": "a-b.c_D9",
        "NATS_ENCRYPT": "on",
        "NODE_NAME": "chat-1.example:8080",
        "NATS_CREDS": str(tmp_path / "node.creds"),
        "NATS_CA": certifi.where(),
    }
    (tmp_path / "node.creds").write_text("BEGIN NATS USER JWT\nBEGIN USER NKEY SEED\n")
    settings = Settings(given)
    assert {name: getattr(settings, name.lower()) for name in given} == {**given, "NATS_ENCRYPT": True}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("NATS_PREFIX", "parley.*"),
        ("NATS_PREFIX", "a..b"),
        ("NATS_PREFIX", "x" * 65),
        ("NODE_NAME", "two words"),
        ("NODE_NAME", "x" * 65),
        ("NATS_CREDS", "/nowhere/nats.creds"),
        ("NATS_CREDS", "/"),
        ("NATS_CREDS", certifi.where()),
        ("NATS_CA", __file__),
    ],
)
def test_wrong_settings_of_a_node(name: str, wrong: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} must be "):
        Settings({name: wrong})
