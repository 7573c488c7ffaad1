"""The queue for hashing passwords, and what the response reveals."""

import asyncio
import threading
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from chat.chat import Chat
from chat.handlers.manage import direct_name
from chat.rooms.makers import Makers
from chat.rooms.parts import ATTEMPTS_BURST, NETWORK_ATTEMPTS
from chat.rooms.passwords import WAITING, Passwords
from model.errors import ParleyError
from tests.support.chatting import Person
from tests.support.virtual import VirtualLoop, passes
from tests.support.world import Plainly
from tests.unit.chat.people import account, ask, code_of, created, id_of
from utils.fairness import Party


class SlowHasher:
    """Replaces Argon2: records its callers, and waits until it is released."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.came: list[str] = []

    def hash(self, password: str) -> str:
        self.may.wait()
        self.came.append(password)
        return f"hashed {password}"

    def verify(self, hashed: str, password: str) -> bool:
        self.may.wait()
        self.came.append(password)
        return hashed == f"hashed {password}"


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowHasher]:
    slow = SlowHasher()
    monkeypatch.setattr("chat.rooms.passwords._HASHER", slow)
    yield slow
    slow.may.set()


def at(number: int, person: str = "p") -> Party:
    """Return a party with a network of its own."""
    return Party(f"192.0.2.{number}", f"g_{person}{number}")


async def all_of(*tasks: asyncio.Future[Any]) -> list[Any]:
    """Return their results or errors, which come from a thread while no virtual time passes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    with loop.standing_still():
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_hashing_for_new_rooms_does_not_delay_joins(hasher: SlowHasher) -> None:
    passwords = Passwords()
    making = [asyncio.ensure_future(passwords.hash(f"room {number}", at(number))) for number in range(60)]
    await passes()
    friend = asyncio.ensure_future(passwords.matches("hashed friend", "friend", at(99)))
    await passes()
    hasher.may.set()
    assert (await all_of(friend, *making))[0] is True
    assert hasher.came.index("friend") <= 2
    passwords.close()


async def test_hashing_alternates_between_addresses_and_their_users(hasher: SlowHasher) -> None:
    passwords = Passwords()
    order = [(1, "a"), (1, "a"), (1, "b"), (1, "c"), (2, "a"), (3, "a")]
    tasks = [
        asyncio.ensure_future(passwords.matches("x", f"{number}{person}", at(number, person)))
        for number, person in [(0, "first"), *order]
    ]
    await passes()
    hasher.may.set()
    await all_of(*tasks)
    assert hasher.came == ["0first", "1a", "2a", "3a", "1b", "1c", "1a"]
    passwords.close()


@pytest.mark.parametrize("kind", ["hash", "matches"])
async def test_queued_hashing_is_bounded_per_user_and_in_total(hasher: SlowHasher, kind: str) -> None:
    passwords = Passwords()

    def asking(asker: Party) -> asyncio.Future[Any]:
        work = passwords.hash("x", asker) if kind == "hash" else passwords.matches("x", "x", asker)
        return asyncio.ensure_future(work)

    first = asking(at(0))  # already running
    await passes()
    person = [asking(at(1)) for _ in range(WAITING + 1)]
    network = [asking(Party("198.51.100.1", f"g_{number}")) for number in range(4 * WAITING + 1)]
    left = (40 - 1 - 4) * WAITING
    others = [asking(at(100 + number)) for number in range(left + 1)]
    await passes()
    for group in (person, network, others):
        *waiting, refused = group
        assert not any(task.done() for task in waiting)
        error = refused.exception()
        assert isinstance(error, ParleyError)
        assert (error.code, error.retry_after) == ("overloaded", 1.0)
    hasher.may.set()
    await all_of(first, *person, *network, *others)
    assert len(hasher.came) == 1 + 40 * WAITING
    passwords.close()


async def test_an_abandoned_password_is_not_hashed(hasher: SlowHasher) -> None:
    passwords = Passwords()
    first, gone, last = (asyncio.ensure_future(passwords.hash(f"{n}", at(n))) for n in range(3))
    await passes()
    gone.cancel()
    await passes()
    hasher.may.set()
    await all_of(first, gone, last)
    assert hasher.came == ["0", "2"]
    passwords.close()


async def test_a_password_matches_in_any_unicode_composition() -> None:
    """Normalized to NFC in a new room; unchanged in a room created by an older version (RFC 8265, 4.2)."""
    passwords = Passwords()
    composed, apart = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    (stored,) = await all_of(asyncio.ensure_future(passwords.hash(apart, at(1))))
    PasswordHasher().verify(stored, composed)
    before = PasswordHasher().hash(apart)
    answers = await all_of(
        *(
            asyncio.ensure_future(passwords.matches(hashed, said, at(place)))
            for place, (hashed, said) in enumerate(
                [(stored, composed), (stored, apart), (before, apart), (stored, "cafe"), (None, composed)]
            )
        )
    )
    assert answers == [True, True, True, False, False]
    passwords.close()


