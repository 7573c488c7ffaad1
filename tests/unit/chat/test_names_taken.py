"""A guest may not have a name that looks like the username of an account."""

import pytest

from chat.chat import Chat
from chat.one_shot import CommandRunner
from chat.ports import Identity
from model.commands import PostMessage
from model.errors import REFUSED, ParleyError
from model.events import Ack
from model.lookalikes import skeleton
from model.room import User
from tests.support.chatting import BY_PATH, Person
from tests.support.virtual import passes
from tests.unit.chat.people import RoomsPerson, account, created


class Taken:
    """Some usernames."""

    def __init__(self, *names: str) -> None:
        self._looks = {skeleton(name) for name in names}

    def is_taken(self, name: str) -> bool:
        return skeleton(name) in self._looks


@pytest.fixture
async def taken(chat: Chat) -> Chat:
    chat.parts.names = Taken("zoe")
    return chat


@pytest.mark.parametrize("name", ["zoe", "Zoe", "ZOE", "zоe"])
async def test_a_guest_who_asks_for_it_gets_a_generated_one(taken: Chat, name: str) -> None:
    guest = Person(taken, name)
    error = guest.last("error")
    assert (error["code"], error["field"]) == ("reserved_name", "u")  # as for other names that are refused
    assert guest.last("welcome")["user"]["name"].startswith("guest-")
    assert guest.connection.closed is None


async def test_a_connection_bound_to_its_address_is_closed(taken: Chat) -> None:
    plain = Person(taken, "Zoe", "lobby", dialect=BY_PATH["/chat"])
    assert plain.connection.closed == REFUSED
    assert "this name belongs to an account" in str(plain.frames)


async def test_a_token_from_before_does_not_keep_it(chat: Chat) -> None:
    before = Person(chat, "zoe")
    chat.parts.names = Taken("zoe")
    again = Person(chat, token=before.token)
    await passes(0.1)
    assert again.last("error")["code"] == "reserved_name"
    assert again.session.user.name.startswith("guest-")
    renamed = Person(chat, "zora", token=before.token)
    await passes(0.1)
    assert renamed.session.user == User(before.session.user.id, "zora")
    at_the_handshake = Person(chat, identity=Identity(before.session.user, guest=True))
    assert at_the_handshake.connection.closed == REFUSED


async def test_a_claimed_name_is_refused(taken: Chat) -> None:
    rooms = RoomsPerson(taken)
    rooms.join("7", "ZOE")
    await passes(0.1)
    assert rooms.codes() == ["reserved_name"]
    rooms.join("7", "zora")
    await passes(0.1)
    assert rooms.codes() == ["reserved_name", "no_such_room"]


async def test_a_guest_cannot_post_under_it_over_http(taken: Chat, runner: CommandRunner) -> None:
    await created(taken, account(taken, "ann"))
    post = PostMessage(id="m", room="lobby", content="hello")
    with pytest.raises(ParleyError) as refused:
        await runner.run(Identity(User("g_7", "zoe"), guest=True), post, Ack)
    assert refused.value.code == "reserved_name"
    await runner.run(Identity(User("u_7", "zoe"), guest=False, role="user"), post, Ack)
