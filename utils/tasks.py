"""Background tasks with an owner, a name and an awaited end, instead of a bare ``create_task``."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class TaskRegistry:
    """The tasks of one owner. Belongs to one event loop.

    A task that fails is logged with its name immediately, even if it is never awaited.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coro: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run ``coro`` in the background.

        Raises:
            RuntimeError: the registry is closed; ``coro`` is closed too, so that it is not left un-awaited.
        """
        if self._closed:
            coro.close()
            raise RuntimeError(f"no new task {name!r}: its owner is closed")
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)

    async def close(self, deadline: float) -> list[str]:
        """Cancel every task and wait at most ``deadline`` seconds. Idempotent.

        Returns the names of tasks that did not stop.
        """
        self._closed = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if not tasks:
            return []
        _, pending = await asyncio.wait(tasks, timeout=deadline)
        return sorted(task.get_name() for task in pending)


def is_cancelled() -> bool:
    """Whether this task was cancelled: Python 3.11's `wait_for`, which libraries use, loses a cancellation that comes
    together with an answer.
    """
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling() > 0