# --- what the response reveals ---------------------------------------------------------------------------------------


class Counting(Plainly):
    """Records what was hashed and compared."""

    def __init__(self) -> None:
        super().__init__()
        self.compared: list[str | None] = []
        self.hashed: list[str] = []

    async def hash(self, password: str, asker: Party) -> str:
        self.hashed.append(password)
        return await super().hash(password, asker)

    async def matches(self, hashed: str | None, password: str, asker: Party) -> bool:
        self.compared.append(hashed)
        return await super().matches(hashed, password, asker)


@pytest.mark.parametrize("banned", [False, True])
async def test_an_attempt_at_a_hidden_room_looks_like_one_at_a_missing_room(chat: Chat, banned: bool) -> None:
    """With the same work and the same rate limit."""
    counting = chat.parts.passwords = Counting()
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, "locked", password="sesame")
    await created(chat, ann, "hidden", private=True)
    await ask(ann, "direct", user=id_of(ben))
    told: dict[str, list[Any]] = {}
    for room in ("locked", "hidden", "nothing", direct_name("u_ann", "u_ben"), "@nothing"):
        eve = account(chat, f"eve {room}")
        if banned and room in ("locked", "hidden"):
            assert await code_of(ann, "ban", room=room, user=id_of(eve)) == ""
        counting.compared.clear()
        answers = []
        for number in range(ATTEMPTS_BURST + 5):
            eve.send("join", id=f"{number}", room=room, create=False, password=f"{number}")
            await passes()
            errors = [frame for frame in eve.of("error") if frame.get("id") == f"{number}"]
            answers += [{**error, "room": ""} for error in errors]
        eve.send("join", id="none", room=room, create=False)
        await passes()
        told[room] = [answers, eve.errors()["none"], len(counting.compared)]
    answers, without, compared = told.pop("nothing")
    assert [answer["code"] for answer in answers] == ["no_such_room"] * ATTEMPTS_BURST + ["rate_limited"] * 5
    assert (without, compared) == ("no_such_room", ATTEMPTS_BURST)
    for other in told.values():
        for answer, expected in zip(other[0], answers, strict=True):
            after, same = answer.pop("retry_after", 0), expected.get("retry_after", 0)
            assert (answer, after) == (
                {key: value for key, value in expected.items() if key != "retry_after"},
                pytest.approx(same, abs=0.1),
            )
        assert other[1:] == [without, compared]


async def test_attempts_are_counted_by_name_by_principal_and_by_address(chat: Chat) -> None:
    chat.parts.passwords = Counting()
    people = [account(chat, f"p{number}") for number in range(NETWORK_ATTEMPTS * ATTEMPTS_BURST)]

    async def guess(person: Person, room: str) -> str:
        person.send("join", id="j", room=room, create=False, password="x")
        await passes(0)
        await passes(0)
        return person.errors()["j"]

    # One principal, many room names.
    codes = [await guess(people[0], f"room {number}") for number in range(ATTEMPTS_BURST + 1)]
    assert codes == ["no_such_room"] * ATTEMPTS_BURST + ["rate_limited"]
    # Many principals, one room name.
    codes = [await guess(person, "one") for person in people[1 : ATTEMPTS_BURST + 2]]
    assert codes == ["no_such_room"] * ATTEMPTS_BURST + ["rate_limited"]
    # Many principals of one address, many room names.
    for person in people:
        person.session.network = "192.0.2.1"
    codes = [await guess(person, f"{place}") for place, person in enumerate(people[1:])]
    assert codes[-1] == "no_such_room"
    others = [account(chat, f"q{number}") for number in range(2)]
    for person in others:
        person.session.network = "192.0.2.1"
    assert [await guess(person, person.session.user.id) for person in others] == ["no_such_room", "rate_limited"]


async def test_no_password_is_hashed_for_a_room_that_may_not_be_created(chat: Chat) -> None:
    counting = chat.parts.passwords = Counting()
    ann = account(chat, "ann")
    await created(chat, ann, "taken")
    assert await code_of(ann, "create_room", room="taken", password="x") == "room_exists"
    ann.session.network = "192.0.2.1"
    chat.parts.makers = Makers(1)
    assert await code_of(ann, "create_room", room="first", password="x") == ""
    for number in range(5):
        assert await code_of(ann, "create_room", room=f"{number}", password="x") == "too_many_rooms"
    assert counting.hashed == ["x"]


async def test_a_create_whose_hashing_failed_does_not_count_as_created(chat: Chat) -> None:
    class Full(Plainly):
        async def hash(self, password: str, asker: Party) -> str:
            raise ParleyError("overloaded", retry_after=1.0)

    chat.parts.passwords, ann = Full(), account(chat, "ann")
    ann.session.network = "192.0.2.1"
    chat.parts.makers = Makers(1)
    assert await code_of(ann, "create_room", room="x", password="x") == "overloaded"
    assert await code_of(ann, "create_room", room="x") == ""
