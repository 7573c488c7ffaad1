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
        ("tls://a:b@nats.example:4222, tls://10.0.0.1:4223", ("tls://a:b@nats.example:4222", "tls://10.0.0.1:4223")),
        ("nats://[::1]:4222/", ("nats://[::1]:4222/",)),
    ],
)
def test_nats_urls(text: str, urls: tuple[str, ...]) -> None:
    assert Settings({"NATS_URL": text, **DATABASE}).nats_url == urls


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("localhost:4222", "must begin with nats:// or tls://, in each of its URLs"),
        ("http://me:hidden@nats", "must begin with nats:// or tls://, in each of its URLs"),
        ("nats://", "has no host in one of its URLs"),
        ("nats://me:hidden@", "has no host in one of its URLs"),
        ("nats://h:99999", "has a port that is not a number from 1 to 65535"),
        ("nats://h:0", "has a port that is not a number from 1 to 65535"),
        ("nats://h:", "has a port that is not a number from 1 to 65535"),
        ("nats://me:hidden@h:x", "has a port that is not a number from 1 to 65535"),
        ("nats://h/x", "has something after the host and port in one of its URLs"),
        ("nats://h?x", "has something after the host and port in one of its URLs"),
        ("nats://h,,nats://i", "has an empty entry: remove the comma, or write %2C for one in the password"),
        ("nats://h,", "has an empty entry: remove the comma, or write %2C for one in the password"),
        ("nats://@h", "has an @ and no user before it"),
        ("nats://:hidden@h", "has an @ and no user before it"),
        ("nats://me:hid/den@h", "has a / before the @: write %2F in the password"),
        ("nats://me:hid?den@h", "has a ? before the @: write %3F in the password"),
        ("nats://me:hid#den@h", "has a # before the @: write %23 in the password"),
        ("nats://me:hid@den@h", "has more than one @: write %40 for @ in the user or password"),
        (
            "nats://me:hid den@h",
            "has a space or another character that a URL cannot contain: write %20 for a space",
        ),
        ("nats://h\u00fc", "has a space or another character that a URL cannot contain: write %20 for a space"),
        ("nats://h,tls://i", "must not mix nats:// and tls://: the servers are one cluster"),
    ],
)
def test_what_is_wrong_with_nats_urls_is_said_and_they_are_not_repeated(text: str, problem: str) -> None:
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": text, **DATABASE})
    assert str(error.value) == f"NATS_URL {problem}"


def test_a_user_and_a_credentials_file_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "node.creds").write_text("BEGIN NATS USER JWT\nBEGIN USER NKEY SEED\n")
    given = {"NATS_CREDS": str(tmp_path / "node.creds"), **DATABASE}
    assert Settings({"NATS_URL": "nats://h", **given}).nats_creds
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": "nats://i,nats://me:hidden@h", **given})
    assert str(error.value) == "NATS_CREDS must not be set with a user in NATS_URL: a node logs in with one of them"


def test_settings_of_a_node_without_nats_url_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "node.creds").write_text("BEGIN NATS USER JWT\nBEGIN USER NKEY SEED\n")
    given = {
        "NATS_PREFIX": "chat",
        "NATS_ENCRYPT": "on",
        "NODE_NAME": "a",
        "NATS_CREDS": str(tmp_path / "node.creds"),
        "NATS_CA": certifi.where(),
    }
    words = "{} is set and NATS_URL is not: this server is alone, and does not use it"
    oddities = list(Settings(given).oddities())
    assert all(words.format(name) in oddities for name in given)
    for none in ({}, {"NATS_URL": "nats://h", **DATABASE, **given}):
        assert not any("NATS_URL" in oddity for oddity in Settings(none).oddities())


def test_all_nats_urls_have_one_login() -> None:
    assert len(Settings({"NATS_URL": "nats://a:b@h,nats://i,nats://a:b@j", **DATABASE}).nats_url) == 3
    with pytest.raises(SettingError, match=r"^NATS_URL must have the same user and password in each URL, or in one"):
        Settings({"NATS_URL": "nats://a:b@h,nats://a:c@i", **DATABASE})


@pytest.mark.parametrize("missing", ["nats", "nkeys", "nacl"])
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(SettingError) as error:
        Settings({"NATS_URL": "nats://h", **DATABASE})
    command = f"{sys.executable} -m pip install 'nats-py[nkeys]'"
    constraints = Path(readers.__file__).parents[2] / "constraints.txt"
    assert str(error.value) == f"NATS_URL needs packages that are not installed: {command} -c {constraints}"


def test_an_installed_server_names_no_constraints_that_it_does_not_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda name: None)
    monkeypatch.setattr(readers, "__file__", str(tmp_path / "site-packages" / "server" / "settings" / "readers.py"))
    with pytest.raises(SettingError, match=r"pip install 'nats-py\[nkeys\]'$"):
        Settings({"NATS_URL": "nats://h", **DATABASE})


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
        ("NATS_CREDS", certifi.where()),
        ("NATS_CA", __file__),
    ],
)
def test_wrong_settings_of_a_node(name: str, wrong: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} must be "):
        Settings({name: wrong})


@pytest.mark.parametrize(
    ("file", "why"), [("/nowhere/nats.creds", "No such file or directory"), ("/", "Is a directory")]
)
@pytest.mark.parametrize("name", ["NATS_CREDS", "NATS_CA"])
def test_a_file_that_cannot_be_read_is_said(name: str, file: str, why: str) -> None:
    with pytest.raises(SettingError) as error:
        Settings({name: file})
    assert str(error.value) == f"{name} names a file that cannot be read: {why}"
