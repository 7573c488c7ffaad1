"""The identity of a session that connects with a token, or that only claims an id."""

import pytest

from chat.chat import Chat
from chat.ports import Identity
from model.commands import Claim, Join
from model.room import User
from tests.support.chatting import BY_PATH, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import RoomsPerson

ACCOUNT = Identity(User("u_7", "ann"), guest=False, role="user")
GUEST = Identity(User("g_7", "ann"), guest=True)


# --- a token at the handshake ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("guests", [True, False])
async def test_an_account_is_identified_from_the_first_frame(repository: FaultyRepository, guests: bool) -> None:
    async with chatting(repository, guests=guests) as chat:
        ann = Person(chat, "somebody", "general", identity=ACCOUNT)
        await passes()
        welcome = ann.last("welcome")
        assert welcome["user"] == {"id": "u_7", "name": "ann"}, "the name is the account's, not the address's"
        assert (welcome["guest"], welcome["token"]) == (False, "")
        assert ann.last("joined")["members"] == [{"id": "u_7", "name": "ann"}]
        assert ann.session.identity == ACCOUNT
        assert not ann.errors()


async def test_an_invalid_name_in_the_address_is_ignored_for_an_account(chat: Chat) -> None:
    ann = Person(chat, "SYSTEM", identity=ACCOUNT)
    assert not ann.errors()
    assert ann.connection.closed is None


async def test_a_guest_token_keeps_the_identity_and_takes_the_name_in_the_address(chat: Chat) -> None:
    assert Person(chat, identity=GUEST).last("welcome")["user"] == {"id": "g_7", "name": "ann"}
    renamed = Person(chat, "anna", identity=GUEST)
    assert renamed.last("welcome")["user"] == {"id": "g_7", "name": "anna"}
    again = Person(chat, token=renamed.token)
    assert again.last("welcome")["user"] == {"id": "g_7", "name": "anna"}


async def test_a_token_identifies_the_whole_connection(chat: Chat) -> None:
    ann, ben = Person(chat, identity=ACCOUNT), Person(chat, "ben")
    ann.send("hello", id="h", token=ben.token)
    assert ann.errors() == {"h": "principal_fixed"}


async def test_an_account_joins_the_room_in_its_address_in_every_dialect(chat: Chat) -> None:
    person = Person(chat, None, "den", dialect=BY_PATH["/api/chat"], identity=ACCOUNT)
    await passes()
    assert person.frames == [{"event": "join", "userid": "7", "username": "ann"}]


# --- a claimed id ----------------------------------------------------------------------------------------------------


async def test_the_first_claimed_id_binds_the_connection(chat: Chat) -> None:
    ben = Person(chat, "ben", "general")
    await passes()
    ann = RoomsPerson(chat)
    ann.join("7", "ann")
    ann.ask("message", room_id="general", message="hi")
    await passes()
    assert ann.session.identity == Identity(User("w_7", "ann"), guest=True, role="claimed")
    assert {"user_id": "7", "user_name": "ann", "kind": "claimed"} in ann.payloads("joined")[0]["users"]
    assert ben.last("message")["sender_id"] == "w_7"
    assert ann.payloads("message")[0]["user_id"] == "7"


async def test_a_second_id_is_refused_and_joins_nothing(chat: Chat) -> None:
    Person(chat, "ben", "den")
    Person(chat, "ben", "general")
    await passes()
    ann = RoomsPerson(chat)
    ann.join("7", "ann")
    ann.join("8", "ann", "den")
    await passes()
    assert ann.codes() == ["principal_fixed"]
    assert list(ann.session.rooms) == ["general"]
    assert ann.session.user == User("w_7", "ann")


async def test_a_later_name_is_ignored(chat: Chat) -> None:
    Person(chat, "ben", "den")
    Person(chat, "ben", "general")
    await passes()
    ann = RoomsPerson(chat)
    ann.join("7", "ann")
    ann.join("7", "anna", "den")
    await passes()
    assert not ann.codes()
    assert set(ann.session.rooms) == {"general", "den"}
    assert ann.session.user == User("w_7", "ann")


async def test_a_refused_command_also_binds_its_id(chat: Chat) -> None:
    """The identity does not depend on whether the room exists."""
    ann = RoomsPerson(chat)
    ann.join("7", "ann", "\u202e")
    assert ann.codes() == ["bad_field"]
    assert ann.session.user == User("w_7", "ann")
    assert ann.payloads("error")[0]["message"].startswith("room_id contains U+202E")


