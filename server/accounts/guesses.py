"""Failed guesses of passwords and codes slow down further ones, but never lock a user out.

They are counted in storage, under the name that was asked for, whether an account has it or not, so all servers count
together, and an answer does not tell whether there is such an account. Two delays follow:

- For a name and an address together, `FREE` guesses are free. After that each request is refused until a delay since
  the last failure is over, which doubles each time up to `MOST_SECONDS`.
- For a name over all addresses, requests are held for up to `HELD_SECONDS`, and then go on. They are not refused: an
  attacker with many addresses would lock the owner out.

A code of the second factor has six digits, and three codes are valid at a time: an attacker who knows the password and
has many addresses would find one. So wrong codes after a right password are also counted for the account alone, and
after `CODES` of them only one an hour is tried. Recovery codes are tried all the same, and a new password, by which
such an attacker is shut out, forgets the failures.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from chat.delivery.ratelimit import Allowances, Rate, rate_limited
from model.audit import AuditEntry
from storage.ports.secrets import SecretRepository
from utils.clock import Clock

FREE = 5
MOST_SECONDS = 900.0
HELD_SECONDS = 5.0
# Requests that are held at once: of one address, after which the next is refused, and in all, after which they go on at
# once: held requests take memory, and no attacker may use up all places of the owner.
HELD_EACH, HELD_ALL = 2, 200
# Wrong codes of an account, after which one is tried each `CODE_SECONDS`.
CODES = 20
CODE_SECONDS = 3600.0
# Attempts from one address, whatever the names are.
ATTEMPTS = Rate(1.0, 100.0)


class GuessDelays:
    """The delays of one server.

    Args:
        sleep: waits for some seconds; tests pass another one.
    """

    def __init__(
        self, secrets: SecretRepository, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._sleep = sleep
        self._attempts = Allowances(*ATTEMPTS)
        self._held: Counter[str] = Counter()

    async def enter(self, key: bytes, network: str) -> None:
        """Let a guess go on, or refuse it, before any work for it.

        Args:
            key: of `model.account.guess_key`.
            network: of the client, never empty.

        Raises:
            ParleyError: ``rate_limited``.
        """
        if wait := self._attempts.take(network, self._clock.monotonic()):
            raise rate_limited(wait)
        of_pair, of_all = await self._secrets.failures(key, network)
        if of_pair.failures >= FREE:
            delay = min(MOST_SECONDS, 2.0 ** min(of_pair.failures - FREE, 20))
            passed = self._since(of_pair.last_at)
            if passed < delay:
                raise rate_limited(delay - passed, message="too many wrong passwords or codes")
        await self._hold(network, min(HELD_SECONDS, of_all.failures / 10))

    async def enter_code(self, key: bytes) -> None:
        """Let a code of the second factor be tried, after a right password, or refuse it.

        Raises:
            ParleyError: ``rate_limited``.
        """
        _, counted = await self._secrets.failures(key, "")
        passed = self._since(counted.last_at)
        if counted.failures >= CODES and passed < CODE_SECONDS:
            raise rate_limited(CODE_SECONDS - passed, message="too many wrong codes")

    def _since(self, last_at: int) -> float:
        """Return the seconds since a failure. After a clock was set back, one may be in the future."""
        return abs(self._clock.now_us() - last_at) / 1e6

    async def code_failed(self, key: bytes) -> None:
        """Count a wrong code."""
        await self._secrets.failed(key, "", self._clock.now_us(), None)

    async def forget_codes(self, key: bytes) -> None:
        """Forget the wrong codes of an account."""
        await self._secrets.succeeded(key, "")

    async def _hold(self, network: str, seconds: float) -> None:
        if not seconds or self._held.total() >= HELD_ALL:
            return
        if self._held[network] >= HELD_EACH:
            raise rate_limited(seconds)
        self._held[network] += 1
        try:
            await self._sleep(seconds)
        finally:
            self._held[network] -= 1
            if not self._held[network]:
                del self._held[network]

    async def failed(self, key: bytes, network: str, entry: AuditEntry) -> None:
        """Count a failure."""
        await self._secrets.failed(key, network, entry.at, entry)

    async def succeeded(self, key: bytes, network: str) -> None:
        """Forget the failures from this network, once a guess was right."""
        await self._secrets.succeeded(key, network)
