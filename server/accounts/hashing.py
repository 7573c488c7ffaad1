"""Hash the passwords of accounts: argon2id (RFC 9106), off the event loop, in threads of their own, fair by address.

Hashes of bcrypt are verified, too, so that the users of other servers can keep their passwords. Passwords of rooms have
a thread of their own (`chat.rooms.passwords`): joins never wait for logins.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import argon2
from argon2.exceptions import InvalidHashError
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from model.errors import ParleyError
from utils.common_passwords import common_passwords
from utils.fairness import FairQueue, Party

T = TypeVar("T")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane; 24 to 52 ms (measured).
_ARGON2 = Argon2Hasher(2, 19 * 1024, 1)
_HASHES = PasswordHash((_ARGON2, BcryptHasher()))
# Guesses are compared with this hash if there is no account: it takes as long as any other hash and never matches.
_NO_PASSWORD = "$argon2id$v=19$m=19456,t=2,p=1$lUlMSxOpd/h1BkVGQW/CPg$Rbju6XdB4zqmMKCAVdzXBvXHbtp0i/AR+b6PTHLHeXc"  # noqa: S105
# Hashes that were made elsewhere may cost at most this much: one of bcrypt with cost 14 takes a second.
_BCRYPT_COST = 14
_ARGON2_KIB, _ARGON2_PASSES, _ARGON2_LANES = 256 * 1024, 10, 16
_BCRYPT = ("$2a$", "$2b$", "$2y$")
# bcrypt uses no more bytes of a password than these.
_BCRYPT_BYTES = 72
# Queued calls of one address, at most; forty times as many in total, which take one thread about two seconds.
WAITING = 2
QUEUE_SECONDS = 1.0  # when to retry after a full queue
# Threads: all processors but one, which the event loop needs, and never more than these.
_THREADS = 4
_NICE = 10


class Verified(NamedTuple):
    """Whether a password matches, and if its hash should be replaced, the new one."""

    matches: bool
    better: str | None = None


class Hashing:
    """The hashing threads, started when they are first needed.

    Addresses take turns, each with one call at a time.
    """

    def __init__(self) -> None:
        count = max(1, min(_THREADS, (os.cpu_count() or 1) - 1))
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="parley-accounts", initializer=_give_way)
        self._queue = FairQueue(count, each=1, waiting=WAITING, full=_overloaded)
        self._common: frozenset[str] | None = None
        self._closed = False

    async def hash(self, password: str, address: str) -> str:
        """Return the hash of a prepared password (`model.passwords`), as a PHC string.

        Raises:
            ParleyError: ``overloaded``: too many calls for this address, or for all, are queued.
        """
        return await self._run(address, lambda: _ARGON2.hash(password))

    async def verify(self, hashed: str | None, password: str, address: str) -> Verified:
        """Return whether ``hashed`` is the hash of a prepared password; None takes as long as any, and matches nothing.

        Raises:
            ParleyError: ``overloaded``, as :meth:`hash`.
        """
        return await self._run(address, lambda: _verify(_NO_PASSWORD if hashed is None else hashed, password))

    def check(self, address: str) -> None:
        """Refuse an address whose next call would be refused now, before storage is asked for it.

        Raises:
            ParleyError: ``overloaded``, as :meth:`hash`.
        """
        self._queue.check(Party(address, address))

    async def common(self) -> frozenset[str]:
        """Return `utils.common_passwords.common_passwords`, which a thread reads once."""
        if self._common is None:
            self._common = await self._in_thread(common_passwords)
        return self._common

    async def _run(self, address: str, work: Callable[[], T]) -> T:
        async with self._queue.turn(Party(address, address)):
            return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._closed:  # a client has disconnected, and its request goes on
            raise ParleyError("shutting_down", retry_after=1.0)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Refuse further calls, also queued ones (``shutting_down``); a running one ends in its thread."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)


def accepts_hash(hashed: str) -> bool:
    """Return whether passwords can be verified against a hash from elsewhere: its form is known, its cost bounded."""
    if hashed.startswith(_BCRYPT):
        cost = hashed[4:6]
        return BcryptHasher.identify(_usual(hashed)) and cost.isdigit() and int(cost) <= _BCRYPT_COST
    try:
        found = argon2.extract_parameters(hashed)
    except InvalidHashError:
        return False
    return found.memory_cost <= _ARGON2_KIB and found.time_cost <= _ARGON2_PASSES and found.parallelism <= _ARGON2_LANES


def _verify(hashed: str, password: str) -> Verified:
    if not accepts_hash(hashed):
        return Verified(matches=False)
    given = password.encode(errors="surrogatepass")
    of_bcrypt = hashed.startswith(_BCRYPT)
    try:
        # More than 72 bytes are an error for bcrypt 5; the libraries that made these hashes ignored the others.
        matches = _HASHES.verify(given[:_BCRYPT_BYTES] if of_bcrypt else given, _usual(hashed))
    except (UnknownHashError, ValueError):
        return Verified(matches=False)
    if matches and (len(given) <= _BCRYPT_BYTES if of_bcrypt else _ARGON2.check_needs_rehash(hashed)):
        return Verified(matches, _ARGON2.hash(given))
    return Verified(matches)


def _usual(hashed: str) -> str:
    """Return a hash of PHP's bcrypt under the prefix that Python's knows: they are the same function."""
    return "$2b$" + hashed[4:] if hashed.startswith("$2y$") else hashed


def _give_way() -> None:
    """Let the event loop go first where processors are scarce."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _overloaded(*, own: bool) -> ParleyError:
    return ParleyError("overloaded", "too many passwords are being checked", retry_after=QUEUE_SECONDS)
