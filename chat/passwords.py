"""Passwords of rooms: argon2id (RFC 9106), off the event loop, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from model.errors import ParleyError

T = TypeVar("T")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane; 24 to 52 ms (measured).
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# How many may wait: a second's work of the one thread. More are refused, as guessing passwords must not be free.
WAITING = 24
RETRY_AFTER = 1.0


class Passwords:
    """One thread that hashes. Made when first needed."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The password as a PHC string.

        Raises:
            ParleyError: ``overloaded``.
        """
        return await self._run(lambda: _HASHER.hash(password))

    async def matches(self, hashed: str, password: str) -> bool:
        """Whether this is the password.

        Raises:
            ParleyError: ``overloaded``.
        """
        return await self._run(lambda: _matches(hashed, password))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise ParleyError("overloaded", retry_after=RETRY_AFTER)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="parley-passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Take nothing new; what is under way ends in its thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _matches(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
