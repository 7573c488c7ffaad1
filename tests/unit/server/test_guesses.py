"""Failed guesses slow down further ones: for a name and an address, and less for a name over all addresses."""

import pytest

from model.account import guess_key
from model.errors import ParleyError
from server.accounts import guesses
from server.accounts.guesses import GuessDelays
from storage.memory.storage import MemoryStorage
from storage.ports.storage import Storage
from tests.support.accounts import At, noted

KEY = guess_key("login", "ann")
SECOND = 1_000_000


class Delays:
    """Delays with a clock, and a list of the seconds that requests were held."""

    def __init__(self, storage: Storage) -> None:
        self.clock = At()
        self.held: list[float] = []
        self.delays = GuessDelays(storage.secrets, self.clock, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.held.append(seconds)

    async def fail(self, network: str, times: int = 1) -> None:
        for _ in range(times):
            await self.delays.failed(KEY, network, noted("login_failed", at=self.clock.now))

    async def wait(self, network: str) -> float:
        """Return the seconds after which a guess goes on; 0 for now."""
        try:
            await self.delays.enter(KEY, network)
        except ParleyError as error:
            if error.code != "rate_limited":
                raise
            return error.retry_after or 0.0
        return 0.0


@pytest.fixture
def here() -> Delays:
    return Delays(MemoryStorage())


async def test_five_failures_are_free_and_then_the_delay_doubles(here: Delays) -> None:
    for _ in range(5):
        assert await here.wait("there") == 0.0
        await here.fail("there")
    for delay in (1.0, 2.0, 4.0, 8.0):
        assert await here.wait("there") == delay
        here.clock.now += round(delay * SECOND)
        assert await here.wait("there") == 0.0
        await here.fail("there")


async def test_a_clock_that_is_set_back_locks_no_user_out(here: Delays) -> None:
    await here.fail("there", 6)
    here.clock.now -= 3600 * SECOND
    assert await here.wait("there") == 0.0
    await here.fail("there")
    assert await here.wait("there") == 4.0, "nor does it let a guesser go on"


async def test_the_delay_of_an_address_ends_after_a_quarter_of_an_hour(here: Delays) -> None:
    await here.fail("there", 5000)
    assert await here.wait("there") == 900.0
    here.clock.now += 900 * SECOND
    assert await here.wait("there") == 0.0


async def test_after_twenty_wrong_codes_one_an_hour_is_tried(here: Delays) -> None:
    """From whatever addresses; a right one, or a reset, forgets them."""
    key = guess_key("code", "ann")
    for _ in range(guesses.CODES):
        await here.delays.enter_code(key)
        await here.delays.code_failed(key)
    for _ in range(2):
        with pytest.raises(ParleyError) as refused:
            await here.delays.enter_code(key)
        assert (refused.value.code, refused.value.retry_after) == ("rate_limited", 3600.0)
        here.clock.now += 3600 * SECOND
        await here.delays.enter_code(key)
        await here.delays.code_failed(key)
    await here.delays.forget_codes(key)
    await here.delays.enter_code(key)


async def test_an_attacker_does_not_lock_the_owner_out(here: Delays) -> None:
    """Failures from other addresses hold a request for 5 seconds at most, and never refuse it."""
    for n in range(100):
        await here.fail(f"attacker {n}", 10)
    assert await here.wait("owner") == 0.0
    assert here.held == [5.0]


async def test_failures_over_all_addresses_hold_requests_by_their_number(here: Delays) -> None:
    await here.fail("there", 4)
    assert await here.wait("owner") == 0.0
    assert here.held == [0.4]


async def test_a_right_password_forgets_the_failures_of_its_address_alone(here: Delays) -> None:
    await here.fail("there", 6)
    await here.fail("elsewhere", 6)
    await here.delays.succeeded(KEY, "there")
    assert await here.wait("there") == 0.0
    assert await here.wait("elsewhere") > 0.0


async def test_names_that_no_account_has_are_counted_as_well(here: Delays) -> None:
    """The answers to an unknown name do not differ from those to a known one."""
    for _ in range(5):
        await here.delays.failed(guess_key("login", "nobody"), "there", noted("login_failed", at=here.clock.now))
    with pytest.raises(ParleyError):
        await here.delays.enter(guess_key("login", "nobody"), "there")


async def test_one_address_cannot_try_many_names(here: Delays) -> None:
    for n in range(100):
        await here.delays.enter(guess_key("login", f"name {n}"), "there")
    with pytest.raises(ParleyError) as refused:
        await here.delays.enter(guess_key("login", "one more"), "there")
    assert refused.value.code == "rate_limited"
    here.clock.now += SECOND
    await here.delays.enter(guess_key("login", "one more"), "there")


async def test_held_requests_are_bounded(here: Delays, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of an address are held, the next is refused; above the number in all, requests go on at once."""
    await here.fail("attacker", 50)
    monkeypatch.setattr(guesses, "HELD_ALL", 3)
    waiting: list[float] = []

    async def hold(seconds: float) -> None:
        waiting.append(seconds)
        if len(waiting) < 4:
            waits.append(await here.wait("owner" if len(waiting) < 3 else "another"))

    waits: list[float] = []
    monkeypatch.setattr(here.delays, "_sleep", hold)
    assert await here.wait("owner") == 0.0
    # Two of the owner are held, then its third is refused.
    assert waiting == [5.0, 5.0]
    assert waits == [5.0, 0.0]
    monkeypatch.setattr(guesses, "HELD_ALL", 0)
    assert await here.wait("third") == 0.0
    assert waiting == [5.0, 5.0]
