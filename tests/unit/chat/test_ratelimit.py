"""Rate limits of one principal, and of all guests of one address, across connections."""

import pytest

from chat.delivery.ratelimit import Allowances, Rate, TokenBucket
from chat.one_shot import CommandRunner
from chat.ports import Identity
from model import commands
from model.errors import ParleyError
from model.events import Ack
from model.room import User
from tests.support.chatting import BY_PATH, Person, chatting, limits
from tests.support.virtual import passes
from tests.unit.chat.people import account, code_of

TALKATIVE = limits(messages_per_second=20.0, messages_burst=60)
HERE, THERE = "192.0.2.1", "192.0.2.2"


# --- buckets ---------------------------------------------------------------------------------------------------------


def test_a_bucket_is_shared_by_its_holders_and_kept_until_full() -> None:
    allowances = Allowances(rate=1.0, burst=5)
    held = allowances.of("ann", 0.0)
    assert allowances.of("ann", 0.0) is held
    assert [allowances.take("ben", 0.0) for _ in range(6)] == [0.0] * 5 + [1.0]
    for number in range(10):  # forgotten here, but not by its holder
        allowances.take(f"other {number}", 100.0)
    assert allowances.of("ann", 100.0) is held
    assert allowances.take("ben", 100.0) == 0.0


def test_a_spent_bucket_stays_spent_after_its_last_holder() -> None:
    allowances = Allowances(rate=1.0, burst=5)
    held = allowances.of("ann", 0.0)
    held.take(0.0)
    for number in range(10):  # it is full again, and forgotten here
        allowances.take(f"other {number}", 100.0)
    assert [held.take(100.0) for _ in range(5)] == [0.0] * 5
    allowances.keep("ann", held)
    del held
    assert allowances.take("ann", 100.0) > 0


def test_a_bucket_is_not_forgotten_before_the_first_token_is_taken() -> None:
    allowances = Allowances(rate=1.0, burst=1)
    one, other = allowances.of("one", 0.0), allowances.of("other", 0.0)
    assert (one.take(0.0), other.take(0.0)) == (0.0, 0.0)
    del one, other
    assert (allowances.take("one", 0.0), allowances.take("other", 0.0)) == (1.0, 1.0)


def test_only_full_buckets_are_forgotten() -> None:
    allowances = Allowances(rate=1.0, burst=5)
    for _ in range(5):
        allowances.take("busy", 0.0)
    for number in range(1000):
        allowances.take(f"other {number}", number / 500)
    assert len(allowances) > 400  # those of the last second
    assert allowances.take("busy", 2.0) == 0.0
    assert allowances.take("busy", 2.0) == 0.0
    assert allowances.take("busy", 2.0) == 1.0
    for number in range(1000):
        allowances.take(f"later {number}", 100.0 + number)
    assert len(allowances) <= 2


def test_allowances_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.delivery.ratelimit.ALLOWANCES", 10)
    allowances = Allowances(rate=0.001, burst=2)
    for number in range(100):
        allowances.take(f"{number}", 0.0)
    assert len(allowances) == 10
    assert allowances.take("99", 0.0) == 0.0
    assert allowances.take("99", 0.0) > 0


def test_a_returned_token_can_be_taken_again() -> None:
    bucket = Allowances(rate=1.0, burst=2).of("ann", 0.0)
    bucket.give()
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    bucket.give()
    assert bucket.take(0.0) == 0.0


def test_more_tokens_than_there_are_can_be_spent_and_must_be_earned() -> None:
    bucket = TokenBucket(rate=1.0, burst=2, now=0.0)
    bucket.spend(0.0, 5.0)
    assert bucket.take(0.0) == 4.0
    assert bucket.take(3.0) == 1.0
    assert bucket.take(4.0) == 0.0
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 1.0]


# --- messages --------------------------------------------------------------------------------------------------------


def said(person: Person, count: int) -> int:
    """Post this many messages; return how many are accepted."""
    before = len(person.of("error"))
    for number in range(count):
        person.say(f"{number}")
    return count - (len(person.of("error")) - before)


async def test_guests_of_one_address_share_one_message_rate() -> None:
    async with chatting(limits=TALKATIVE, guest_messages=Rate(10, 100)) as chat:
        guests = [Person(chat, f"p{number}", "general", network=HERE) for number in range(30)]
        other = Person(chat, "other", "general", network=THERE)
        nowhere = Person(chat, "nowhere", "general")
        ann = account(chat, "ann")
        ann.session.network = HERE
        ann.send("join", room="general")
        await passes()
        assert sum(said(guest, 10) for guest in guests) == 100
        fresh = Person(chat, "fresh", "general", network=HERE)
        await passes()
        assert said(fresh, 1) == 0
        assert fresh.last("error")["code"] == "rate_limited"
        assert fresh.last("error")["retry_after"] > 0
        assert [said(person, 60) for person in (ann, other, nowhere)] == [60, 60, 60]
        await passes(1)
        assert sum(said(guest, 10) for guest in guests) in (10, 11, 12, 13)


