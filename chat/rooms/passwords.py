"""Hash the passwords of rooms: argon2id (RFC 9106), off the event loop, one at a time, from bounded and fair queues."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from model.errors import ParleyError
from utils.fairness import FairQueue, Party
from utils.unicode import normalize

T = TypeVar("T")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane; 24 to 52 ms (measured).
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Guesses are compared with this hash if there is no password: it takes as long as any other hash and never matches.
_NO_PASSWORD = "$argon2id$v=19$m=19456,t=2,p=1$lUlMSxOpd/h1BkVGQW/CPg$Rbju6XdB4zqmMKCAVdzXBvXHbtp0i/AR+b6PTHLHeXc"  # noqa: S105
# Calls of one principal that may be queued, in each of the two queues; four times as many of one network, forty times
# as many in total, which take the thread some seconds.
WAITING = 2
QUEUE_SECONDS = 1.0  # when to retry after a full queue


class Passwords:
    """A hashing thread, started when it is first needed.

    There is a queue for joins and one for new passwords, and the thread gets one call of each at a time: so the queues
    take turns, and neither blocks the other. In each queue, networks take turns, and so do the principals of a network.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parley-passwords")
        self._guesses, self._new = (FairQueue(1, each=1, waiting=WAITING, full=_overloaded) for _ in range(2))

    async def hash(self, password: str, asker: Party) -> str:
        """Return the hash of a password in NFC (RFC 8265, 4.2), as a PHC string.

        Raises:
            ParleyError: ``overloaded``.
        """
        return await self._run(self._new, asker, lambda: _HASHER.hash(normalize("NFC", password)))

    async def matches(self, hashed: str | None, password: str, asker: Party) -> bool:
        """Whether ``hashed`` is the hash of this password; None takes as long as any hash and matches nothing.

        The password is tried in NFC, and as given for hashes that are older than the normalization of passwords.

        Raises:
            ParleyError: ``overloaded``.
        """
        forms = dict.fromkeys((password, normalize("NFC", password)))
        return await self._run(
            self._guesses, asker, lambda: any(_verify(hashed or _NO_PASSWORD, form) for form in forms)
        )

    async def _run(self, queue: FairQueue, asker: Party, work: Callable[[], T]) -> T:
        async with queue.turn(asker):
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Start no further call; a running one ends in its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _overloaded(*, own: bool) -> ParleyError:
    return ParleyError("overloaded", retry_after=QUEUE_SECONDS)


def _verify(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
