"""An event loop with virtual time: it never waits, and a timer is due as soon as nothing else is left to do.

So a test may let a second pass, or an hour, instantly and deterministically: `await passes(1.0)` returns when
everything that would happen in a real second has happened, always in the same order. No sockets, and no threads except
those for which time stands still (`tests.support.elsewhere`).
"""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class NothingLeftError(AssertionError):
    """Every task waits for something that will never happen: on a real loop the test would hang."""


LONGEST_ANSWER = 30.0
"""Seconds of real time that a thread may take while the loop waits for it."""


class _JumpingSelector(selectors.SelectSelector):
    """A selector that moves the clock to the next timer instead of waiting for it. There are no sockets to select.

    While threads work for the loop (`awaited` of them), it waits for those, and the clock stands still.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.awaited = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.awaited:
            woken = super().select(LONGEST_ANSWER if timeout is None or timeout > 0 else 0)
            if not woken and timeout != 0:
                raise NothingLeftError(f"a thread has not answered for {LONGEST_ANSWER:g} s")
            return woken
        if timeout is None:
            raise NothingLeftError("every task waits, and no timer is left that could wake one")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the top of this file. Begins at time 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the time while something in another thread is awaited."""
        self._jumping.awaited += 1
        try:
            yield
        finally:
            self._jumping.awaited -= 1


async def passes(seconds: float = 0.001) -> None:
    """Let virtual time pass; by default a moment, in which everything happens that needs no timer."""
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    await asyncio.sleep(seconds)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in its own virtual loop; fail if it leaves a task behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:

        async def checked() -> T:
            result = await main
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left running: {left}"
            return result

        return runner.run(checked())
