"""What a connect costs, by its causes: after a deploy every client connects at once."""

from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Identity
from chat.rooms.pacing import COMMANDS_BURST
from chat.rooms.presence import CROWD
from model.events import Joined, RoomInfo
from model.room import User
from server.dialects import NATIVE, ws_frames
from tests.support.chatting import BY_PATH, Person
from tests.support.virtual import passes
from utils.encoding import EncodedOnce, to_json

BEN = Identity(User("u_1", "ben"), guest=False, role="user")


@pytest.fixture
def signed(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
    """Whose tokens were signed."""
    identities: list[Identity] = []
    mint = chat.parts.tokens.mint

    def noted(identity: Identity) -> str:
        identities.append(identity)
        return mint(identity)

    monkeypatch.setattr(chat.parts.tokens, "mint", noted)
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


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The people who were encoded for snapshots."""
    people: list[Any] = []

    def noted(person: Any) -> bytes:
        people.append(person)
        return to_json(person)

    monkeypatch.setattr("utils.encoding.to_json", noted)
    return people


async def test_clients_that_join_together_share_one_snapshot(chat: Chat, encoded: list[Any]) -> None:
    """Each person is encoded once for all snapshots, and nobody whom no snapshot shows."""
    people = [Person(chat, f"user{number}") for number in range(CROWD + 50)]
    people[0].send("join", room="den")
    await passes()
    encoded.clear()
    for person in people[1:100]:  # in one turn
        person.send("join", room="den")
    assert encoded == [person.session.user for person in people[1:100]]
    for person in people[100:]:
        person.send("join", room="den")
    assert len(encoded) == CROWD - 1
    names = [f"user{number}" for number in range(CROWD)]
    for number, person in enumerate(people):
        snapshot = person.last("joined")
        assert [user["name"] for user in snapshot["members"]] == names[: number + 1]
        assert snapshot["count"] == number + 1


@pytest.mark.parametrize("change", ["leave", "rename"])
async def test_a_snapshot_shows_what_has_changed_since_the_one_before(
    chat: Chat, encoded: list[Any], change: str
) -> None:
    ann, *_ = (Person(chat, name, "den") for name in ("ann", "ben", "cleo"))
    await passes()
    if change == "leave":
        ann.send("leave", room="den")
    else:
        Person(chat, "anna", "den", token=ann.token)
    dan = Person(chat, "dan", "den")
    await passes()
    encoded.clear()
    eve = Person(chat, "eve", "den")
    await passes()
    assert encoded == [eve.session.user]
    renamed = [] if change == "leave" else ["anna"]
    shown = [user["name"] for user in eve.last("joined")["members"]]
    assert shown == [*renamed, "ben", "cleo", "dan", "eve"]
    assert dan.last("joined")["members"] == eve.last("joined")["members"][:-1]


def test_a_snapshot_in_words_of_another_dialect_is_made_once_too(encoded: list[Any]) -> None:
    users = EncodedOnce([User("w_1", "ann"), User("g_2", "ben")])
    joined = Joined("den", "e_1", 0, True, "member", users, 2, RoomInfo("public"))
    first = BY_PATH["/ws"].frame(joined)
    assert encoded == [ws_frames.Person("1", "ann"), ws_frames.Person("g_2", "ben")]
    assert BY_PATH["/ws"].frame(joined) == first
    assert len(encoded) == 2


async def test_a_client_that_has_sent_one_command_has_no_bucket_and_the_next_ones_count_it(chat: Chat) -> None:
    ann = Person(chat, "ann", "den")
    await passes()
    assert isinstance(ann.session.commands, float)
    for number in range(COMMANDS_BURST):
        ann.send("ping", id=f"{number}")
    assert ann.errors() == {f"{COMMANDS_BURST - 1}": "rate_limited"}, "the join was one of them"
