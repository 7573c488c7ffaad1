"""Everything here runs in virtual time (tests/support/virtual.py): waiting takes no time, and the order is fixed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from chat.chat import Chat
from chat.one_shot import CommandRunner
from chat.work.worker import RoomWorker
from tests.support.chatting import chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import VirtualLoop
from tests.unit.chat.room_working import no_notices


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def freed_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not keep freed rooms, so that a join reads storage. `test_freed.py` and `test_state.py` keep them."""
    monkeypatch.setattr("chat.rooms.freed.ROOMS", 0)


@pytest.fixture
def repository() -> FaultyRepository:
    return FaultyRepository()


@pytest.fixture
async def chat(repository: FaultyRepository) -> AsyncIterator[Chat]:
    async with chatting(repository) as opened:
        yield opened


@pytest.fixture
async def runner(chat: Chat) -> CommandRunner:
    return CommandRunner(chat)


@pytest.fixture
async def worker(chat: Chat, repository: FaultyRepository) -> AsyncIterator[RoomWorker]:
    writer = repository.writer()
    yield RoomWorker(chat, writer, no_notices)
    await writer.close()
