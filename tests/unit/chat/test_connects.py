"""What a connect costs, by its causes: after a deploy every client connects at once."""

from collections.abc import Awaitable
from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Identity
from chat.queries.resume import AT_ONCE
from chat.rooms import members, storing
from chat.rooms.pacing import COMMANDS_BURST
from chat.rooms.parts import Parts
from chat.rooms.presence import CROWD
from model.events import Joined, RoomInfo
from model.room import User
from server.dialects import NATIVE, ws_frames
from server.wire.websocket import WebSocketConnection
from tests.support.chatting import BY_PATH, Person
from tests.support.virtual import passes
from tests.unit.server.connections import PLACE, UPGRADE, Outcome, Transport, World
from utils.encoding import EncodedOnce, to_json

BEN = Identity(User("u_1", "ben"), guest=False, role="user")


@pytest.fixture
def signed(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
    """Record whose tokens were signed."""
    identities: list[Identity] = []
    mint = chat.parts.tokens.mint

    def noted(identity: Identity) -> str:
        identities.append(identity)
        return mint(identity)

    monkeypatch.setattr(chat.parts.tokens, "mint", noted)
    return identities


@pytest.mark.parametrize("path", BY_PATH)
async def test_no_token_is_signed_for_a_client_that_would_not_receive_it(
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
    """Record the users who were encoded for snapshots."""
    people: list[Any] = []

    def noted(person: Any) -> bytes:
        people.append(person)
        return to_json(person)

    monkeypatch.setattr("utils.encoding.to_json", noted)
    return people


async def test_clients_that_join_together_share_one_snapshot(chat: Chat, encoded: list[Any]) -> None:
    """Each user is encoded once for all snapshots, and only if a snapshot shows them."""
    people = [Person(chat, f"user{number}") for number in range(CROWD + 50)]
    people[0].send("join", room="den")
    await passes()
    encoded.clear()
    for person in people[1:100]:
        person.send("join", room="den")
    await passes(0.1)
    assert encoded == [person.session.user for person in people[1:100]]
    for person in people[100:]:
        person.send("join", room="den")
    await passes(0.1)
    assert len(encoded) == CROWD - 1
    names = [f"user{number}" for number in range(CROWD)]
    for number, person in enumerate(people):
        snapshot = person.last("joined")
        assert [user["name"] for user in snapshot["members"]] == names[: number + 1]
        assert snapshot["count"] == number + 1


@pytest.mark.parametrize("change", ["leave", "rename"])
async def test_a_snapshot_includes_changes_since_the_previous_one(chat: Chat, encoded: list[Any], change: str) -> None:
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


def test_a_snapshot_in_another_dialect_is_also_encoded_once(encoded: list[Any]) -> None:
    users = EncodedOnce([User("w_1", "ann"), User("g_2", "ben")])
    joined = Joined("den", "e_1", 0, True, "member", users, 2, RoomInfo("public"))
    first = BY_PATH["/ws"].frame(joined)
    assert encoded == [ws_frames.Person("1", "ann", "claimed"), ws_frames.Person("g_2", "ben", "guest")]
    assert BY_PATH["/ws"].frame(joined) == first
    assert len(encoded) == 2


async def test_the_first_command_needs_no_bucket_but_still_counts(chat: Chat) -> None:
    ann = Person(chat, "ann", "den")
    await passes()
    assert isinstance(ann.session.commands, float)
    for number in range(COMMANDS_BURST):
        ann.send("ping", id=f"{number}")
    assert ann.errors() == {f"{COMMANDS_BURST - 1}": "rate_limited"}, "the join was one of them"


@pytest.mark.parametrize("missed", [0, 1, AT_ONCE, AT_ONCE + 1])
async def test_a_short_resume_takes_one_write_and_no_task(chat: Chat, missed: int) -> None:
    """After a deploy nearly every client does this: a task and a second write would cost a fifth of its resume."""
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    ben.disconnect()
    for number in range(missed):
        ann.say(f"{number}")
    await passes()
    joined = ben.last("joined")
    back = Person(chat, "ben")
    back.forget()
    back.send("join", room="general", since=joined["head"], epoch=joined["epoch"])
    at_once = missed <= AT_ONCE
    assert back.session.busy is not at_once
    if at_once:
        assert len(back.connection.writes) == 1
    await passes()
    assert [kind for kind in back.types() if kind != "presence"] == ["joined", *["message"] * missed, "synced"]
    ann.say("live")
    await passes()
    assert back.heard() == [*map(str, range(missed)), "live"]
    assert back.last("joined")["recovered"]


def test_the_first_frame_and_the_upgrade_response_are_one_write() -> None:
    outcome = Outcome()
    world = World(outcome)
    connect = world.connect

    def greet(connection: WebSocketConnection, *rest: object, **named: Any) -> None:
        connect(connection, *rest, **named)
        connection.write(b"first")
        connection.write(b"second")

    world.connect = greet  # type: ignore[method-assign]
    connection = WebSocketConnection(world, PLACE)  # type: ignore[arg-type]
    transport = Transport(outcome)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.start(UPGRADE)
    head, _, frame = outcome.sent[0].rpartition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert [frame, *outcome.sent[1:]] == [b"first", b"second"]
    assert connection.write == transport.write, "later frames take no detour"


async def test_a_join_that_reads_a_row_asks_storage_once(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query sets a timer, and a row may be among the room's pending writes."""
    ann = Person(chat, "ann")
    ann.send("create_room", room="den", title="")
    await passes()
    questions: list[object] = []

    def noted(parts: Parts, read: Awaitable[Any]) -> Awaitable[Any]:
        questions.append(read)
        return storing.ask(parts, read)

    monkeypatch.setattr(members, "ask", noted)
    ben, cleo = Person(chat, "ben"), Person(chat, "cleo")
    for person in (ben, cleo):  # the row of the first is not stored yet when the second joins
        person.send("join", room="den")
    await passes()
    assert [len(ben.of("joined")), len(cleo.of("joined")), len(questions)] == [1, 1, 2]
