"""Guests who connect before the server knows the secret with which their tokens are signed, and thereafter."""

from collections.abc import AsyncIterator

import pytest

from chat.chat import Chat
from chat.handlers.sessions import SESSIONS_PER_TURN
from chat.ports import Identity
from chat.rooms.storing import FIRST_SECONDS
from model.limits import GUEST_SECONDS
from model.room import User
from server.auth.tokens import JwtTokens, sign_account
from tests.support.chatting import BY_PATH, START_US, Person, chatting, signer
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes

SECRET = b"s" * 32


@pytest.fixture
def repository() -> FaultyRepository:
    """Storage to which nothing is connected yet."""
    repository = FaultyRepository()
    repository.starting()
    return repository


@pytest.fixture
async def chat(repository: FaultyRepository) -> AsyncIterator[Chat]:
    async with chatting(repository, secret="") as opened:
        yield opened


def learn(chat: Chat, secret: bytes = SECRET) -> None:
    assert isinstance(chat.parts.tokens, JwtTokens)
    if chat.parts.tokens.learn(secret, None):
        chat.send_tokens()


def token_of(chat: Chat, id: str) -> str:
    """A token from the time before the restart."""
    before = signer(chat.parts.clock, "")
    before.learn(SECRET, None)
    return before.mint(Identity(User(id, "ann"), guest=True))


async def test_a_guest_receives_a_token_once_it_can_be_signed(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    ann.say("one", "1")
    assert ann.token == ""
    await passes(1)
    learn(chat)
    repository.started()
    await passes(0.1)
    first, second = ann.of("welcome")
    assert second == {**first, "token": ann.token}
    assert ann.token
    ann.disconnect()
    back = Person(chat, token=ann.token)
    back.send("join", room="general")
    back.say("one", "1", resend=True)
    await passes(0.1)
    assert back.acked() == ann.acked()
    assert await repository.stored() == ["one"]


async def test_only_guests_who_have_tokens_are_sent_one(chat: Chat) -> None:
    pat = Person(chat, "pat", "general", dialect=BY_PATH["/chat"])
    bea = Person(chat, identity=Identity(User("u_1", "bea"), guest=False, role="user"))
    ann = Person(chat, "ann")
    gone = Person(chat, "gone")
    gone.session.end()
    learn(chat)
    await passes()
    assert not pat.connection.writes
    assert [len(each.of("welcome")) for each in (bea, ann, gone)] == [1, 2, 1]


async def test_many_guests_receive_their_tokens_in_turns(chat: Chat) -> None:
    guests = [Person(chat) for _ in range(SESSIONS_PER_TURN + 2)]
    learn(chat)
    await passes()
    assert all(guest.token for guest in guests)
    learn(chat)  # the same
    await passes()
    assert all(len(guest.of("welcome")) == 2 for guest in guests)
    learn(chat, b"t" * 32)  # of another database
    await passes()
    assert all(len({frame["token"] for frame in guest.of("welcome")}) == 3 for guest in guests)


async def test_a_hello_waits_until_the_token_can_be_verified(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat)
    ann.send("hello", id="h", token=token_of(chat, "g_ann"))
    ann.send("join", id="j", room="general")
    ann.say("hello", "m")
    await passes(FIRST_SECONDS - 0.1)
    assert ann.types() == ["welcome"]
    learn(chat)
    repository.started()
    await passes(0.1)
    assert ann.last("welcome")["id"] == "h"
    assert ann.last("welcome")["user"] == {"id": "g_ann", "name": "ann"}
    assert [frame["sender_id"] for frame in ann.of("message")] == ["g_ann"]
    assert not ann.of("error")


async def test_a_token_that_cannot_be_verified_in_time_is_refused_for_now(
    chat: Chat, repository: FaultyRepository
) -> None:
    """And the client gets no other identity for it: it tries again."""
    ann = Person(chat)
    before = ann.session.user
    for number in range(2):  # the second one takes another way to its answer
        ann.send("hello", id=f"h{number}", token=token_of(chat, "g_ann"))
        await passes(FIRST_SECONDS + 0.1)
        refused = ann.last("error")
        assert (refused["id"], refused["code"], refused["retryable"]) == (f"h{number}", "unavailable", True)
        assert refused["retry_after"]
    assert ann.session.user == before
    assert len(ann.of("welcome")) == 1
    learn(chat)
    repository.started()
    ann.send("hello", id="again", token=token_of(chat, "g_ann"))
    await passes(0.1)
    assert ann.last("welcome")["user"]["id"] == "g_ann"


async def test_a_server_that_waits_for_another_one_refuses_a_token_at_once(
    chat: Chat, repository: FaultyRepository
) -> None:
    repository.standby = "another server is writing"
    repository.started()
    ann = Person(chat)
    ann.send("hello", id="h", token=token_of(chat, "g_ann"))
    await passes(0.1)
    assert ann.errors() == {"h": "unavailable"}


async def test_an_account_does_not_wait_for_the_secret_of_guests(chat: Chat) -> None:
    ann = Person(chat)
    token = sign_account("secret", userid="1", username="ann", role="user", expires=START_US / 1_000_000 + 60)
    for number in "12":
        ann.send("hello", id=number, token=token)
        await passes()
        assert ann.last("welcome")["id"] == number
    learn(chat)
    await passes()
    assert len(ann.of("welcome")) == 3


async def test_a_guest_of_an_earlier_version_keeps_the_identity_if_they_return_within_30_days() -> None:
    async with chatting() as chat:
        tokens = chat.parts.tokens
        assert isinstance(tokens, JwtTokens)
        tokens.learn(None, chat.parts.clock.now_us())
        former = tokens._former_keys[0].sign({"sub": "g_ann", "name": "ann", "exp": 2**40})
        await passes(GUEST_SECONDS - 1)
        ann = Person(chat, token=former)
        assert ann.session.user.id == "g_ann"
        await passes(1)
        late, back = Person(chat, token=former), Person(chat, token=ann.token)
        assert late.last("error")["code"] == "unauthorized"
        assert late.session.user.id != "g_ann"
        assert back.session.user.id == "g_ann"