async def test_a_connection_without_an_id_cannot_post(chat: Chat) -> None:
    ann = RoomsPerson(chat)
    ann.ask("message", room_id="general", message="hi")
    ann.ask("leave", room_id="general")
    assert ann.codes() == ["not_joined", "not_joined"]
    ann.ask("ping")
    assert list(ann.payloads("pong")[0]) == ["timestamp"]


@pytest.mark.parametrize(("identity", "own"), [(ACCOUNT, "7"), (GUEST, "g_7")], ids=["account", "guest"])
async def test_a_token_wins_over_a_claimed_id(chat: Chat, identity: Identity, own: str) -> None:
    """The client may claim its own id under any name: its identity does not change."""
    Person(chat, "ben", "general")
    await passes()
    ann = RoomsPerson(chat, identity)
    for other in ("8", "w_7", "g_8", "u_8"):
        ann.join(other, "ann")
    assert ann.codes() == ["principal_fixed"] * 4
    ann.join(own, "somebody")
    await passes()
    assert ann.session.identity == identity
    mark = {"kind": "guest"} if identity.guest else {}
    assert {"user_id": identity.user.id, "user_name": "ann", **mark} in ann.payloads("joined")[0]["users"]


@pytest.mark.parametrize("claimed", ["7", "u_7", "g_7", "w_7"])
async def test_a_claimed_id_never_equals_another_principal(chat: Chat, claimed: str) -> None:
    """In every dialect it differs from an account, a guest and any other claimed id."""
    events = Person(chat, room="general", dialect=BY_PATH["/api/chat"], identity=ACCOUNT)
    rooms = RoomsPerson(chat)
    rooms.join("watcher", "watcher")
    in_rooms: list[str] = []
    in_events: list[str] = []
    proved = [Identity(User(own, "boss"), guest=own == "g_7") for own in ("u_7", "u_u_7", "u_w_7", "g_7")]
    for speaker in (*(Person(chat, identity=identity) for identity in proved), RoomsPerson(chat)):
        await passes()
        if isinstance(speaker, RoomsPerson):
            speaker.join(claimed, "boss")
            await passes()
            speaker.ask("message", room_id="general", message="it is me")
        else:
            speaker.send("join", room="general")
            await passes()
            speaker.say("it is me")
        await passes()
        in_rooms.append(rooms.payloads("message")[-1]["user_id"])
        in_events.append([frame for frame in events.frames if frame["event"] == "message"][-1]["userid"])
    assert in_rooms[:4] == ["u_7", "u_u_7", "u_w_7", "g_7"]
    assert in_events[:4] == ["7", "u_u_7", "u_w_7", "g_7"]
    for ids in (in_rooms, in_events):
        assert ids[4] not in ids[:4]


async def test_a_claimed_id_is_refused_when_guests_are_disabled(repository: FaultyRepository) -> None:
    async with chatting(repository, guests=False) as chat:
        ann = RoomsPerson(chat)
        ann.join("7", "ann")
        assert ann.codes() == ["unauthorized"]
        assert ann.session.identity is None


async def test_two_connections_with_one_claimed_id_are_one_user(chat: Chat) -> None:
    ben = Person(chat, "ben", "general")
    await passes()
    first, second = RoomsPerson(chat), RoomsPerson(chat)
    first.join("7", "ann")
    second.join("7", "ann")
    await passes(3)
    assert ben.last("presence")["count"] == 2


async def test_a_native_frame_cannot_claim_an_id(chat: Chat) -> None:
    ann = Person(chat, "ann")
    for tag in ("claim", "Claim"):
        ann.send(tag, id=tag, user={"id": "u_7", "name": "ann"}, then={"type": "join", "room": "den"})
    assert ann.errors() == {"claim": "unknown_type", "Claim": "unknown_type"}


async def test_a_claim_defers_later_commands_as_its_own_command_does(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("find_room")
    ann = RoomsPerson(chat)
    chat.run(ann.session, Claim(user=User("w_7", "ann"), then=Join(room="general")))
    ann.ask("message", room_id="general", message="hi")
    await passes()
    assert not ann.payloads("message", "error")
    repository.go("find_room")
    await passes()
    assert [payload["message"] for payload in ann.payloads("message")] == ["hi"]
