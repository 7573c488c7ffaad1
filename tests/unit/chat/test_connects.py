"""What a connect costs, by its causes: after a deploy every client connects at once."""

import pytest

from chat.chat import Chat
from chat.ports import Identity
from model.room import User
from server.dialects import NATIVE
from tests.support.chatting import BY_PATH, Person
from tests.support.virtual import passes

BEN = Identity(User("u_1", "ben"), guest=False, role="user")


@pytest.fixture
def signed(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
    """Whose tokens were signed."""
    identities: list[Identity] = []
    mint = chat.tokens.mint

    def noted(identity: Identity) -> str:
        identities.append(identity)
        return mint(identity)

    monkeypatch.setattr(chat.tokens, "mint", noted)
    return identities


@pytest.mark.parametrize("path", BY_PATH)
async def test_no_token_is_signed_for_a_client_that_never_gets_it(
    chat: Chat, signed: list[Identity], path: str
) -> None:
    dialect = BY_PATH[path]
    guest = Person(chat, "ann", "den", dialect=dialect)
    user = Person(chat, None, "den", dialect=dialect, identity=BEN)
    await passes()
    assert guest.session.identity is not None
    assert user.session.identity is not None
    assert not signed


async def test_one_token_is_signed_for_each_welcome(chat: Chat, signed: list[Identity]) -> None:
    ann = Person(chat, "ann", "den", dialect=NATIVE)
    await passes()
    assert signed == [ann.session.identity]
    ann.send("hello", token=ann.token)
    assert signed == [ann.session.identity] * len(ann.of("welcome"))
