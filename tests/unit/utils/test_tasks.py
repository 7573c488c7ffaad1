"""Background tasks have a name and an end."""

import asyncio
import logging

import pytest

from utils.tasks import TaskRegistry


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_runs_under_its_name_and_is_forgotten_when_done() -> None:
    registry = TaskRegistry()
    done = asyncio.Event()

    async def work() -> str:
        done.set()
        return "result"

    task = registry.spawn(work(), name="worker")
    assert (task.get_name(), len(registry)) == ("worker", 1)
    assert await task == "result"
    assert done.is_set()
    assert len(registry) == 0


async def test_closing_cancels_running_tasks() -> None:
    registry = TaskRegistry()
    tasks = [registry.spawn(forever(), name=str(number)) for number in range(3)]
    assert await registry.close(5.0) == []
    assert all(task.cancelled() for task in tasks)
    assert await registry.close(5.0) == []


async def test_closing_names_tasks_that_do_not_stop() -> None:
    registry = TaskRegistry()
    started, release = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = registry.spawn(stubborn(), name="stubborn")
    registry.spawn(forever(), name="polite")
    await started.wait()
    assert await registry.close(0.01) == ["stubborn"]
    release.set()
    await task


async def test_a_closed_registry_accepts_no_new_task() -> None:
    """And leaves no coroutine that was never awaited, which would be a warning, and so an error here."""
    registry = TaskRegistry()
    await registry.close(1.0)
    with pytest.raises(RuntimeError, match="late"):
        registry.spawn(forever(), name="late")


async def test_a_failure_is_logged_at_once_with_the_name_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    registry = TaskRegistry()

    async def fail() -> None:
        raise ValueError("the reason")

    task = registry.spawn(fail(), name="unlucky")
    await asyncio.wait([task])
    await asyncio.sleep(0)  # the callback's turn
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "unlucky" in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the reason"
    assert len(registry) == 0


async def test_a_task_may_close_its_own_registry() -> None:
    registry = TaskRegistry()

    async def last() -> list[str]:
        return await registry.close(1.0)

    assert await registry.spawn(last(), name="last") == []
