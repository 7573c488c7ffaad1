"""The link with which the first admin is made."""

import asyncio
import stat
from pathlib import Path

import pytest

from model.account import NewAccount
from server.app import Server
from storage.memory.accounts.accounts import MemoryAccountRepository
from storage.ports.accounts import Inserted
from tests.contract.records import until
from tests.support.accounts import account, noted
from tests.support.serving import Serve
from utils.ids import hash_secret

FILE = Path("first-admin-link.txt")
MISSING = Path("missing") / "file"
URL = "https://chat.example.org/parley"


def leave(text: str) -> None:
    """Leave a file of a server that was killed."""
    FILE.write_text(text)
    FILE.chmod(0o644)


def left() -> tuple[int, str]:
    """Return the mode and the content of the file."""
    return stat.S_IMODE(FILE.stat().st_mode), FILE.read_text().strip()


def exists() -> bool:
    return FILE.exists()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("server.accounts.first_admin.LOOK_SECONDS", 0.01)


async def make_admin(server: Server) -> None:
    made = NewAccount(account("root", role="admin"))
    assert await server.accounts.storage.accounts.insert(made, noted()) is Inserted.STORED


async def test_the_link_is_in_a_file_for_the_server_s_user_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    leave("of a server that was killed")
    server = await serve(PUBLIC_URL=URL)
    await until(lambda: "first-admin-link.txt" in caplog.text)
    mode, link = left()
    assert mode == 0o600
    secret = link.removeprefix(f"{URL}/client.html#admin=")
    assert len(secret) == 43
    assert secret not in caplog.text
    now = server.accounts.clock.now_us()
    hashed = hash_secret(secret)
    ticket = await server.accounts.storage.secrets.find_ticket(hashed, "admin", now)
    assert ticket is not None
    assert 3_500_000_000 < ticket.until - now <= 3_600_000_000
    await make_admin(server)
    await until(lambda: not exists())


@pytest.mark.one_server("of several nodes, the one that has the rooms writes the file")
async def test_a_file_that_a_killed_server_left_is_removed_where_there_is_an_admin(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    has_admin = MemoryAccountRepository.has_admin

    async def admin_was_made_before(repository: MemoryAccountRepository) -> bool:
        if not await has_admin(repository):
            made = NewAccount(account("root", role="admin"))
            assert await repository.insert(made, noted()) is Inserted.STORED
        looked.set()
        return await has_admin(repository)

    monkeypatch.setattr(MemoryAccountRepository, "has_admin", admin_was_made_before)
    leave("of a server that was killed")
    await serve(PUBLIC_URL=URL)
    await looked.wait()
    await until(lambda: not exists())


@pytest.mark.one_server("of several nodes, the one that has the rooms writes the file")
async def test_a_server_that_stops_removes_the_file(serve: Serve) -> None:
    server = await serve(PUBLIC_URL=URL)
    await until(exists)
    await server.stop()
    assert not exists()


async def test_without_public_url_there_is_no_link(serve: Serve) -> None:
    await serve()
    await asyncio.sleep(0)
    assert not exists()


async def test_a_file_that_cannot_be_written_is_a_warning(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.accounts.first_admin.FILE", MISSING)
    await serve(PUBLIC_URL=URL)
    await until(lambda: "user create --admin" in caplog.text)
