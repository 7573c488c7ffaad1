"""A server inside the test's own process and event loop: its settings can be changed, and its log can be read."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec

import pytest

from tests.support.serving import NewCluster, Serve, serving

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
# Tests that depend on the transport run on each event loop that the server may use. For the second group, the
# preferred loop is enough by default.
ON_EVERY_LOOP = {"test_garbage.py", "test_idle_memory.py", "test_sending.py"}
ON_THE_OTHER_LOOP_TOO = {"test_handshake.py", "test_requests.py", "test_rfc6455.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, LoopFactory]:
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if item.path.name in ON_EVERY_LOOP | ON_THE_OTHER_LOOP_TOO and find_spec("uvloop") is not None:
        import uvloop  # if there is a build of it

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the second loop to `dev.py test --all` if one is enough."""
    if find_spec("uvloop") is None:
        return
    for item in items:
        if item.path.parent.name == "port" and item.path.name in ON_THE_OTHER_LOOP_TOO and "[asyncio" in item.name:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _no_fault_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Assert that the log has neither an error nor a traceback, whatever the client did."""
    yield
    faults = [
        f"{record.name}: {record.getMessage()}" + (f"\n{record.exc_text or record.exc_info}" if record.exc_info else "")
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.ERROR or record.exc_info
    ]
    assert not faults, "\n".join(faults)


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch, new_cluster: NewCluster | None) -> AsyncIterator[Serve]:
    """Start servers: `server = await serve(MAX_FRAME_BYTES="2048")`. They stop with the test.

    The server waits longer for the end of a closed connection than the tests do: an end that they see is not that
    time-out. Rooms broadcast joins and leaves without the pause of a second between two notices.
    """
    monkeypatch.setattr("chat.rooms.presence.PAUSE", 0.0)
    async with serving(new_cluster, {"CLOSE_SECONDS": "60", "PRESENCE_GRACE": "0"}, patient=False) as serve:
        yield serve


@pytest.fixture
async def port(serve: Serve) -> int:
    """Return the port of a server with the defaults."""
    return (await serve()).port
