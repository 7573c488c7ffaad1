"""Passwords of rooms: argon2id (RFC 9106), off the event loop, a bounded number at a time, fair to all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from model.errors import ParleyError
from utils.fairness import FairQueue, FairQueueFullError, Party
from utils.unicode import normalize

T = TypeVar("T")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane; 24 to 52 ms (measured).
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# What a guess is compared with where there is no password: it takes as long as any other, and never matches.
_NO_PASSWORD = "$argon2id$v=19$m=19456,t=2,p=1$lUlMSxOpd/h1BkVGQW/CPg$Rbju6XdB4zqmMKCAVdzXBvXHbtp0i/AR+b6PTHLHeXc"  # noqa: S105
# How many may wait in each of the two queues of one principal; four times that from one network, forty times in all:
# some seconds' work of the thread.
WAITING = 2
QUEUE_SECONDS = 1.0  # when there may be a place


class Passwords:
    """One thread that hashes, made when first needed.

    Entering rooms and making them have a queue each, of which the thread gets one piece of work at a time: so they have
    turns, and neither is kept out by the other. In each, networks have turns, and principals within one network.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._guesses, self._new = (FairQueue(1, each=1, waiting=WAITING) for _ in range(2))

    async def hash(self, password: str, asker: Party) -> str:
        """The password, in NFC (RFC 8265, 4.2), as a PHC string.

        Raises:
            ParleyError: ``overloaded``.
        """
        return await self._run(self._new, asker, lambda: _HASHER.hash(normalize("NFC", password)))

    async def matches(self, hashed: str | None, password: str, asker: Party) -> bool:
        """Whether this is the password. None takes as long as any hash and matches nothing.

        Raises:
            ParleyError: ``overloaded``.
        """
        return await self._run(self._guesses, asker, lambda: _matches(hashed or _NO_PASSWORD, password))

    async def _run(self, queue: FairQueue, asker: Party, work: Callable[[], T]) -> T:
        try:
            async with queue.turn(asker):
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="parley-passwords")
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except FairQueueFullError as error:
            raise ParleyError("overloaded", retry_after=QUEUE_SECONDS) from error

    def close(self) -> None:
        """Take nothing new; what is under way ends in its thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _matches(hashed: str, password: str) -> bool:
    """As given, which is how a room may have it from before passwords were normalized, or else in NFC."""
    return any(_verify(hashed, each) for each in dict.fromkeys((password, normalize("NFC", password))))


def _verify(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