async def test_http_and_all_dialects_count_toward_the_address_rate() -> None:
    """Over HTTP, in the other dialects, and with commands that are broadcast to a whole room."""
    async with chatting(limits=TALKATIVE, guest_messages=Rate(0.001, 4)) as chat:
        runner, keeper = CommandRunner(chat), account(chat, "keeper")
        keeper.send("create_room", room="general")
        await passes()
        guest = Identity(User("g_1", "guest"), guest=True)

        async def post(who: Identity, id: str) -> str:
            try:
                command = commands.PostMessage(id=id, room="general", content="x")
                await runner.run(who, command, Ack, address=HERE, network=HERE)
            except ParleyError as error:
                return error.code
            return ""

        assert await post(guest, "1") == ""
        native = Person(chat, "native", "general", network=HERE)
        plain = Person(chat, "plain", "general", dialect=BY_PATH["/chat"], network=HERE)
        await passes(1)
        assert await code_of(native, "message", room="general", content="x") == ""
        seq = native.last("message")["seq"]
        assert await code_of(native, "react", room="general", seq=seq, emoji="👍") == ""
        plain.forget()
        chat.receive(plain.session, "four")
        chat.receive(plain.session, "five")
        await passes()
        assert [frame["content"] for frame in plain.frames if frame["sender"] == "plain"] == ["four"]
        assert await code_of(native, "edit", room="general", seq=seq, content="y") == "rate_limited"
        assert await post(Identity(User("g_2", "guest"), guest=True), "2") == "rate_limited"
        assert await post(Identity(User("u_2", "ann"), guest=False), "3") == ""


async def test_a_user_without_a_limit_is_not_limited_by_address() -> None:
    async with chatting(guest_messages=Rate(1, 1)) as chat:
        guest = Person(chat, "ann", "general", network=HERE)
        await passes()
        assert said(guest, 100) == 100


# --- new guests ------------------------------------------------------------------------------------------------------


async def test_new_guests_of_an_address_are_rate_limited() -> None:
    async with chatting(new_guests=Rate(0.1, 3)) as chat:
        guests = [Person(chat, f"p{number}", "general", network=HERE) for number in range(5)]
        await passes()
        assert [person.types()[:1] for person in guests] == [["welcome"]] * 3 + [["error"]] * 2
        refusal = guests[4].last("error")
        assert (refusal["code"], refusal["retryable"], refusal["retry_after"]) == ("rate_limited", True, 10.0)
        assert Person(chat, "other", network=THERE).types() == ["welcome"]
        assert Person(chat, "nowhere").types() == ["welcome"]
        await passes(10)
        assert Person(chat, "again", network=HERE).types() == ["welcome"]


async def test_a_client_with_a_token_connects_despite_the_guest_limit() -> None:
    """Without using up the limit for others: the guests of an office that reconnects are not new."""
    async with chatting(new_guests=Rate(0.001, 2)) as chat:
        known = Person(chat, "known", network=HERE)
        token = known.token
        for _ in range(10):
            again = Person(chat, "known", token=token, network=HERE)
            assert again.types() == ["welcome", "welcome"]
            again.disconnect()
        assert Person(chat, "second", network=HERE).types() == ["welcome"]
        late = Person(chat, "late", "general", token=token, network=HERE)
        await passes()
        assert late.types()[:3] == ["error", "welcome", "joined"]


@pytest.mark.parametrize("path", ["/chat", "/api/chat"])
async def test_a_plain_client_over_the_guest_limit_is_disconnected_and_may_retry(path: str) -> None:
    async with chatting(new_guests=Rate(0.001, 1)) as chat:
        Person(chat, "first", network=HERE)
        page = Person(chat, "page", "general", dialect=BY_PATH[path], network=HERE)
        assert page.connection.closed is not None
        assert page.connection.closed.code == 1013


async def test_a_claimed_id_counts_as_a_new_guest() -> None:
    async with chatting(new_guests=Rate(0.001, 1)) as chat:
        Person(chat, "first", network=HERE)
        claims = Person(chat, dialect=BY_PATH["/ws"], network=HERE)
        assert [frame["payload"]["code"] for frame in claims.frames] == ["rate_limited"]
