"""Connections by cookie that are due to end: storage is asked whether their login was refreshed."""

from typing import Any

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.ports import Identity
from model.account import Login
from model.errors import TOKEN_EXPIRED
from model.room import User
from server.wire import renewals
from server.wire.renewals import Renewals
from storage.ports.errors import StorageUnavailable
from tests.support.accounts import NOW, account, login
from tests.support.chatting import Person
from tests.support.virtual import passes

LOGIN = login(account("ann"))
ANN = Identity(User("a_1", "Ann"), guest=False, role="user", login=LOGIN.login_id, by_cookie=True, expires=NOW)


class Logins:
    """One login, which storage finds after some attempts."""

    def __init__(self, found: Login | None, failures: int = 0) -> None:
        self._found = found
        self._failures = failures
        self.asked = 0

    async def find(self, login_id: str, now: int) -> Login | None:
        assert login_id == LOGIN.login_id
        self.asked += 1
        if self.asked <= self._failures:
            raise StorageUnavailable("unplugged")
        return self._found


def connected(chat: Chat, monkeypatch: pytest.MonkeyPatch, logins: Logins) -> tuple[Renewals, list[Person]]:
    monkeypatch.setattr(chat.parts.storage, "logins", logins)
    return Renewals(chat), [Person(chat, identity=ANN) for _ in range(3)]


async def test_all_connections_of_a_login_ask_once(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    logins: Any = Logins(replace(LOGIN, ends_at=NOW + 7))
    asking, people = connected(chat, monkeypatch, logins)
    lost = people[0].connection.ends
    for person in people:
        asking.ask(person.session)
    people[0].disconnect()  # meanwhile
    await passes(0.1)
    assert logins.asked == 1
    assert [person.connection.ends for person in people] == [lost, NOW + 7, NOW + 7]
    assert {person.connection.closed for person in people} == {None}
    asking.ask(people[1].session)  # the next time
    await passes(0.1)
    assert logins.asked == 2


async def test_a_login_that_has_ended_ends_its_connections(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, people = connected(chat, monkeypatch, Logins(None))
    people[0].disconnect()  # meanwhile
    for person in people:
        asking.ask(person.session)
    await passes(0.1)
    assert [person.connection.closed for person in people] == [None, TOKEN_EXPIRED, TOKEN_EXPIRED]
    assert people[1].last("error")["code"] == "unauthorized"


@pytest.mark.parametrize("failures", [renewals.TRIES - 1, renewals.TRIES])
async def test_storage_may_be_away_for_half_a_minute(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    asking, people = connected(chat, monkeypatch, Logins(LOGIN, failures))
    asking.ask(people[0].session)
    await passes(renewals.PAUSE_SECONDS * (renewals.TRIES - 2))
    assert people[0].connection.closed is None
    await passes(renewals.PAUSE_SECONDS * 3)
    assert people[0].connection.closed == (TOKEN_EXPIRED if failures == renewals.TRIES else None)
